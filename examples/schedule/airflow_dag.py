"""Airflow: evaluate once, make the pages in four parallel shards, join them.

Put this file into the DAG folder. The workers must see the same folders under the same names and
have this package in `COMMAND`'s environment. A task that is retried makes only what is missing.
For Airflow 3; Airflow 2 has `BashOperator` in `airflow.operators.bash`.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from airflow import DAG
from airflow.providers.standard.operators.bash import BashOperator

COMMAND = "/srv/stockcust/.venv/bin/stockcust"
DATA, OUT = "/srv/extracts", "/srv/reports"
SHARDS = 4
# The quarter that ended before the run: stated, so that a rerun next year makes the same pages.
QUARTER = (
    "{{ data_interval_end.subtract(months=3).year }}Q"
    "{{ (data_interval_end.subtract(months=3).month + 2) // 3 }}"
)

with DAG(
    "branch_reports",
    schedule="30 1 5 1,4,7,10 *",
    start_date=datetime(2026, 1, 1),
    catchup=False,
    default_args={"retries": 2, "retry_delay": timedelta(minutes=10)},
) as dag:
    evaluate = BashOperator(
        task_id="evaluate",
        bash_command=f"{COMMAND} evaluate {DATA} --quarter {QUARTER} --out {OUT}",
    )
    pages = [
        BashOperator(
            task_id=f"pages_{shard}",
            bash_command=f"{COMMAND} report {DATA} --quarter {QUARTER} --out {OUT} "
            f"--shard {shard}/{SHARDS}",
        )
        for shard in range(1, SHARDS + 1)
    ]
    collect = BashOperator(
        task_id="collect",
        bash_command=f"{COMMAND} report {DATA} --quarter {QUARTER} --collect --out {OUT}",
        trigger_rule="all_done",
    )
    evaluate >> pages >> collect
