-- The sums of the managed of one date by branch.
CREATE TEMP TABLE served_sums_$quarter AS
SELECT
    branch_id,
    count(*) AS customers_managed,
    count(*) FILTER (funded) AS managed_funded,
    sum(average_cents) FILTER (funded) AS managed_funded_cents,
    count(*) FILTER (funded AND average_cents >= $manage_from) AS entitled_managed,
    count(*) FILTER (coverable) AS coverable,
    count(*) FILTER (coverable AND contacted_lately) AS covered,
    count(*) FILTER (contactable AND contact_due) AS contact_due,
    count(*) FILTER (contactable AND role = 'counter' AND month_cents >= $vip_from)
        AS hand_over_due,
    count(*) FILTER (contactable AND handed_over) AS handed_over,
    count(*) FILTER (contactable AND called_in_time) AS called_in_time,
    count(*) FILTER (contactable AND reclaim_due) AS reclaim_due,
    count(*) FILTER (contactable AND without_sale >= $set_aside_after) AS set_aside,
    count(*) FILTER (role = 'counter') AS managed_counter,
    count(*) FILTER (role = 'vip') AS managed_vip,
    count(DISTINCT manager_id) AS managers,
    count(DISTINCT manager_id) FILTER (role = 'counter') AS managers_counter,
    count(DISTINCT manager_id) FILTER (role = 'vip') AS managers_vip,
    $served_sums
FROM served_$quarter
GROUP BY branch_id;
