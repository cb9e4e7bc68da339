-- Funded customers by rising balance, in their branch and in the whole bank.
WITH totals AS (
    SELECT branch, count(*) FILTER (funded) AS n,
        coalesce(sum(end_cents) FILTER (funded), 0)::BIGINT AS total
    FROM facts GROUP BY branch
    UNION ALL
    SELECT '@bank', count(*) FILTER (funded), sum(end_cents) FILTER (funded)::BIGINT FROM facts
),
ranked AS (
    SELECT branch, end_cents AS x, row_number() OVER w AS i,
        (sum(end_cents) OVER w)::BIGINT AS running
    FROM facts WHERE funded
    WINDOW w AS (PARTITION BY branch ORDER BY end_cents ROWS UNBOUNDED PRECEDING)
    UNION ALL
    SELECT '@bank', end_cents, row_number() OVER w, (sum(end_cents) OVER w)::BIGINT
    FROM facts WHERE funded
    WINDOW w AS (ORDER BY end_cents ROWS UNBOUNDED PRECEDING)
),
sums AS (
    SELECT
        branch,
        sum((2 * i - n - 1) * x) / any_value(n) AS gini_cents,
        sum(least(greatest(n * 1 - 100 * (n - i), 0), 100) * x) / 100 AS top_1_share_cents,
        sum(least(greatest(n * 5 - 100 * (n - i), 0), 100) * x) / 100 AS top_5_share_cents,
        sum(least(greatest(n * 10 - 100 * (n - i), 0), 100) * x) / 100 AS top_10_share_cents,
        sum(least(greatest(n * 20 - 100 * (n - i), 0), 100) * x) / 100 AS top_20_share_cents,
        count(*) FILTER (5 * running > total)
            - sum((total - 5 * (running - x)) / (5.0::DOUBLE * x))
                FILTER (5 * running > total AND 5 * (running - x) <= total) AS holders_of_80
    FROM ranked JOIN totals USING (branch)
    GROUP BY branch
)
SELECT branch, n AS ranked, total AS ranked_cents, holders_of_80,
    coalesce(COLUMNS(sums.* EXCLUDE (branch, holders_of_80)), 0)
FROM totals LEFT JOIN sums USING (branch);
