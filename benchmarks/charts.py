"""How long the branch report's charts take, and its way from executed notebook to PDF, warm.

stockcust report data/sample --quarter 2026Q3 --branch B002
python benchmarks/charts.py reports/2026Q3 B002

Prints milliseconds of the processor, and of the clock for the PDF, which is set by several threads:
the best of several rounds, because a busy machine only adds.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path

from stockcust_analysis import open_evaluation
from stockcust_analysis.report.exporter import export_pdf
from stockcust_analysis.show import branch_figures, branch_score
from stockcust_analysis.show.branch_page import branch_page

ROUNDS = 5
CHART_LIMIT, PDF_LIMIT = 150, 400


def best(made: Callable[[], object], clock: Callable[[], float] = time.process_time) -> float:
    """Return the milliseconds of the quickest of some rounds."""
    made()
    rounds = []
    for _ in range(ROUNDS):
        started = clock()
        made()
        rounds.append(clock() - started)
    return 1000 * min(rounds)


def main(folder: Path, branch_id: str) -> None:
    """Time every figure of a branch's page, and the page itself."""
    page = branch_page(open_evaluation(folder / "evaluation"), branch_id=branch_id, language="zh")
    drawn = [
        getattr(branch_figures, name) for name in dir(branch_figures) if name.endswith("_figure")
    ]
    drawn += [branch_score.place_figure, branch_score.scorecard_figure]
    for figure in drawn:
        taken = best(lambda figure=figure: figure(page))
        print(f"{figure.__name__:24} {taken:6.0f} ms{'  too slow' if taken > CHART_LIMIT else ''}")
    notebook = folder / "branches" / branch_id / "report.ipynb"
    taken = best(lambda: export_pdf(notebook), time.perf_counter)
    print(f"{'notebook to PDF':24} {taken:6.0f} ms{'  too slow' if taken > PDF_LIMIT else ''}")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
