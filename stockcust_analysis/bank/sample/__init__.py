"""A fictitious rural commercial bank (农商行), with stories planted to be found.

Branches lead to people, people to a panel over the quarters, the panel to accounts, accounts to
the tables of the contract. Within, a branch, product, customer or quarter is a position and money
is whole cents (分). Nothing here reads or measures a real bank.
"""

from stockcust_analysis.bank.sample.bank import SEED, make_bank
from stockcust_analysis.bank.sample.writing import write_bank

__all__ = ["SEED", "make_bank", "write_bank"]
