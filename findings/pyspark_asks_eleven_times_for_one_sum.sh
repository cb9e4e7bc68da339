#!/bin/sh
# PySpark 4.3.0 asks the JVM several times for each step of a column expression, because it notes
# where in the Python code the step stands: `spark.python.sql.dataFrameDebugging.enabled` is true as
# installed. A sum of two columns that are there costs 11 calls instead of 1, each a round trip over
# a socket, though nothing runs and nothing fails. Queries that a program builds of hundreds of such
# expressions spend more time there than in planning, on one core. The setting is static: it counts
# only before the session starts, and `spark.conf.set` raises; who is handed a session has to ask
# whoever starts it.
#
# Seen with pyspark 4.3.0, py4j 0.10.9.9, OpenJDK 17. Exits 0 while this is so, 1 once it has
# changed. Needs python3 with venv, a Java of 17 or newer, and a package index.
set -eu
PYTHON=${PYTHON:-python3}
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
"$PYTHON" -m venv "$place/venv"
python="$place/venv/bin/python"
"$python" -m pip install --quiet --disable-pip-version-check \
    pyspark==4.3.0 py4j==0.10.9.9 2>/dev/null
cd "$place"
cat > look.py <<'PYTHON'
import sys

import pyspark
from py4j import java_gateway
from pyspark.errors import AnalysisException
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

SETTING = "spark.python.sql.dataFrameDebugging.enabled"
builder = (
    SparkSession.builder.master("local[1]").config("spark.ui.enabled", "false")
    .config("spark.driver.bindAddress", "127.0.0.1").config("spark.driver.host", "127.0.0.1")
    .config("spark.log.level", "OFF")
)
if sys.argv[1:]:
    builder = builder.config(SETTING, sys.argv[1])
spark = builder.getOrCreate()
sent = [0]
send = java_gateway.GatewayClient.send_command


def counting(self, *arguments, **options):
    sent[0] += 1
    return send(self, *arguments, **options)


java_gateway.GatewayClient.send_command = counting
column = F.col("amount")
kept = [column + column]  # what is looked up once
before = sent[0]
kept += [column + column for _ in range(100)]  # kept: what is let go is a call, too
calls = (sent[0] - before) / 100
try:
    spark.conf.set(SETTING, "false")
    words = "can be changed"
except AnalysisException:
    words = "cannot be changed in a session"
state = spark.conf.get(SETTING)
print(f"pyspark {pyspark.__version__}: debugging {state}: {calls:g} calls for one sum; {words}")
spark.stop()
PYTHON
"$python" look.py 2>/dev/null | tee as_installed
"$python" look.py false 2>/dev/null | tee without
if grep -q "true: 11 calls.*cannot" as_installed && grep -q "false: 1 calls" without; then
    echo "as reported"
else
    echo "CHANGED"
    exit 1
fi
