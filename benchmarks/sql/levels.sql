-- The sums of one date by branch.
WITH counted AS (
    SELECT
        branch_id,
        $sums
    FROM facts_$quarter
    GROUP BY branch_id
)
SELECT * FROM counted $served ORDER BY branch_id;
