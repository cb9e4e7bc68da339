-- The customers of both dates side by side; a branch or tier that is not known is the other date's.
WITH pairs AS (
    SELECT
        coalesce(o.branch, c.branch) AS opening_branch,
        coalesce(c.branch, o.branch) AS closing_branch,
        coalesce(o.tier, c.tier) AS opening_tier,
        coalesce(c.tier, o.tier) AS closing_tier,
        o.customer_id IS NOT NULL AS opens,
        c.customer_id IS NOT NULL AS closes,
        coalesce(o.average_cents, 0) AS o_average,
        coalesce(c.average_cents, 0) AS c_average,
        coalesce(o.end_cents, 0) AS o_end,
        coalesce(c.end_cents, 0) AS c_end,
        coalesce(o.funded, false) AS o_funded,
        coalesce(c.funded, false) AS c_funded,
        coalesce(o.effective, false) AS o_effective,
        coalesce(c.effective, false) AS c_effective,
        CASE
            WHEN NOT opens THEN 'new'
            WHEN NOT closes THEN 'closed'
            WHEN o.funded_by_end AND NOT c.funded_by_end THEN 'drained'
            WHEN c.funded_by_end AND NOT o.funded_by_end THEN 'returned'
            WHEN c_end > o_end THEN 'grown'
            WHEN c_end < o_end THEN 'shrunk'
            ELSE 'unchanged'
        END AS state
    FROM opening AS o FULL JOIN closing AS c USING (customer_id)
)
SELECT
    opening_branch, closing_branch, opening_tier, closing_tier, state,
    CASE WHEN NOT opens THEN 'NEW' WHEN closes AND c_funded AND NOT o_funded THEN 'RETURNED'
        ELSE '' END AS came,
    CASE WHEN NOT closes THEN 'CLOSED' WHEN opens AND o_funded AND NOT c_funded THEN 'DRAINED'
        ELSE '' END AS went,
    count(*) AS customers,
    count(*) FILTER (opens) AS opens,
    count(*) FILTER (closes) AS closes,
    sum(o_average) AS opening_cents,
    sum(c_average) AS closing_cents,
    sum(o_end) AS opening_end_cents,
    sum(c_end) AS closing_end_cents,
    count(*) FILTER (o_funded) AS opens_funded,
    count(*) FILTER (o_funded AND c_funded) AS retained_funded,
    sum(o_average) FILTER (o_funded) AS opening_funded_cents,
    sum(least(o_average, c_average)) FILTER (o_funded) AS kept_funded_cents,
    count(*) FILTER (o_effective) AS opens_effective,
    count(*) FILTER (o_effective AND c_effective) AS retained_effective,
    sum(o_average) FILTER (o_effective) AS opening_effective_cents,
    sum(least(o_average, c_average)) FILTER (o_effective) AS kept_effective_cents
FROM pairs
GROUP BY ALL;
