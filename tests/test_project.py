"""The project's own files agree with one another: locks, environments, imports, public names."""

from __future__ import annotations

import ast
import importlib
import inspect
import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from functools import cache
from graphlib import TopologicalSorter
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.scripts import script_of_docs

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "stockcust_analysis"
CONDA_PACKAGES = {
    "jupyterlab",
    "pandas",
    "scikit-learn",
    "matplotlib",
    "seaborn",
    "papermill",
    "nbconvert",
}
# Imports point one way: core → policy → measures → bank → models → evaluation → show → report →
# cli.
LAYERS = {"errors": 0, "core": 1}
LAYERS |= {"policy": 2, "measures": 3, "bank": 4, "models": 5, "evaluation": 6}
LAYERS |= {"show": 7, "plot": 7, "report": 8, "cli": 9}
# These stand beside the others, could be published by themselves, and import only what is listed.
INDEPENDENT: dict[str, set[str]] = {"kernels": set(), "disclosure": set()}
PIP_LOCKS = ("requirements.lock", *map("requirements-{}.lock".format, ("test", "docs", "engines")))
HEAVY = ("matplotlib", "sklearn", "papermill", "nbconvert")


def pyproject() -> dict:  # type: ignore[type-arg]
    """Read the project file."""
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def locked_in_uv() -> dict[str, set[str]]:
    """Return name → versions in uv.lock."""
    lock = tomllib.loads((ROOT / "uv.lock").read_text(encoding="utf-8"))
    versions: dict[str, set[str]] = {}
    for package in lock["package"]:
        versions.setdefault(package["name"], set()).add(package.get("version", ""))
    return versions


def locked_for_pip(name: str) -> dict[str, set[str]]:
    """Return name → versions in one of the files that pip installs from."""
    text = (ROOT / name).read_text(encoding="utf-8")
    versions: dict[str, set[str]] = {}
    for package, version in re.findall(r"^([\w.-]+)==([^\s;\\]+)", text, re.MULTILINE):
        versions.setdefault(package, set()).add(version)
    return versions


def test_pip_installs_what_uv_locked() -> None:
    """The lock files for pip hold exactly versions of uv.lock, and together all of them."""
    uv = locked_in_uv()
    pip: dict[str, set[str]] = {}
    for name in PIP_LOCKS:
        for package, versions in locked_for_pip(name).items():
            pip.setdefault(package, set()).update(versions)
    assert pip == {name: versions for name, versions in uv.items() if name != "stockcust-analysis"}


def test_every_locked_file_has_a_hash() -> None:
    """No package can be installed whose bytes were not seen when the lock was made."""
    for name in PIP_LOCKS:
        text = (ROOT / name).read_text(encoding="utf-8")
        entries = re.split(r"^(?=[\w.-]+==)", text, flags=re.MULTILINE)[1:]
        assert entries
        assert [entry.split("\n")[0] for entry in entries if "--hash=sha256:" not in entry] == []


def test_the_lock_covers_every_declared_dependency() -> None:
    """Each dependency of pyproject.toml is in requirements.lock."""
    declared = {
        re.split(r"[<>=!~\[ ]", entry)[0] for entry in pyproject()["project"]["dependencies"]
    }
    normal = {name.lower().replace("_", "-") for name in declared}
    assert normal <= set(locked_for_pip("requirements.lock"))


def test_conda_and_pip_state_the_same_bounds() -> None:
    """environment.yml asks for the seven packages with the bounds of pyproject.toml."""
    dependencies = pyproject()["project"]["dependencies"]
    text = (ROOT / "environment.yml").read_text(encoding="utf-8")
    conda = set(re.findall(r"^  - ([a-z-]+[<>=][^\n]*)$", text, re.MULTILINE))
    python = f"python{pyproject()['project']['requires-python']}"
    wanted = {entry for entry in dependencies if re.split(r"[<>=]", entry)[0] in CONDA_PACKAGES} | {
        python
    }
    assert len(wanted) == len(CONDA_PACKAGES) + 1
    assert conda == wanted


def modules() -> list[Path]:
    """Return every module of the package."""
    return sorted(PACKAGE.rglob("*.py"))


