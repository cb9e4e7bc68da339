"""What everything stands on: frames of any engine, money as whole cents, periods, errors, files.

Nothing here knows a bank, a policy or a measure. A rule of customers belongs in `measures`.
"""

presentation = charts = ""
"""The modules of words and workbooks, and of charts: set by who knows all layers."""
