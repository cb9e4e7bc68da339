-- The migration matrix; who changed branch leaves the old one and enters the new.
WITH cells AS (
    SELECT customers, opening_cents, closing_cents, opening_branch, closing_branch,
        opening_branch <> closing_branch AS moved,
        ['residual', 'potential', 'effective', 'mid', 'high', 'private'] AS tiers,
        tiers[opening_tier::INT + 1] AS tier,
        coalesce(nullif(came, ''), tier) AS origin,
        coalesce(nullif(went, ''), tiers[closing_tier::INT + 1]) AS target
    FROM pairs
),
parts (branch_id, "from", "to", customers, opening_cents, closing_cents) AS (
    SELECT '@bank', origin, target, customers, opening_cents, closing_cents FROM cells
    UNION ALL
    SELECT closing_branch, CASE WHEN moved THEN 'TRANSFERRED' ELSE origin END, target,
        customers, CASE WHEN moved THEN 0 ELSE opening_cents END, closing_cents FROM cells
    UNION ALL
    SELECT opening_branch, tier, 'TRANSFERRED', customers, opening_cents, 0 FROM cells WHERE moved
)
SELECT branch_id, "from", "to", sum(customers) AS customers,
    sum(opening_cents) / 100 AS opening_aum, sum(closing_cents) / 100 AS closing_aum
FROM parts GROUP BY ALL;
