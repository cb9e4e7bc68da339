"""Getting a bank's tables in: the contract they must meet, how files are read, checked and mapped.

Here live the contract (tables, columns, types, units), the readers, the checks with their one
error, the header mapping and the synthetic sample bank. Nothing here computes a measure, and
nothing here knows what a report looks like.
"""
