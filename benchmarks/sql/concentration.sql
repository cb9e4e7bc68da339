-- Funded customers by rising balance, in their branch and in the whole bank.
CREATE OR REPLACE TEMP TABLE ranked AS
WITH placed AS (
    SELECT branch_id, end_cents AS x,
        row_number() OVER w AS i, sum(end_cents) OVER w AS running
    FROM facts_$quarter WHERE funded
    WINDOW w AS (PARTITION BY branch_id ORDER BY end_cents ROWS UNBOUNDED PRECEDING)
    UNION ALL
    SELECT '$bank', end_cents, row_number() OVER w, sum(end_cents) OVER w
    FROM facts_$quarter WHERE funded
    WINDOW w AS (ORDER BY end_cents ROWS UNBOUNDED PRECEDING)
),
totals AS (
    SELECT branch_id, count(*) AS n, sum(x) AS total FROM placed GROUP BY branch_id
)
SELECT branch_id, x, i, running::BIGINT AS running, n, total::BIGINT AS total
FROM placed JOIN totals USING (branch_id);
