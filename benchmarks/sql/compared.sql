-- What is compared between the dates; the rest of the facts is not needed any more.
CREATE TEMP TABLE compared_$quarter AS
SELECT
    customer_id, branch_id, issued_branch_id, average_cents, end_cents, tier,
    funded, funded_by_end, effective,
    funded AND status = 'dormant' AS asleep,
    funded AND status IN ('active', 'active_small') AS awake
FROM facts_$quarter;
DROP TABLE facts_$quarter;