@cache
def nodes_of(path: Path) -> list[ast.AST]:
    """Return every node of a module's code."""
    return [*ast.walk(ast.parse(path.read_text(encoding="utf-8")))]


def every_node() -> Iterator[tuple[Path, ast.AST]]:
    """Yield every node of the package's code, with its module."""
    return ((path, node) for path in modules() for node in nodes_of(path))


def imported_from(path: Path) -> set[str]:
    """Return the packages and modules directly under this package that a module imports from."""
    found: set[str] = set()
    for node in nodes_of(path):
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} imports relatively"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        found |= {name.split(".")[1] for name in names if name.startswith(f"{PACKAGE.name}.")}
    return found


def test_imports_point_one_way() -> None:
    """A module imports only from its own layer and from those before it."""
    for path in modules():
        layer = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
        if layer in INDEPENDENT:
            assert imported_from(path) <= {layer, *INDEPENDENT[layer]}, path
        if layer in LAYERS:
            for target in imported_from(path) - {*INDEPENDENT}:
                assert LAYERS.get(target, 0) <= LAYERS[layer], f"{path} must not import {target}"


def dotted(path: Path) -> str:
    """Return the name by which a module is imported."""
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def modules_imported(path: Path, names: set[str]) -> set[str]:
    """Return which modules one imports: anywhere in it, for types alone, or by name as text."""
    imported: set[str] = set()
    for node in nodes_of(path):
        if isinstance(node, ast.ImportFrom):
            full = {f"{node.module}.{alias.name}" for alias in node.names}
            imported |= full if full <= names else {*full, str(node.module)}
        elif isinstance(node, ast.Import):
            imported |= {alias.name for alias in node.names}
        elif isinstance(node, ast.Constant):
            imported.add(str(node.value))
    return imported & names


def test_no_imports_run_in_a_circle() -> None:
    """Modules can be put in an order in which each imports only from those before it."""
    names = {dotted(path): path for path in modules()}
    assert len(names) > 100
    graph = {name: modules_imported(path, {*names}) for name, path in names.items()}
    assert {*TopologicalSorter(graph).static_order()} == {*names}


def test_what_is_imported_is_there() -> None:
    """Imports inside functions, too, name modules of the package and what is in them."""
    for path, node in every_node():
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(PACKAGE.name):
            module = importlib.import_module(node.module or "")
            for name in (alias.name for alias in node.names):
                there = hasattr(module, name) or find_spec(f"{node.module}.{name}")
                assert there, f"{path} imports {name}"


def test_modules_and_functions_stay_small() -> None:
    """A module has at most 500 lines and a function at most 40 lines of body."""
    for path in modules():
        assert len(path.read_text(encoding="utf-8").splitlines()) <= 500, path
    for path, node in every_node():
        if isinstance(node, ast.FunctionDef):
            documented = ast.get_docstring(node) is not None and len(node.body) > 1
            first = node.body[1 if documented else 0]
            length = (node.end_lineno or 0) - first.lineno + 1
            assert length <= 40, f"{node.name} of {path} has {length} lines"


def lines_of_code(path: Path) -> int:
    """Count the lines that hold code: neither blank, nor comment, nor docstring."""
    text = path.read_text(encoding="utf-8")
    documented = ast.Module, ast.ClassDef, ast.FunctionDef
    docstrings: set[int] = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, documented) and ast.get_docstring(node) is not None:
            docstrings |= set(range(node.body[0].lineno, (node.body[0].end_lineno or 0) + 1))
    lines = enumerate(text.splitlines(), start=1)
    code = (line.strip() for number, line in lines if number not in docstrings)
    return sum(bool(line) and not line.startswith("#") for line in code)


# Code lines that reading banks, models and all the rest may have. What the package learns to do is
# stated here; to stand still it only ever falls.
MOST_LINES = {"bank": 7_402, "models": 1_082, "rest": 17_554}


