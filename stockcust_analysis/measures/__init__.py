"""The questions to a bank: pure functions, tables in, one table out.

Each module answers one question and is written once, in Narwhals, for every engine. What lives
here: definitions of measures, per-customer facts, and the measure frame that holds them. What may
not: reading files, the clock, charts, a branch's own rules (those are in the policy).
"""
