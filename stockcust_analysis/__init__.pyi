"""The public names and their modules, for type checkers; `__init__.py` loads them on first use."""

from stockcust_analysis import plot as plot
from stockcust_analysis.bank.sample import make_bank as make_bank
from stockcust_analysis.bank.source import Bank as Bank
from stockcust_analysis.bank.source import open_bank as open_bank
from stockcust_analysis.core.periods import Quarter as Quarter
from stockcust_analysis.core.results import Result as Result
from stockcust_analysis.core.results import set_language as set_language
from stockcust_analysis.errors import StockcustError as StockcustError
from stockcust_analysis.evaluation.evaluate import evaluate as evaluate
from stockcust_analysis.evaluation.results import Evaluation as Evaluation
from stockcust_analysis.evaluation.results import open_evaluation as open_evaluation
from stockcust_analysis.measures.co_holding import co_holding as co_holding
from stockcust_analysis.measures.concentration import concentration as concentration
from stockcust_analysis.measures.concentration import lorenz_curve as lorenz_curve
from stockcust_analysis.measures.coverage import coverage as coverage
from stockcust_analysis.measures.cross_sell import multi_product_share as multi_product_share
from stockcust_analysis.measures.cross_sell import penetration as penetration
from stockcust_analysis.measures.cross_sell import products_per_customer as products_per_customer
from stockcust_analysis.measures.dormancy import compare_rules as compare_rules
from stockcust_analysis.measures.dormancy import dormancy_rate as dormancy_rate
from stockcust_analysis.measures.dormancy import dormancy_status as dormancy_status
from stockcust_analysis.measures.growth import growth_bridge as growth_bridge
from stockcust_analysis.measures.inequality import gini as gini
from stockcust_analysis.measures.inequality import herfindahl as herfindahl
from stockcust_analysis.measures.inequality import (
    share_of_customers_holding as share_of_customers_holding,
)
from stockcust_analysis.measures.inequality import top_share as top_share
from stockcust_analysis.measures.retention import asset_retention as asset_retention
from stockcust_analysis.measures.retention import cohorts as cohorts
from stockcust_analysis.measures.retention import customer_retention as customer_retention
from stockcust_analysis.measures.two_dates import lost_customers as lost_customers
from stockcust_analysis.measures.two_dates import migration_matrix as migration_matrix
from stockcust_analysis.measures.worklist_outcomes import worklist_outcomes as worklist_outcomes
from stockcust_analysis.measures.worklists import worklists as worklists
from stockcust_analysis.models.campaign_effect import CampaignEffect as CampaignEffect
from stockcust_analysis.models.early_warning import EarlyWarning as EarlyWarning
from stockcust_analysis.models.next_product import NextProduct as NextProduct
from stockcust_analysis.models.segments import Segments as Segments
from stockcust_analysis.policy import DormancyRule as DormancyRule
from stockcust_analysis.policy import Policy as Policy
from stockcust_analysis.policy import TierScheme as TierScheme
from stockcust_analysis.policy import load_policy as load_policy

__version__: str
