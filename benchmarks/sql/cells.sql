SELECT
    opening_branch, closing_branch, o_tier AS opening_tier, c_tier AS closing_tier,
    CASE
        WHEN NOT o_there THEN 'NEW'
        WHEN c_there AND c_funded AND NOT o_funded THEN 'RETURNED'
        ELSE ''
    END AS came,
    CASE
        WHEN NOT c_there THEN 'CLOSED'
        WHEN o_there AND o_funded AND NOT c_funded THEN 'DRAINED'
        ELSE ''
    END AS went,
    count(*) AS customers, sum(o_average) AS opening_cents, sum(c_average) AS closing_cents
FROM pairs
GROUP BY ALL;
