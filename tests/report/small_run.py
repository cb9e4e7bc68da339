"""The command line with a report of one cell, as a process of its own: `python -m … report …`.

The notebook is the file named by STOCKCUST_TEST_NOTEBOOK; everything else is the real thing.
"""

from __future__ import annotations

import os
from pathlib import Path

from stockcust_analysis import cli
from stockcust_analysis.report import plan
from tests.report.small_notebooks import find_instead

if __name__ == "__main__":
    plan.notebook_path = find_instead(Path(os.environ["STOCKCUST_TEST_NOTEBOOK"]))  # type: ignore[assignment]
    cli.main()
