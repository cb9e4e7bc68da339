WITH sums AS (
    SELECT
        branch_id,
        sum((2 * i - n - 1) * x) / any_value(n) AS gini_cents,
        $tops,
        sum(x) FILTER (i > n - 10) AS ten_largest_share_cents,
        sum(x::DOUBLE * x) / any_value(nullif(total, 0)) AS herfindahl_cents,
        count(*) FILTER (5 * running > total)
            - sum((total - 5 * (running - x)) / (5.0::DOUBLE * x))
                FILTER (5 * running > total AND 5 * (running - x) <= total) AS holders_of_80,
        $left_out
    FROM ranked JOIN totals USING (branch_id)
    GROUP BY branch_id
)
SELECT branch_id, n AS customers, total AS total_cents, holders_of_80,
    coalesce(COLUMNS(sums.* EXCLUDE (branch_id, holders_of_80)), 0)
FROM totals LEFT JOIN sums USING (branch_id)
ORDER BY branch_id;
