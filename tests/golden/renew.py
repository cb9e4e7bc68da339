"""Write the golden quarter anew: `python -m tests.golden.renew`, after a definition changed."""

from __future__ import annotations

from pathlib import Path

from stockcust_analysis.evaluation.evaluate import evaluate
from stockcust_analysis.evaluation.results import Evaluation

QUARTER = "2026Q3"
GOLDEN = Path(__file__).with_name(f"{QUARTER}_measures.csv")
SAMPLE = Path(__file__).resolve().parents[2] / "data" / "sample"


def measured_quarter(evaluation: Evaluation) -> str:
    """Return the whole measure table of the quarter as CSV."""
    measures = evaluation.measures
    return measures[measures["quarter"] == QUARTER].to_csv(index=False, lineterminator="\n")


if __name__ == "__main__":
    GOLDEN.write_text(measured_quarter(evaluate(SAMPLE, quarter=QUARTER)), encoding="utf-8")
