WITH states AS (
    SELECT *,
        o_there AND c_there AS on_both,
        NOT o_there AS new,
        NOT c_there AS closed,
        on_both AND o_funded_by_end AND NOT c_funded_by_end AS drained,
        on_both AND c_funded_by_end AND NOT o_funded_by_end AS returned,
        on_both AND NOT drained AND NOT returned AS other,
        c_end - o_end AS change
    FROM pairs
)
SELECT
    opening_branch, closing_branch,
    -- tiers
    count(*) FILTER (o_funded AND c_funded) AS stayed,
    count(*) FILTER (o_funded AND c_funded AND c_tier > o_tier) AS upgraded,
    count(*) FILTER (o_funded AND c_funded AND c_tier < o_tier) AS downgraded,
    -- retention and growth
    $retention,
    count(*) FILTER (o_funded) AS starts,
    sum(o_average) FILTER (o_funded) AS all_opening_cents,
    sum(c_average) FILTER (c_funded) AS all_closing_cents,
    sum(o_average) FILTER (o_funded AND c_there) AS same_opening_cents,
    sum(c_average - o_average) FILTER (o_funded AND c_there) AS same_change_cents,
    -- the flow of dormancy
    count(*) FILTER (c_funded) AS judged,
    count(*) FILTER (o_funded AND NOT slept) AS awake_opening,
    count(*) FILTER (slept) AS dormant_opening,
    count(*) FILTER (sleeps AND o_funded AND NOT slept) AS newly_dormant,
    count(*) FILTER (sleeps AND NOT o_funded) AS dormant_arrived,
    count(*) FILTER (slept AND acts) AS reactivated,
    count(*) FILTER (slept AND c_funded AND NOT sleeps AND NOT acts) AS dormant_moved,
    count(*) FILTER (slept AND NOT c_funded) AS dormant_left,
    count(*) FILTER (sleeps) AS dormant_closing,
    sum(o_end) FILTER (slept) AS dormant_opening_cents,
    sum(c_end) FILTER (sleeps AND o_funded AND NOT slept) AS newly_dormant_cents,
    sum(c_end) FILTER (slept AND acts) AS reactivated_cents,
    sum(change) FILTER (slept AND acts) AS returned_by_waking_cents,
    sum(c_end) FILTER (sleeps) AS dormant_closing_cents,
    -- the bridge
    count(*) FILTER (o_there) AS opening,
    count(*) FILTER (c_there) AS closing,
    sum(o_end) AS opening_cents,
    sum(c_end) AS closing_cents,
    $bridge
FROM states
GROUP BY opening_branch, closing_branch;
