"""The quarter: every measure of every branch, collected once from the bank into small tables.

Here live the evaluation, its files, scores, comparison and the circulated edition. Nothing
here draws, and no query here runs once per branch: bulk work is done for all branches at once.
"""
