-- The growth bridge: every component for every branch; over the whole bank nobody moves.
WITH parts (branch_id, component, customers, cents) AS (
    SELECT opening_branch, 'opening', opens, opening_end_cents FROM pairs
    UNION ALL
    SELECT closing_branch, 'closing', closes, closing_end_cents FROM pairs
    UNION ALL
    SELECT closing_branch, state, customers, closing_end_cents - opening_end_cents FROM pairs
    UNION ALL
    SELECT closing_branch, 'transferred_in', opens, opening_end_cents
    FROM pairs WHERE opening_branch <> closing_branch
    UNION ALL
    SELECT opening_branch, 'transferred_out', opens, -opening_end_cents
    FROM pairs WHERE opening_branch <> closing_branch
    UNION ALL
    SELECT b.branch, c.component, 0, 0
    FROM (SELECT opening_branch FROM pairs UNION SELECT closing_branch FROM pairs) AS b (branch),
        unnest(['opening', 'new', 'returned', 'grown', 'shrunk', 'drained', 'closed', 'closing',
            'transferred_in', 'transferred_out']) AS c (component)
),
whole AS (
    SELECT '@bank', component, customers * (component NOT LIKE 'transferred%')::INT,
        cents * (component NOT LIKE 'transferred%')::INT
    FROM parts
)
SELECT branch_id, component, sum(customers) AS customers, sum(cents) / 100 AS amount
FROM (FROM parts UNION ALL FROM whole) WHERE component <> 'unchanged' GROUP BY ALL;
