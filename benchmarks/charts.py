"""How long the branch report's charts take, and its way from executed notebook to PDF, warm.

stockcust report data/sample --quarter 2026Q3
python -m benchmarks.charts reports/2026Q3 B002 --json benchmarks/results/charts.json

Prints milliseconds: of the processor for charts, the best of several rounds, because a busy machine
only adds; of the clock for PDFs, which several threads set. Every page is printed once, after one
that is not counted: a page printed twice in a process would be remembered by the typesetter.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.runs import circumstances, write_json
from stockcust_analysis import open_evaluation
from stockcust_analysis.report.exporter import export_pdf
from stockcust_analysis.show import branch_figures
from stockcust_analysis.show.branch_page import branch_page

ROUNDS = 5
CHART_LIMIT, PDF_LIMIT = 150, 400


def best(made: Callable[[], object]) -> float:
    """Return the processor's milliseconds of the quickest of some rounds."""
    made()
    rounds = []
    for _ in range(ROUNDS):
        started = time.process_time()
        made()
        rounds.append(time.process_time() - started)
    return round(1000 * min(rounds), 1)


def once(made: Callable[[], object]) -> float:
    """Return the clock's milliseconds of one round."""
    started = time.perf_counter()
    made()
    return round(1000 * (time.perf_counter() - started), 1)


def measured(folder: Path, branch_id: str) -> dict[str, Any]:
    """Time every figure of a branch's page, and the printing of all branches' pages but one."""
    page = branch_page(open_evaluation(folder / "evaluation"), branch_id=branch_id, language="zh")
    drawn = [
        getattr(branch_figures, name) for name in dir(branch_figures) if name.endswith("_figure")
    ]
    drawn += [branch_figures.place_figure, branch_figures.scorecard_figure]
    charts = {figure.__name__: best(lambda figure=figure: figure(page)) for figure in drawn}
    warming, *notebooks = sorted(folder.glob("branches/*/report.ipynb"))
    export_pdf(warming)
    pages = [once(lambda path=path: export_pdf(path)) for path in notebooks]
    return {
        "chart_milliseconds": charts,
        "pdf_milliseconds": {"pages": len(pages), "median": median(pages), "most": max(pages)},
    }


def main() -> None:
    """Print the times, and write them where asked to."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="a quarter's folder, such as reports/2026Q3")
    parser.add_argument("branch_id")
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    facts = circumstances()
    found = measured(given.folder, given.branch_id)
    for name, taken in found["chart_milliseconds"].items():
        print(f"{name:28} {taken:6.0f} ms{'  too slow' if taken > CHART_LIMIT else ''}")
    for name in ("median", "most"):
        taken = found["pdf_milliseconds"][name]
        late = "  too slow" if taken > PDF_LIMIT else ""
        print(f"{'notebook to PDF, ' + name:28} {taken:6.0f} ms{late}")
    if given.json:
        write_json(given.json, {**facts, **found})


if __name__ == "__main__":
    main()