def test_the_package_stays_small(tmp_path: Path) -> None:
    """Formatted throughout, no part has more lines of code than it may have."""
    for number, path in enumerate(modules()):
        text = re.sub(r"\s*# fmt: (skip|off|on)", "", path.read_text(encoding="utf-8"))
        folder = path.relative_to(PACKAGE).parts[0]
        part = folder if folder in MOST_LINES else "rest"
        (tmp_path / f"{part}{number}.py").write_text(text, encoding="utf-8")
    layout = ["ruff", "format", "--quiet", "--config", str(ROOT / "pyproject.toml"), str(tmp_path)]
    subprocess.run([sys.executable, "-m", *layout], check=True)
    lines = {part: sum(map(lines_of_code, tmp_path.glob(f"{part}*.py"))) for part in MOST_LINES}
    assert {part: number for part, number in lines.items() if number > MOST_LINES[part]} == {}


def test_importing_the_package_loads_nothing_heavy() -> None:
    """`import stockcust_analysis` loads neither charts nor notebooks nor models."""
    code = "import sys, stockcust_analysis; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert set(HEAVY) & set(loaded.stdout.split()) == set()


def test_reports_start_without_a_grammar_of_addresses() -> None:
    """Beside nbformat jsonschema would compile one, for a second, and check no notebook by it."""
    import nbformat  # noqa: F401
    from jsonschema import FormatChecker

    assert "iri" not in FormatChecker.checkers


def test_public_names_are_all_there_and_documented() -> None:
    """`__all__` is some thirty names, sorted, complete and documented."""
    import stockcust_analysis as sca

    assert sorted(sca.__all__) == list(sca.__all__)
    assert set(sca.__all__) <= set(dir(sca))
    assert 25 <= len(sca.__all__) <= 42
    for name in sca.__all__:
        assert getattr(sca, name).__doc__, f"{name} has no docstring"
    with pytest.raises(AttributeError, match="no attribute 'ginni'"):
        sca.ginni  # noqa: B018


def test_signatures_read_as_they_are_called() -> None:
    """What a tooltip shows of a public name holds no address of a function, nor a `<lambda>`."""
    import stockcust_analysis as sca

    charts = {f"plot.{name}": getattr(sca.plot, name) for name in sca.plot.__all__}
    public = {name: getattr(sca, name) for name in sca.__all__} | charts
    public.pop("StockcustError")  # Python has no signature of exceptions
    shown = {n: str(inspect.signature(kind)) for n, kind in public.items() if callable(kind)}
    assert {n: text for n, text in shown.items() if re.search(r"lambda| at 0x", text)} == {}


@pytest.mark.parametrize("name", sorted(script_of_docs("make_reference").PAGES))
def test_the_reference_is_printed_from_the_code(name: str) -> None:
    """Each page of the reference that is printed says what the code says today."""
    page = (ROOT / "docs" / "reference" / name).read_text(encoding="utf-8")
    assert page == script_of_docs("make_reference").PAGES[name]()


def test_type_checkers_read_the_names_that_are_loaded() -> None:
    """The stub imports each public name from the module that the package loads it from."""
    import stockcust_analysis as sca

    stub = ast.parse((PACKAGE / "__init__.pyi").read_text(encoding="utf-8"))
    typed = {
        name.asname: importlib.import_module(f"{line.module}.plot")
        if name.name == "plot"
        else getattr(importlib.import_module(str(line.module)), name.name)
        for line in stub.body
        if isinstance(line, ast.ImportFrom)
        for name in line.names
    }
    assert typed == {name: getattr(sca, name) for name in sca.__all__ if name != "__version__"}


@pytest.mark.parametrize("path", sorted((ROOT / "notebooks").glob("*.ipynb")), ids=lambda p: p.stem)
def test_what_a_notebook_imports_is_there(path: Path) -> None:
    """No notebook asks a module for a name that has moved."""
    cells = json.loads(path.read_text("utf-8"))["cells"]
    code = "\n".join("".join(c["source"]) for c in cells if c["cell_type"] == "code")
    asked = [node for node in ast.walk(ast.parse(code)) if isinstance(node, ast.ImportFrom)]
    assert asked
    for module, name in ((node.module or "", alias.name) for node in asked for alias in node.names):
        found = hasattr(importlib.import_module(module), name)
        assert found or find_spec(f"{module}.{name}"), f"{module} has no {name}"
