#!/bin/sh
# PySpark 4.3.0's CSV reader takes no GB18030 and no GBK, the encodings of most extracts in Chinese
# banks: `spark.read.csv(path, encoding="GB18030")` raises IllegalArgumentException with a list of
# seven encodings (ISO-8859-1, US-ASCII and forms of UTF), though its own Java knows both. The way
# round: `spark.sql.legacy.javaCharsets=true`, which brings all of Java's back.
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
import sys

import pyspark
from pyspark.errors import IllegalArgumentException
from pyspark.sql import SparkSession

with open("branches.csv", "wb") as file:
    file.write("branch_id,name\nB001,松湾镇支行\n".encode("gb18030"))
spark = (
    SparkSession.builder.master("local[1]").config("spark.ui.enabled", "false")
    .config("spark.driver.bindAddress", "127.0.0.1").config("spark.driver.host", "127.0.0.1")
    .config("spark.log.level", "OFF").getOrCreate()
)
print("pyspark", pyspark.__version__)


def name(encoding):
    try:
        return spark.read.csv("branches.csv", header=True, encoding=encoding).collect()[0]["name"]
    except IllegalArgumentException as error:
        print(str(error)[:160])
        return "refused"


refused = [name("GB18030"), name("GBK")]
spark.conf.set("spark.sql.legacy.javaCharsets", "true")
legacy = [name("GB18030"), name("GBK")]
print("as it comes:", refused, "- with spark.sql.legacy.javaCharsets:", legacy)
spark.stop()
still = refused == ["refused"] * 2 and legacy == ["松湾镇支行"] * 2
print("as reported" if still else "CHANGED")
sys.exit(0 if still else 1)
PYTHON
"$python" look.py 2>/dev/null
