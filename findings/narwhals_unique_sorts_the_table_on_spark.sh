#!/bin/sh
# `unique()` of Narwhals 2.29.0 on a Spark frame is not Spark's `distinct()`, even where all columns
# count and any of equal rows will do: it numbers the rows of each group by a window and keeps those
# with number 1. Spark's plan so sorts every row twice around the shuffle and keeps whole rows, where
# `distinct()` sums them up by hash before it, without a sort. On DuckDB and Polars `unique()` is as
# cheap as it looks, so code that is fast on extracts is slow on the warehouse of the same bank. The
# way round: `group_by(columns).agg(nw.len())` without the count, which is an aggregate everywhere.
#
# Seen with narwhals 2.29.0, pyspark 4.3.0, py4j 0.10.9.9, OpenJDK 17. Exits 0 while this is so, 1
# once it has changed. Needs python3 with venv, a Java of 17 or newer, and a package index.
set -eu
PYTHON=${PYTHON:-python3}
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
"$PYTHON" -m venv "$place/venv"
python="$place/venv/bin/python"
"$python" -m pip install --quiet --disable-pip-version-check \
    narwhals==2.29.0 pyspark==4.3.0 py4j==0.10.9.9 2>/dev/null
cd "$place"
cat > look.py <<'PYTHON'
import sys

import narwhals as nw
import pyspark
from pyspark.sql import SparkSession

spark = (
    SparkSession.builder.master("local[1]").config("spark.ui.enabled", "false")
    .config("spark.driver.bindAddress", "127.0.0.1").config("spark.driver.host", "127.0.0.1")
    .config("spark.log.level", "OFF").getOrCreate()
)
print("narwhals", nw.__version__, "on pyspark", pyspark.__version__)
rows = [("C1", "B1"), ("C1", "B1"), ("C2", "B1")]
frame = spark.createDataFrame(rows, "customer_id string, branch_id string")
lazy = nw.from_native(frame)
grouped = lazy.group_by("customer_id", "branch_id").agg(n=nw.len()).drop("n")
ways = {
    "unique()": lazy.unique().to_native(),
    "distinct()": frame.distinct(),
    "group_by().agg()": grouped.to_native(),
}
steps = {}
for name, result in ways.items():
    plan = result._jdf.queryExecution().executedPlan().toString()
    counts = ("Window", "Sort", "HashAggregate")
    steps[name] = {step: plan.count(f"{step} ") + plan.count(f"{step}(") for step in counts}
    print(f"{name:17} {result.count()} rows; steps of the plan:", steps[name])
alike = {tuple(sorted(map(tuple, result.collect()))) for result in ways.values()}
spark.stop()
sorts = {name for name, found in steps.items() if found["Window"] and found["Sort"]}
still = len(alike) == 1 and sorts == {"unique()"} and steps["distinct()"]["HashAggregate"] == 2
print("as reported" if still else "CHANGED")
sys.exit(0 if still else 1)
PYTHON
"$python" look.py 2>/dev/null
