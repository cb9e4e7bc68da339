-- The managed customers of one date: manager, last contact, class A to D, calls due.
CREATE TEMP TABLE served_$quarter AS
WITH assigned AS (
    SELECT *,
        valid_from <= DATE '$as_of' AND (valid_to IS NULL OR valid_to >= DATE '$as_of') AS now,
        valid_from <= DATE '$contact' AND (valid_to IS NULL OR valid_to >= DATE '$contact') AS began
    FROM read_parquet($assignments)
),
current AS (
    SELECT
        customer_id, manager_id, valid_from AS managed_from,
        coalesce(reason = 'handover', false)
            AND valid_from > DATE '$contact' AND valid_from <= DATE '$first_call' AS handed_over,
        first_contact_on <= valid_from + $first_call_days AS in_time,
        first_contact_on <= DATE '$as_of' AS called
    FROM assigned
    WHERE now
    QUALIFY valid_from = max(valid_from) OVER (PARTITION BY customer_id)
),
made AS (
    SELECT
        customer_id, contacted_on, outcome, managed_from, round,
        outcome IN ($effective_outcomes) AS effective
    FROM read_parquet($contacts) JOIN current USING (customer_id)
    WHERE contacted_on <= DATE '$as_of'
),
sold AS (
    SELECT customer_id, max(contacted_on) AS last_sale
    FROM made WHERE outcome = 'sale' GROUP BY customer_id
),
spoken AS (
    SELECT
        customer_id,
        max(contacted_on) FILTER (effective) AS last_contact_on,
        count(*) FILTER (outcome = 'sale' AND contacted_on > DATE '$purchase') AS sales,
        count(*) FILTER (effective AND contacted_on >= managed_from
            AND (last_sale IS NULL OR contacted_on > last_sale)) AS without_sale,
        $rounds
    FROM made LEFT JOIN sold USING (customer_id)
    GROUP BY customer_id
),
joined AS (
    SELECT
        customer_id, facts.branch_id, manager_id, role, tier, average_cents, month_cents, profiled,
        contactable, funded, managed_from, last_contact_on, handed_over,
        handed_over AND coalesce(in_time, false) AS called_in_time,
        coalesce(sales, 0) AS sales,
        coalesce(without_sale, 0) AS without_sale,
        customer_id IN (SELECT customer_id FROM assigned WHERE began) AS throughout,
        profiled OR coalesce(sales, 0) > 0 AS known
    FROM current
    JOIN facts_$quarter AS facts USING (customer_id)
    LEFT JOIN read_csv($managers, all_varchar = true) USING (manager_id)
    LEFT JOIN spoken USING (customer_id)
),
scored AS (
    SELECT customer_id, manager_id, known,
        count(*) OVER (PARTITION BY manager_id) AS size,
        rank() OVER (PARTITION BY manager_id, known ORDER BY average_cents DESC)
            + rank() OVER (PARTITION BY manager_id, known ORDER BY sales DESC) AS score
    FROM joined
),
classed AS (
    SELECT customer_id, $class AS class
    FROM (
        SELECT *, rank() OVER (PARTITION BY manager_id, known ORDER BY score) AS place FROM scored
    )
)
SELECT
    joined.*, class, spoken.* LIKE 'round_%',
    throughout AND contactable AS coverable,
    coalesce(joined.last_contact_on > DATE '$contact', false) AS contacted_lately,
    managed_from <= DATE '$reclaim'
        AND coalesce(joined.last_contact_on <= DATE '$reclaim', true) AS reclaim_due,
    CASE class $class_limits END AS due_by,
    managed_from <= due_by AND coalesce(joined.last_contact_on <= due_by, true) AS contact_due
FROM joined JOIN classed USING (customer_id) LEFT JOIN spoken USING (customer_id);
