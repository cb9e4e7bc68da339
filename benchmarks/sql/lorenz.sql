WITH points AS (
    SELECT branch_id, percent, (running - (i - n * percent / 100) * x) / total AS value_share
    FROM ranked JOIN totals USING (branch_id),
        unnest(range((i - 1) * 100 // n + 1, i * 100 // n + 1)) AS p (percent)
    WHERE total > 0 AND i * 100 // n > (i - 1) * 100 // n
    UNION ALL
    SELECT branch_id, 0, 0.0 FROM totals WHERE total > 0
)
SELECT branch_id, percent, value_share
FROM totals CROSS JOIN range(101) AS p (percent) LEFT JOIN points USING (branch_id, percent)
ORDER BY branch_id, percent;
