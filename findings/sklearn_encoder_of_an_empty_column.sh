#!/bin/sh
# scikit-learn 1.9.1's OrdinalEncoder, fitted on a text column of pandas 3.1.1 with gaps, encodes a gap
# as NaN. A column that is nothing but gaps (a month in which no customer has a channel) comes in
# one of three ways, and each is answered otherwise: `str` gives NaN; `object` with None gives the
# code of unknown values, as if the gap were a new channel; `float64`, which pandas makes of
# such a column by default, raises TypeError from numpy ("ufunc 'isnan' not supported"), which says
# nothing of the column. So a model that was fitted and tested on good months stops, or scores
# otherwise, in the first month that lacks the column.
# The way round: cast to the fitted dtype before transforming (`.astype("str")` keeps gaps).
#
# Seen with scikit-learn 1.9.1, pandas 3.1.1, Python 3.11. Exits 0 while this is so, 1 once it has
# changed. Needs python3 with venv, and a package index.
set -eu
PYTHON=${PYTHON:-python3}
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
"$PYTHON" -m venv "$place/venv"
python="$place/venv/bin/python"
"$python" -m pip install --quiet --disable-pip-version-check scikit-learn==1.9.1 pandas==3.1.1
cd "$place"
cat > look.py <<'PYTHON'
import sys

import pandas as pd
import sklearn
from sklearn.preprocessing import OrdinalEncoder

train = pd.DataFrame({"channel": ["counter", "mobile", "mobile", None]})
encoder = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1).fit(train)
EMPTY = [None, None]
FRAMES = {
    "a gap beside a value": pd.DataFrame({"channel": ["mobile", None]}),
    "only gaps, str": pd.DataFrame({"channel": pd.Series(EMPTY, dtype="str")}),
    "only gaps, object": pd.DataFrame({"channel": pd.Series(EMPTY, dtype="object")}),
    "only gaps, float64": pd.DataFrame({"channel": pd.Series(EMPTY, dtype="float64")}),
}
print("scikit-learn", sklearn.__version__, "pandas", pd.__version__)
results = []
for name, frame in FRAMES.items():
    try:
        results.append(str(encoder.transform(frame)[-1, 0]))
    except TypeError as error:
        results.append("TypeError")
        print(error)
    print(f"{name}: a gap becomes {results[-1]}")
still = results == ["nan", "nan", "-1.0", "TypeError"]
print("as reported" if still else "CHANGED")
sys.exit(0 if still else 1)
PYTHON
"$python" look.py
