#!/bin/sh
# PySpark 4.3.0's CSV reader, given both `header=True` and a schema, goes by the columns' places and
# not by their names: a file with the columns in another order is read with its balances under
# another name. Header and schema disagree, and that is a line in the log at most; the default
# `enforceSchema=True` says "force". PyArrow's `column_types` go by the header's names. A warehouse
# that unloads two columns the other way round one month moves overdrafts into deposits. The way
# round: `enforceSchema=False`, by which the header is checked and the query fails.
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
    pyspark==4.3.0 py4j==0.10.9.9 pyarrow==26.0.1
cd "$place"
cat > look.py <<'PYTHON'
import sys

import pyarrow as pa
import pyarrow.csv
import pyspark
from pyspark.sql import SparkSession

with open("month.csv", "w") as file:
    file.write("customer_id,loan,deposit\nC1,5,700\n")
spark = (
    SparkSession.builder.master("local[1]").config("spark.ui.enabled", "false")
    .config("spark.driver.bindAddress", "127.0.0.1").config("spark.driver.host", "127.0.0.1")
    .config("spark.log.level", "OFF").getOrCreate()
)
print("pyspark", pyspark.__version__)
SCHEMA = "customer_id string, deposit long, loan long"
row = spark.read.csv("month.csv", header=True, schema=SCHEMA).collect()[0]
print("the file says loan 5, deposit 700; Spark reads", row)
try:
    spark.read.csv("month.csv", header=True, schema=SCHEMA, enforceSchema=False).collect()
    strict = "read"
except Exception as error:
    strict = "refused"
    print("enforceSchema=False:", type(error).__name__)
options = pyarrow.csv.ConvertOptions(column_types={"deposit": pa.int64(), "loan": pa.int64()},
                                     include_columns=["customer_id", "deposit", "loan"])
arrow = pyarrow.csv.read_csv("month.csv", convert_options=options).to_pylist()[0]
print("PyArrow, asked for the same columns:", arrow)
spark.stop()
still = (row.deposit, row.loan, strict) == (5, 700, "refused") and arrow["deposit"] == 700
print("as reported" if still else "CHANGED")
sys.exit(0 if still else 1)
PYTHON
"$python" look.py 2>/dev/null
