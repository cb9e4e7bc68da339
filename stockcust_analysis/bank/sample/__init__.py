"""A fictitious rural commercial bank (农商行) of any size, with stories planted to be found.

Branches lead to people, people to a panel over the quarters, the panel to accounts, accounts to
the tables of the contract. Within, a branch, product, customer or quarter is a position and money
is whole cents (分). Nothing here reads or measures a real bank.
"""

from stockcust_analysis.bank.sample.bank import SEED, make_bank, write_bank
from stockcust_analysis.bank.sample.stream import HELD_AS_A_WHOLE, stream_bank

__all__ = ["HELD_AS_A_WHOLE", "SEED", "make_bank", "stream_bank", "write_bank"]
