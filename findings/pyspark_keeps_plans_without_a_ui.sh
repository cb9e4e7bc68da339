#!/bin/sh
# PySpark 4.3.0 with `spark.ui.enabled=false` keeps on the driver, for as long as the session lives,
# the full text of the plan of every query it ran (the newest 1,000), for a page that nobody can
# open. Frames deleted, collected and cleared from the cache change nothing. One group-by over 150
# columns leaves 56,000 characters, joins multiply that, and the driver has one gigabyte by default:
# a report that asks hundreds of such questions fills it, however small the data. The way round:
# `spark.sql.ui.retainedExecutions` (before the session starts), `spark.sql.maxPlanStringLength`,
# and more memory for the driver.
#
# Seen with pyspark 4.3.0, OpenJDK 17. Exits 0 while this is so, 1 once it has changed. Needs
# python3 with venv, a Java of 17 or newer, and a package index.
set -eu
PYTHON=${PYTHON:-python3}
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
"$PYTHON" -m venv "$place/venv"
python="$place/venv/bin/python"
"$python" -m pip install --quiet --disable-pip-version-check \
    pyspark==4.3.0 py4j==0.10.9.9
cd "$place"
cat > look.py <<'PYTHON'
import gc
import sys

import pyspark
from pyspark.sql import SparkSession
from pyspark.sql import functions as sf


def texts_kept(**settings):
    """Ask ten questions over 150 columns, forget all, and return how many texts stay, and the longest."""
    builder = (
        SparkSession.builder.master("local[1]").config("spark.ui.enabled", "false")
        .config("spark.driver.bindAddress", "127.0.0.1").config("spark.driver.host", "127.0.0.1")
        .config("spark.log.level", "OFF")
    )
    for key, value in settings.items():
        builder = builder.config(key.replace("_", "."), value)
    spark = builder.getOrCreate()
    assert spark.sparkContext.uiWebUrl is None
    customers = spark.range(100).withColumn("branch", sf.col("id") % 7)
    rates = {f"rate_{k}": sf.when(sf.col("id") % 9 == k % 9, sf.col("branch") + k) for k in range(150)}
    customers = customers.withColumns(rates)
    for _ in range(10):
        customers.groupBy("branch").agg(*[sf.sum(rate).alias(rate) for rate in rates]).collect()
    del customers
    gc.collect()
    spark.catalog.clearCache()
    kept = spark._jsparkSession.sharedState().statusStore().executionsList()
    texts = [len(kept.apply(i).physicalPlanDescription()) for i in range(kept.size())]
    spark.stop()
    return len(texts), max(texts)


print("pyspark", pyspark.__version__)
number, longest = texts_kept()
print(f"without a UI: texts of {number} of 10 queries kept, the longest of {longest:,} characters")
few, short = texts_kept(spark_sql_ui_retainedExecutions="1", spark_sql_maxPlanStringLength="2000")
print(f"with both settings: {few}, the longest of {short:,} characters")
still = number == 10 and longest > 20_000 and few < 10 and short < 5_000
print("as reported" if still else "CHANGED")
sys.exit(0 if still else 1)
PYTHON
"$python" look.py 2>/dev/null
