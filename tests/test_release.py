"""What is released: wheel, source, wheelhouse and bill of materials, used outside the checkout."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.scripts import script_of_docs

ROOT = Path(__file__).resolve().parent.parent
SMALL = ("--branches", "10", "--customers", "1000")


def run(*command: str | Path, cwd: Path, **environment: str) -> str:
    """Run a command that must succeed, and return what it printed."""
    ran = subprocess.run(
        [str(word) for word in command],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": "", **environment},
        capture_output=True,
        text=True,
        timeout=900,
    )
    assert ran.returncode == 0, f"{ran.stdout[-2000:]}\n{ran.stderr[-4000:]}"
    return ran.stdout


def pdfs(quarter: Path) -> set[str]:
    """Return the names of all PDFs of a quarter."""
    return {str(path.relative_to(quarter)) for path in quarter.rglob("*.pdf")}


def report_of_a_small_bank(stockcust: Path, folder: Path, **environment: str) -> set[str]:
    """Make a small bank and its report, and return the names of the PDFs."""
    run(stockcust, "sample", "--out", "bank", *SMALL, cwd=folder, **environment)
    run(stockcust, "report", "bank", "--quarter", "2026Q3", cwd=folder, **environment)
    return pdfs(folder / "reports" / "2026Q3")


PDFS = {"headquarters_review.pdf", *(f"branches/B{n:03}/report.pdf" for n in range(1, 11))}


def test_the_bill_of_materials_names_every_locked_package_and_its_licence() -> None:
    """All packages of the lock that run here stand in it once, each with a licence."""
    script = script_of_docs("make_sbom")
    bill = script.bill_of_materials()
    json.dumps(bill)
    components = {component["name"]: component for component in bill["components"]}
    locked = set(re.findall(r"^([\w.-]+)==", script.LOCK.read_text("utf-8"), re.M))
    assert {"pandas", "duckdb", "typst"} <= set(script.locked_names()) <= locked
    assert len(components) == len(bill["components"]) == len(script.locked_names())
    assert all(component["licenses"] for component in components.values())
    assert "not stated" not in json.dumps(bill)
    assert components["pypandoc_binary"]["components"][0]["name"] == "pandoc"
    needs = {entry["ref"]: entry["dependsOn"] for entry in bill["dependencies"]}
    assert any("numpy" in ref for ref in needs[components["pandas"]["purl"]])


@pytest.mark.slow
def test_wheel_and_source_work_outside_the_checkout(tmp_path: Path) -> None:
    """The wheel built from the source archive has notebooks and rules, and reports a bank."""
    pytest.importorskip("hatchling")
    build = (sys.executable, "-m", "hatchling", "build", "-d", tmp_path)
    run(*build, "-t", "sdist", cwd=ROOT)
    # Python 3.11.2, Debian's, has no `filter` of `extractall`, and 3.12 warns without one.
    (tmp_path / "source").mkdir()
    run("tar", "-xzf", next(tmp_path.glob("*.tar.gz")), "-C", tmp_path / "source", cwd=tmp_path)
    run(*build, "-t", "wheel", cwd=next((tmp_path / "source").iterdir()))
    wheel = next(tmp_path.glob("*.whl"))
    names = set(zipfile.ZipFile(wheel).namelist())
    for part in ("py.typed", "__init__.pyi", "notebooks/branch_report.ipynb", "codebook.toml"):
        assert f"stockcust_analysis/{part}" in names
    site = tmp_path / "site"
    install = ("-m", "pip", "install", "--quiet", "--no-index", "--no-deps", "--target", site)
    run(sys.executable, *install, wheel, cwd=tmp_path)
    command = tmp_path / "stockcust"
    code = f"#!{sys.executable}\nfrom stockcust_analysis.cli import main\nmain()\n"
    command.write_text(code, encoding="utf-8")
    command.chmod(0o755)
    where = "import stockcust_analysis as sca; print(sca.__file__)"
    path = {"PYTHONPATH": str(site)}
    assert run(sys.executable, "-c", where, cwd=tmp_path, **path).startswith(str(site))
    assert report_of_a_small_bank(command, tmp_path, **path) == PDFS


@pytest.mark.slow
def test_a_machine_without_any_network_installs_and_reports(tmp_path: Path) -> None:
    """From the wheelhouse alone, in a namespace without a network, a whole report is made."""
    alone = ("unshare", "--map-root-user", "--net")
    if not shutil.which("unshare") or subprocess.run([*alone, "true"], check=False).returncode:
        pytest.skip("network namespaces are not permitted here")
    reach = "import socket; socket.create_connection(('127.0.0.1', 9), 1)"
    assert subprocess.run([*alone, sys.executable, "-c", reach], capture_output=True).returncode
    for name in ("Makefile", "requirements.lock", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, tmp_path)
    for name in ("stockcust_analysis", "notebooks"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    run("make", f"PYTHON={sys.executable}", "wheelhouse", cwd=tmp_path)
    shutil.move(tmp_path / "build" / "wheelhouse", tmp_path / "wheelhouse")
    shutil.rmtree(tmp_path / ".venv")
    pip = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(tmp_path / "wheelhouse")}
    run(*alone, "make", f"PYTHON={sys.executable}", ".venv/.ready", cwd=tmp_path, **pip)
    command = tmp_path / ".venv" / "bin" / "stockcust"
    run(command, "sample", "--out", "bank", *SMALL, cwd=tmp_path)
    run(*alone, "make", "report", "DATA=bank", cwd=tmp_path, **pip)
    assert pdfs(tmp_path / "reports" / "2026Q3") == PDFS
