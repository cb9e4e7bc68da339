-- One row per customer in scope of one date, with all that is counted. Money in cents.
CREATE TEMP TABLE facts_$quarter AS
WITH held AS (
    SELECT
        customer_id,
        $flags,
        bool_or($obliging) AS obliged,
        bool_or($exempting) AS exempt,
        bool_or(matures_on > DATE '$idle' AND matures_on <= DATE '$as_of') AS matured_lately,
        $openings
    FROM read_parquet($holdings)
    WHERE as_of = DATE '$as_of'
    GROUP BY customer_id
),
told AS (
    SELECT
        customer_id,
        coalesce(new_branch_id, branch_id) AS branch_id,
        branch_id AS issued_branch_id,
        (aum_period_end * 100)::BIGINT AS end_cents,
        (aum_average_month * 100)::BIGINT AS month_cents,
        (aum_average_quarter * 100)::BIGINT AS average_cents,
        coalesce(loan_balance, 0) > 0 AS owes,
        relationship_since <= DATE '$established' AS a_year,
        last_active_on > DATE '$idle' AS moved_lately,
        coalesce(profile_complete, false) AS profiled,
        coalesce(exclusion NOT IN ($never_contact), true)
            AND NOT coalesce(do_not_contact, false) AS contactable
    FROM read_parquet($customers)
    LEFT JOIN successors ON branch_id = old_branch_id
    WHERE as_of = DATE '$as_of'
        AND customer_type IN ($customer_types)
        AND (closed_on IS NULL OR closed_on > DATE '$as_of')
),
joined AS (
    SELECT
        told.* EXCLUDE (owes, a_year, moved_lately),
        $tier AS tier,
        average_cents >= $funded OR owes OR coalesce(obliged, false) AS funded,
        end_cents >= $funded OR owes OR coalesce(obliged, false) AS funded_by_end,
        average_cents >= $effective AS effective,
        a_year,
        coalesce(moved_lately, false) OR coalesce(matured_lately, false) AS acted,
        coalesce(exempt, false) AS exempt,
        $filled,
        $families AS families
    FROM told LEFT JOIN held USING (customer_id)
)
SELECT
    * EXCLUDE (a_year, acted, exempt),
    funded AND a_year AS established,
    CASE
        WHEN acted THEN CASE WHEN end_cents < $cap THEN 'active_small' ELSE 'active' END
        WHEN end_cents < $cap AND NOT exempt THEN 'dormant'
        ELSE 'silent'
    END AS status
FROM joined;
