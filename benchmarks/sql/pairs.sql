-- The customers of both dates side by side; a branch that is not known is that of the other date.
CREATE OR REPLACE TEMP TABLE pairs AS
SELECT
    coalesce(o.$branch, c.$branch) AS opening_branch,
    coalesce(c.$branch, o.$branch) AS closing_branch,
    o.customer_id IS NOT NULL AS o_there,
    c.customer_id IS NOT NULL AS c_there,
    coalesce(o.average_cents, 0) AS o_average,
    coalesce(c.average_cents, 0) AS c_average,
    coalesce(o.end_cents, 0) AS o_end,
    coalesce(c.end_cents, 0) AS c_end,
    coalesce(o.tier, c.tier) AS o_tier,
    coalesce(c.tier, o.tier) AS c_tier,
    coalesce(o.funded, false) AS o_funded,
    coalesce(c.funded, false) AS c_funded,
    coalesce(o.funded_by_end, false) AS o_funded_by_end,
    coalesce(c.funded_by_end, false) AS c_funded_by_end,
    coalesce(o.effective, false) AS o_effective,
    coalesce(c.effective, false) AS c_effective,
    coalesce(o.asleep, false) AS slept,
    coalesce(c.asleep, false) AS sleeps,
    coalesce(c.awake, false) AS acts
FROM compared_$previous AS o FULL JOIN compared_$quarter AS c USING (customer_id);
