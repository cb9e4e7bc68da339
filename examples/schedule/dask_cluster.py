"""Make the pages on a Dask cluster: python dask_cluster.py tcp://scheduler:8786 DATA OUT QUARTER.

Every worker must have this package and see OUT under the same name. Without a scheduler's address
("local") two worker processes are started on this machine.
"""

from __future__ import annotations

import sys
from pathlib import Path

from distributed import Client

from stockcust_analysis import open_bank
from stockcust_analysis.report.quarter import ReportOptions, make_reports


def main(address: str, data: str, out: str, quarter: str) -> int:
    """Make a quarter's reports and return the number of branches that failed."""
    where = (
        {"n_workers": 2, "threads_per_worker": 1} if address == "local" else {"address": address}
    )
    with Client(**where) as client, open_bank(data) as bank:
        options = ReportOptions(quarter=quarter)
        run = make_reports(bank, options, out=Path(out), executor=client.get_executor())
    print(f"{len(run.results) - len(run.failed)} of {len(run.results)} reports in {run.folder}")
    return len(run.failed)


if __name__ == "__main__":
    sys.exit(1 if main(*sys.argv[1:5]) else 0)
