"""Layouts: tables that banks make for others already, turned into those of the contract.

A layout is a TOML file (tables, order of columns, lists of values) and a module that says in SQL
what its tables mean. How its files look and what DuckDB needs to read them stands in `reader.py`.
Nothing here knows a measure.
"""
