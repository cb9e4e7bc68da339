-- Whose money is leaving faster than that of the branch's customers in the same tier.
WITH at_risk AS (
    SELECT closing_branch, o_tier, o_average, c_average,
        (c_average - o_average) / o_average::DOUBLE AS change
    FROM pairs
    WHERE c_there AND o_average >= $lowest_average
),
peers AS (
    SELECT closing_branch, o_tier, count(*) AS size, median(change) AS of_branch
    FROM at_risk GROUP BY closing_branch, o_tier
),
tiers AS (SELECT o_tier, median(change) AS of_tier FROM at_risk GROUP BY o_tier),
judged AS (
    SELECT *,
        CASE WHEN size >= $smallest_group THEN of_branch ELSE of_tier END AS usual,
        change < 0 AND change < usual - $margin AS warned
    FROM at_risk JOIN peers USING (closing_branch, o_tier) JOIN tiers USING (o_tier)
),
sums AS (
    SELECT
        closing_branch AS branch_id,
        count(*) AS at_risk,
        sum(o_average) AS at_risk_cents,
        count(*) FILTER (warned) AS warned,
        sum(o_average - c_average) FILTER (warned) AS fall_cents
    FROM judged GROUP BY closing_branch
)
SELECT branch_id, customers, coalesce(COLUMNS(sums.* EXCLUDE (branch_id)), 0)
FROM (SELECT closing_branch AS branch_id, count(*) AS customers FROM pairs WHERE c_there GROUP BY 1)
LEFT JOIN sums USING (branch_id)
ORDER BY branch_id;
