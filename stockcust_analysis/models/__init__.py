"""Models of single customers, with all learning from scikit-learn and its conventions.

Each model learns from earlier quarters, is judged on a later one beside a plain rule, and says so
where it is no better. Here lives what learns; what is counted lives in `measures`, and nothing
here prints a page. A table of one's own, of any engine, does as well as a bank's.
"""
