"""Writes the page of results: `python -m benchmarks.table`, from `results/*.json` and `page.md`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

_HERE = Path(__file__).parent
PAGE = _HERE.parent / "docs" / "explanation" / "benchmarks.md"
_NAMES = {"package": "this package", "sql": "DuckDB SQL by hand"}
_NAMES["loop"] = "papermill and nbconvert in a loop, Chromium"
_PHASES = {"": "", "open_": "… opening", "evaluate_": "… evaluating"}
_PHASES |= {"features_": "… features", "fit_": "… learning", "predict_": "… ranking everybody"}
_HEAD = """\
| | seconds | processor seconds | peak memory, MB \
| package's seconds / these | its processor seconds / these | its memory / this |
|---|---:|---:|---:|---:|---:|---:|"""


def page() -> str:
    """Return the page with the tables of all committed results."""
    paths = sorted((_HERE / "results").glob("*.json"))
    results = [json.loads(path.read_text(encoding="utf-8")) for path in paths]
    measured = "\n\n".join(map(tables, results)) or "Nothing has been measured yet."
    return (_HERE / "page.md").read_text(encoding="utf-8").replace("{results}", measured)


def tables(result: dict[str, Any]) -> str:
    """Return the tables of a run, each with what was measured, where and when."""
    limit = f" DuckDB's memory limit was {result['memory_limit']}." * bool(result["memory_limit"])
    where = f"{result['machine']}; {result['versions']}.{limit}"
    when = f"Measured on {result['date']} at {result['commit']}: {where}"
    parts = []
    for comparison in result["comparisons"].values():
        size = ", ".join(f"{count:,} {what}" for what, count in comparison["size"].items())
        parts.append(f"### {comparison['title']}\n\n**{size}.** {when}\n\n{_table(comparison)}")
    return "\n\n".join(parts)


def _table(comparison: dict[str, Any]) -> str:
    """Return a row for each arm, its medians, and for each phase."""
    lines = [_HEAD]
    for arm, cost in comparison["arms"].items():
        if "failed" in cost:
            lines.append(f"| {_NAMES.get(arm, arm)} | {cost['failed']} | | | | | |")
            continue
        ratios = comparison["package_over"].get(arm, {})
        for prefix, label in _PHASES.items():
            names = [f"{prefix}{name}" for name in ("seconds", "processor_seconds", "peak_mb")]
            if names[0] in cost:
                cells = [f"{cost[name][0]:,.1f}" if name in cost else "" for name in names]
                spreads = [ratios.get(name) for name in names]
                cells += ["{:.2f} ({:.2f} to {:.2f})".format(*s) if s else "" for s in spreads]
                lines.append(f"| {label or _NAMES.get(arm, arm)} | {' | '.join(cells)} |")
    return "\n".join(lines)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8", newline="\n")
