"""Writes the page of results: `python -m benchmarks.table`, from `results/*.json` and `page.md`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from stockcust_analysis.atomic import write_text

_HERE = Path(__file__).parent
PAGE = _HERE.parent / "docs" / "explanation" / "benchmarks.md"
_NAMES = {"package": "this package (Narwhals on DuckDB)", "sql": "DuckDB SQL by hand",
          "pandas": "pandas", "polars": "Polars lazy"}  # fmt: skip
_ARMS = {"batch": "this batch", "loop": "papermill and nbconvert in a loop, Chromium",
         "commands": "their commands, one branch after another",
         "cells": "the cells' code alone, warm"}  # fmt: skip
_NOTHING = "Nothing has been measured yet."


def page() -> str:
    """Return the page with the tables of all committed results."""
    engines = sorted(_results("engines"), key=lambda one: -one["bank"]["customers"])
    scales = _results("scale")
    text = (_HERE / "page.md").read_text(encoding="utf-8")
    told = {"engines": map(_engines, engines), "scale": map(_scale, scales),
            "batch": map(_batch, _results("batch")),
            "charts": map(_charts, _results("charts"))}  # fmt: skip
    for name, parts in told.items():
        text = text.replace("{" + name + "}", _joined(parts))
    return text


def _results(kind: str) -> list[dict[str, Any]]:
    files = sorted((_HERE / "results").glob(f"{kind}*.json"))
    return [json.loads(file.read_text(encoding="utf-8")) for file in files]


def _joined(parts: Any) -> str:
    return "\n\n".join(parts) or _NOTHING


def _engines(result: dict[str, Any]) -> str:
    """Return the table of one comparison of engines."""
    bank, against = result["bank"], result["package_against"]
    lines = [
        f"**{bank['customers']:,} customers, {bank['holdings']:,} holdings, "
        f"{bank['branches']:,} branches.** {_where(result)} "
        f"{result['figures_compared']:,} figures agreed.",
        "",
        "| engine | seconds | processor seconds | peak memory, MB | package's time / its time "
        "| package's memory / its memory |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    for arm, cost in result["engines"].items():
        ratio = against.get(arm)
        told = [f"{ratio[name]:.2f}" for name in ("seconds", "peak_mb")] if ratio else ["", ""]
        lines.append(f"| {_NAMES[arm]} | {_figures(cost)} | {told[0]} | {told[1]} |")
    package = result["engines"].get("package", {})
    if "opening_seconds" in package:
        opened, judged = (f"{package[name]:.1f}" for name in ("opening_seconds", "judging_seconds"))
        lines += [
            "",
            "Not in these seconds is what no rival is asked: opening the bank and checking it "
            f"against the contract ({opened} seconds), and cell facts, scorecard and comparison "
            f"of the branches ({judged} seconds).",
        ]
    return "\n".join(lines)


def _scale(result: dict[str, Any]) -> str:
    """Return the table of one series of sizes."""
    lines = [
        f"**{_NAMES[result['engine']]}.** {_where(result)}",
        "",
        "| customers | holdings | branches | seconds | processor seconds | peak memory, MB |",
        "|---:|---:|---:|---:|---:|---:|",
    ]
    for bank in result["banks"]:
        sizes = " | ".join(f"{bank[name]:,}" for name in ("customers", "holdings", "branches"))
        lines.append(f"| {sizes} | {_figures(bank)} |")
    if "exponent_of_seconds" in result:
        lines += ["", f"Time grows as n^{result['exponent_of_seconds']:.2f}, processor time as "
                      f"n^{result['exponent_of_processor_seconds']:.2f}."]  # fmt: skip
    return "\n".join(lines)


def _batch(result: dict[str, Any]) -> str:
    """Return the table of one comparison of batches."""
    ours = next(arm for arm in result["arms"] if arm["arm"] == "batch")
    lines = [
        f"**{ours['branches']} branches, {result['workers']} workers in each arm.** "
        f"{_where(result)}",
        "",
        "| arm | seconds a branch | its time / the batch's | peak memory, MB | pages |",
        "|---|---:|---:|---:|---:|",
    ]
    for arm in result["arms"]:
        ratio = arm["seconds_per_branch"] / ours["seconds_per_branch"]
        lines.append(f"| {_ARMS[arm['arm']]} | {arm['seconds_per_branch']:.2f} | {ratio:.2f} "
                     f"| {arm['peak_megabytes']:,} | {arm['pages'] or ''} |")  # fmt: skip
    return "\n".join(lines)


def _charts(result: dict[str, Any]) -> str:
    """Return the table of the figures of a page."""
    lines = [_where(result), "", "| figure | milliseconds of processor time |", "|---|---:|"]
    lines += [f"| {name} | {took:.0f} |" for name, took in result["chart_milliseconds"].items()]
    pdf = result["pdf_milliseconds"]
    lines += ["", f"From the executed notebook to PDF: {pdf['median']:.0f} milliseconds in the "
                  f"median, {pdf['most']:.0f} at most."]  # fmt: skip
    return "\n".join(lines)


def _figures(cost: dict[str, Any]) -> str:
    if "failed" in cost:
        return f"{cost['failed']} | | "
    return (f"{cost['seconds']:,.1f} | {cost['processor_seconds']:,.1f} | "
            f"{cost['peak_mb']:,.0f}")  # fmt: skip


def _where(result: dict[str, Any]) -> str:
    """Return when and where it was measured, and with what."""
    machine, versions = result["machine"], dict(result["versions"])
    python = versions.pop("python")
    named = ", ".join(f"{name} {number}" for name, number in versions.items())
    limit, quarter = result.get("memory_limit"), result.get("quarter")
    return (
        f"{f'{quarter}, measured' if quarter else 'Measured'} on {result['date']}: "
        f"{machine['processor']}, "
        f"{machine['cores']} cores, {machine['memory_gb']:.0f} GB, {machine['system']}; Python "
        f"{python}, {named}." + (f" DuckDB's memory limit was {limit}." if limit else "")
    )


if __name__ == "__main__":
    write_text(PAGE, page())
