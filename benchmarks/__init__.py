"""The whole evaluation against the same questions written by hand, for speed and for truth.

`engines` compares the package with DuckDB SQL, pandas and Polars; `scale` shows how its time grows
with the number of customers. README.md says how to run them and what is compared.
"""
