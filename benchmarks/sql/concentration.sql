-- Funded customers by rising balance, in their branch and in the whole bank.
CREATE OR REPLACE TEMP TABLE totals AS
WITH branches AS (
    SELECT branch_id, count(*) FILTER (funded) AS n,
        coalesce(sum(end_cents) FILTER (funded), 0)::BIGINT AS total
    FROM facts_$quarter GROUP BY branch_id
)
FROM branches UNION ALL SELECT '$bank', sum(n)::BIGINT, sum(total)::BIGINT FROM branches;

CREATE OR REPLACE TEMP TABLE ranked AS
SELECT branch_id, end_cents AS x, row_number() OVER w AS i, (sum(end_cents) OVER w)::BIGINT AS running
FROM facts_$quarter WHERE funded
WINDOW w AS (PARTITION BY branch_id ORDER BY end_cents ROWS UNBOUNDED PRECEDING)
UNION ALL
SELECT '$bank', end_cents, row_number() OVER w, (sum(end_cents) OVER w)::BIGINT
FROM facts_$quarter WHERE funded
WINDOW w AS (ORDER BY end_cents ROWS UNBOUNDED PRECEDING);
