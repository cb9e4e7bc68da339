#!/bin/sh
# Handed a pandas frame, PySpark 4.3.0 turns a missing text into the text 'nan' if some OTHER column
# of the frame cannot go by Arrow: a column of numbers and texts, as branch numbers from Excel are, or
# one of unsigned whole numbers of 64 bits. The whole frame then falls back to the older way, with one
# warning about Arrow and none about the texts; without the odd column the same text is NULL. Counting
# what is missing says 0, and a join by that column has a branch 'nan'. In that way a whole number
# beyond 64 bits becomes NULL, too. The way round: set
# spark.sql.execution.arrow.pyspark.fallback.enabled to false, which names the column, or cast each
# object column to one type first.
#
# Seen with pyspark 4.3.0, py4j 0.10.9.9, pandas 3.1.1, pyarrow 26.0.1, OpenJDK 17. Exits 0 while this
# is so, 1 once it has changed. Needs python3 with venv, a Java of 17 or newer, and a package index.
set -eu
PYTHON=${PYTHON:-python3}
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
"$PYTHON" -m venv "$place/venv"
python="$place/venv/bin/python"
"$python" -m pip install --quiet --disable-pip-version-check \
    pyspark==4.3.0 py4j==0.10.9.9 pandas==3.1.1 pyarrow==26.0.1 2>/dev/null
cd "$place"
cat > look.py <<'PYTHON'
import sys
import warnings

import pandas as pd
import pyarrow as pa
import pyspark
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

spark = (
    SparkSession.builder.master("local[1]").config("spark.ui.enabled", "false")
    .config("spark.driver.bindAddress", "127.0.0.1").config("spark.driver.host", "127.0.0.1")
    .config("spark.log.level", "OFF").getOrCreate()
)
print("pyspark", pyspark.__version__, "pandas", pd.__version__, "pyarrow", pa.__version__)
manager = pd.Series(["M1", None])
beside = {
    "whole numbers": pd.Series([1, 2]),
    "numbers and texts": pd.Series([7, "007"], dtype=object),
    "unsigned whole numbers": pd.Series([1, 2], dtype="uint64"),
    "a number beyond 64 bits": pd.Series([10**20, 1], dtype=object),
}
seen = {}
for words, column in beside.items():
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        frame = spark.createDataFrame(pd.DataFrame({"manager": manager, "other": column}))
        rows = [tuple(row) for row in frame.collect()]
        missing = frame.filter(F.col("manager").isNull()).count()
    fell_back = any("attempted Arrow optimization" in str(one.message) for one in said)
    named = any("nan" in str(one.message).lower() for one in said)
    seen[words] = (rows[1][0], missing, rows[0][1], fell_back, named)
    print(f"beside {words}: {rows}, {missing} missing, Arrow given up: {fell_back}")
spark.stop()
expected = {
    "whole numbers": (None, 1, 1, False, False),
    "numbers and texts": ("nan", 0, "7", True, False),
    "unsigned whole numbers": ("nan", 0, 1, True, False),
    "a number beyond 64 bits": ("nan", 0, None, True, False),
}
sys.exit(0 if seen == expected else 1)
PYTHON
"$python" look.py 2>/dev/null
