"""The public names and where they live: the package loads from here what is asked for."""

from stockcust_analysis import plot as plot
from stockcust_analysis.bank.contacts_import import import_contacts as import_contacts
from stockcust_analysis.bank.sample import make_bank as make_bank
from stockcust_analysis.bank.source import Bank as Bank
from stockcust_analysis.bank.source import open_bank as open_bank
from stockcust_analysis.errors import StockcustError as StockcustError
from stockcust_analysis.evaluation.evaluate import evaluate as evaluate
from stockcust_analysis.evaluation.results import (
    Evaluation as Evaluation,
)
from stockcust_analysis.evaluation.results import (
    open_evaluation as open_evaluation,
)
from stockcust_analysis.measures.attrition import (
    attrition_rate as attrition_rate,
)
from stockcust_analysis.measures.attrition import (
    attrition_warning as attrition_warning,
)
from stockcust_analysis.measures.co_holding import co_holding as co_holding
from stockcust_analysis.measures.concentration import (
    concentration as concentration,
)
from stockcust_analysis.measures.concentration import (
    lorenz_curve as lorenz_curve,
)
from stockcust_analysis.measures.concentration import whale_curve as whale_curve
from stockcust_analysis.measures.coverage import (
    contact_rounds as contact_rounds,
)
from stockcust_analysis.measures.coverage import (
    coverage as coverage,
)
from stockcust_analysis.measures.coverage import (
    managed_share as managed_share,
)
from stockcust_analysis.measures.coverage import (
    profile_completion as profile_completion,
)
from stockcust_analysis.measures.coverage import (
    service_by_class as service_by_class,
)
from stockcust_analysis.measures.cross_sell import (
    multi_product_share as multi_product_share,
)
from stockcust_analysis.measures.cross_sell import (
    penetration as penetration,
)
from stockcust_analysis.measures.cross_sell import (
    product_count_distribution as product_count_distribution,
)
from stockcust_analysis.measures.cross_sell import (
    products_per_customer as products_per_customer,
)
from stockcust_analysis.measures.dormancy import account_state as account_state
from stockcust_analysis.measures.dormancy import compare_rules as compare_rules
from stockcust_analysis.measures.dormancy import (
    dormancy_rate as dormancy_rate,
)
from stockcust_analysis.measures.dormancy import (
    dormancy_status as dormancy_status,
)
from stockcust_analysis.measures.dormancy import last_activity as last_activity
from stockcust_analysis.measures.dormancy_flow import dormancy_flow as dormancy_flow
from stockcust_analysis.measures.growth import aum_change as aum_change
from stockcust_analysis.measures.growth import (
    family_growth_bridge as family_growth_bridge,
)
from stockcust_analysis.measures.growth import (
    growth_bridge as growth_bridge,
)
from stockcust_analysis.measures.intervals import (
    gini_interval as gini_interval,
)
from stockcust_analysis.measures.intervals import (
    lift_interval as lift_interval,
)
from stockcust_analysis.measures.intervals import (
    proportion_interval as proportion_interval,
)
from stockcust_analysis.measures.intervals import (
    top_share_interval as top_share_interval,
)
from stockcust_analysis.measures.kernels import (
    gini as gini,
)
from stockcust_analysis.measures.kernels import (
    herfindahl as herfindahl,
)
from stockcust_analysis.measures.kernels import (
    share_of_customers_holding as share_of_customers_holding,
)
from stockcust_analysis.measures.kernels import (
    top_share as top_share,
)
from stockcust_analysis.measures.migration import (
    migration_matrix as migration_matrix,
)
from stockcust_analysis.measures.migration import (
    tier_move_rates as tier_move_rates,
)
from stockcust_analysis.measures.openings import unused_openings as unused_openings
from stockcust_analysis.measures.population import assign_tenure as assign_tenure
from stockcust_analysis.measures.retention import (
    asset_retention as asset_retention,
)
from stockcust_analysis.measures.retention import (
    customer_retention as customer_retention,
)
from stockcust_analysis.measures.retention import (
    same_customer_growth as same_customer_growth,
)
from stockcust_analysis.measures.service import customer_service as customer_service
from stockcust_analysis.measures.structure import restate_branches as restate_branches
from stockcust_analysis.measures.tier_memory import tiers_with_memory as tiers_with_memory
from stockcust_analysis.measures.tiers import (
    assign_tiers as assign_tiers,
)
from stockcust_analysis.measures.tiers import (
    near_border as near_border,
)
from stockcust_analysis.measures.tiers import (
    tier_counts as tier_counts,
)
from stockcust_analysis.measures.worklist_outcomes import (
    draw_control_group as draw_control_group,
)
from stockcust_analysis.measures.worklist_outcomes import worklist_outcomes as worklist_outcomes
from stockcust_analysis.measures.worklists import (
    worklist_counts as worklist_counts,
)
from stockcust_analysis.measures.worklists import worklist_facts as worklist_facts
from stockcust_analysis.measures.worklists import (
    worklists as worklists,
)
from stockcust_analysis.periods import Quarter as Quarter
from stockcust_analysis.policy import (
    AttritionRule as AttritionRule,
)
from stockcust_analysis.policy import (
    CoverageRule as CoverageRule,
)
from stockcust_analysis.policy import (
    DormancyRule as DormancyRule,
)
from stockcust_analysis.policy import (
    Policy as Policy,
)
from stockcust_analysis.policy import (
    TierMemory as TierMemory,
)
from stockcust_analysis.policy import (
    TierScheme as TierScheme,
)
from stockcust_analysis.policy import (
    load_policy as load_policy,
)

__version__: str
