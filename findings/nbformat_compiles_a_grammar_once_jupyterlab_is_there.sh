#!/bin/sh
# nbformat 5.11.1 starts with a grammar of internet addresses as soon as JupyterLab is installed
# beside it. jupyter-events requires jsonschema[format-nongpl], which brings rfc3987-syntax; that
# builds an Earley parser of RFC 3987 when it is imported; jsonschema imports it to check "iri"
# formats, which no notebook has; and nbformat imports jsonschema. Every program that reads a
# notebook (papermill, nbconvert, a scheduler of hundreds of branches) pays for it at each start,
# in one environment and not in another with the same nbformat. The way round: set
# sys.modules["rfc3987_syntax"] = None before nbformat is imported; jsonschema then goes without.
#
# Seen with nbformat 5.11.1, jsonschema 4.26.0, jupyter-events 0.12.1, rfc3987-syntax 1.1.0 and lark
# 1.3.1: an import of 0.1 processor seconds takes 1.1. Exits 0 while this is so, 1 once it has changed.
# Needs python3 with venv, and a package index.
set -eu
PYTHON=${PYTHON:-python3}
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
"$PYTHON" -m venv "$place/venv"
python="$place/venv/bin/python"
cd "$place"
cat > look.py <<'PYTHON'
import sys
import time

begun = time.process_time()
if "without" in sys.argv:
    sys.modules["rfc3987_syntax"] = None
import nbformat

seconds = time.process_time() - begun
grammar = "lark" in sys.modules
print(f"{sys.argv[1]}: grammar compiled: {grammar}; processor seconds of the import: {seconds:.2f}")
sys.exit(0 if grammar == (sys.argv[1] == "beside") else 1)
PYTHON
still=yes
"$python" -m pip install --quiet --disable-pip-version-check nbformat==5.11.1 jsonschema==4.26.0
"$python" look.py alone || still=no
"$python" -m pip install --quiet --disable-pip-version-check \
    nbformat==5.11.1 jsonschema==4.26.0 jupyter-events==0.12.1 rfc3987-syntax==1.1.0 lark==1.3.1
"$python" look.py beside || still=no
"$python" look.py guarded without || still=no
[ "$still" = yes ] && echo "as reported" || { echo "CHANGED"; exit 1; }
