#!/bin/sh
# PySpark 4.3.0 on Linux takes no date literal before the year 1000: `lit(date(1, 1, 1))`, and any
# comparison of a column with such a date, raises IllegalArgumentException without a message. py4j's
# converter writes the day by strftime("%Y-%m-%d"), which on Linux gives "1-01-01", and Java's
# Date.valueOf asks for four digits. The same date is fine inside a data frame and comes back whole,
# so 0001-01-01, by which DB2 and other core systems write "no date", can be read but not looked for.
# The way round: compare year and day of the year, or cast the text '0001-01-01' to a date.
#
# Seen with pyspark 4.3.0, py4j 0.10.9.9, OpenJDK 17. Exits 0 while this is so, 1 once it has
# changed. Needs python3 with venv, a Java of 17 or newer, and a package index.
set -eu
PYTHON=${PYTHON:-python3}
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
"$PYTHON" -m venv "$place/venv"
python="$place/venv/bin/python"
"$python" -m pip install --quiet --disable-pip-version-check pyspark==4.3.0 py4j==0.10.9.9 2>/dev/null
cd "$place"
cat > look.py <<'PYTHON'
import sys
from datetime import date

import pyspark
from pyspark.errors import IllegalArgumentException
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

spark = (
    SparkSession.builder.master("local[1]").config("spark.ui.enabled", "false")
    .config("spark.driver.bindAddress", "127.0.0.1").config("spark.driver.host", "127.0.0.1")
    .config("spark.log.level", "OFF").getOrCreate()
)
print("pyspark", pyspark.__version__)
frame = spark.createDataFrame([(date(1, 1, 1),), (date(2026, 9, 30),)], "day date")
whole = [row.day for row in frame.collect()] == [date(1, 1, 1), date(2026, 9, 30)]
print("in a data frame, and back:", "whole" if whole else "bent")
refused = []
for day in (date(1, 1, 1), date(999, 12, 31), date(1000, 1, 1)):
    try:
        print(day, "as a literal ->", frame.filter(F.col("day") == F.lit(day)).count(), "rows")
    except IllegalArgumentException as error:
        refused.append(day)
        print(day, "as a literal -> IllegalArgumentException:", str(error).splitlines()[:1])
text = frame.filter(F.col("day") == F.lit("0001-01-01").cast("date")).count()
parts = frame.filter((F.year("day") == 1) & (F.dayofyear("day") == 1)).count()
print("as a text cast to a date ->", text, "row; by year and day of the year ->", parts, "row")
spark.stop()
still = whole and refused == [date(1, 1, 1), date(999, 12, 31)] and text == parts == 1
print("as reported" if still else "CHANGED")
sys.exit(0 if still else 1)
PYTHON
"$python" look.py 2>/dev/null
