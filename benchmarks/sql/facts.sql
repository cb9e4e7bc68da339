-- One row per customer in scope of one date, with all that is counted. Money in cents.
SET VARIABLE idle = last_day(getvariable('as_of') - INTERVAL 6 MONTH);
SET VARIABLE quiet = last_day(getvariable('as_of') - INTERVAL 3 MONTH);

CREATE OR REPLACE TEMP TABLE facts AS
WITH held AS (
    SELECT
        customer_id,
        bool_or(product IN ('demand_deposit', 'time_deposit') AND balance > 0) AS deposit,
        bool_or(product = 'wealth' AND balance > 0) AS wealth,
        bool_or(product = 'fund' AND balance > 0) AS fund,
        bool_or(product = 'insurance'
            AND (balance > 0 OR matures_on > getvariable('as_of'))) AS insurance,
        bool_or(product IN ('bond', 'metal') AND balance > 0) AS bond_metal,
        bool_or(product = 'loan' AND balance > 0) AS loan,
        bool_or(product = 'credit_card' AND (balance > 0 OR used_recently)) AS credit_card,
        bool_or(product = 'merchant_acquiring' AND used_recently) AS merchant_acquiring,
        bool_or(product = 'payroll' AND used_recently) AS payroll,
        bool_or(product = 'social_security_card' OR (product = 'time_deposit' AND balance > 0
            AND (matures_on IS NULL OR matures_on > getvariable('as_of')))) AS exempt,
        bool_or(matures_on > getvariable('idle') AND matures_on <= getvariable('as_of')) AS matured
    FROM holdings
    WHERE as_of = getvariable('as_of')
    GROUP BY customer_id
),
in_force AS (
    SELECT
        customer_id,
        bool_or(valid_from <= getvariable('as_of')
            AND (valid_to IS NULL OR valid_to >= getvariable('as_of'))) AS managed,
        bool_or(valid_from <= getvariable('quiet')
            AND (valid_to IS NULL OR valid_to >= getvariable('quiet'))) AS managed_before
    FROM assignments
    GROUP BY customer_id
),
spoken AS (
    SELECT DISTINCT customer_id, true AS spoken_to
    FROM contacts
    WHERE contacted_on > getvariable('quiet') AND contacted_on <= getvariable('as_of')
        AND outcome IN ('reached', 'appointment', 'visit', 'sale', 'refused')
),
joined AS (
    SELECT
        customer_id,
        coalesce(new_branch_id, branch_id) AS branch,
        (aum_period_end * 100)::BIGINT AS end_cents,
        (aum_average_quarter * 100)::BIGINT AS average_cents,
        (average_cents >= 100_00)::TINYINT + (average_cents >= 10_000_00)::TINYINT
            + (average_cents >= 50_000_00)::TINYINT + (average_cents >= 500_000_00)::TINYINT
            + (average_cents >= 6_000_000_00)::TINYINT AS tier,
        coalesce(loan_balance > 0, false) OR coalesce(loan, false)
            OR coalesce(insurance, false) AS obliged,
        average_cents >= 100_00 OR obliged AS funded,
        end_cents >= 100_00 OR obliged AS funded_by_end,
        average_cents >= 10_000_00 AS effective,
        coalesce(last_active_on > getvariable('idle'), false)
            OR coalesce(matured, false) AS acted,
        coalesce(exempt OR loan OR insurance OR payroll OR merchant_acquiring, false) AS exempt,
        COLUMNS(['deposit', 'wealth', 'fund', 'insurance', 'bond_metal', 'loan', 'credit_card',
            'merchant_acquiring', 'payroll']),
        coalesce(managed, false) AS managed,
        coalesce(managed AND managed_before, false)
            AND coalesce(exclusion NOT IN ('deceased', 'frozen', 'staff', 'minor'), true)
            AND NOT coalesce(do_not_contact, false) AS coverable,
        coverable AND coalesce(spoken_to, false) AS covered
    FROM customers
    LEFT JOIN successors ON branch_id = old_branch_id
    LEFT JOIN held USING (customer_id)
    LEFT JOIN in_force USING (customer_id)
    LEFT JOIN spoken USING (customer_id)
    WHERE as_of = getvariable('as_of')
        AND customer_type IN ('personal', 'sole_trader')
        AND (closed_on IS NULL OR closed_on > getvariable('as_of'))
)
SELECT
    * EXCLUDE (acted, exempt, obliged),
    CASE
        WHEN acted THEN CASE WHEN end_cents < 500_00 THEN 'active_small' ELSE 'active' END
        WHEN end_cents < 500_00 AND NOT exempt THEN 'dormant'
        ELSE 'silent'
    END AS status,
    coalesce(deposit, false)::TINYINT + coalesce(wealth, false)::TINYINT
        + coalesce(fund, false)::TINYINT + coalesce(insurance, false)::TINYINT
        + coalesce(bond_metal, false)::TINYINT + coalesce(loan, false)::TINYINT
        + coalesce(credit_card, false)::TINYINT + coalesce(merchant_acquiring, false)::TINYINT
        + coalesce(payroll, false)::TINYINT AS families
FROM joined;
