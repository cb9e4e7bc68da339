"""Write what runs here, with versions and licences, as a CycloneDX software bill of materials.

python docs/make_sbom.py build/sbom.json

The packages are those of requirements.lock that are for this platform; licences are what their own
metadata say. Nothing is asked of a network, and the same environment gives the same bytes.
"""

from __future__ import annotations

import json
import re
import sys
from importlib.metadata import Distribution, distribution, requires
from pathlib import Path
from typing import Any

from packaging.markers import Marker
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from stockcust_analysis.core.files import write_text

LOCK = Path(__file__).resolve().parents[1] / "requirements.lock"
PROJECT = "stockcust_analysis"
# What wheels carry besides their own code, of which their metadata say nothing.
BUNDLED = {
    "mpl-font": {"type": "data", "name": "Noto Sans CJK SC", "licence": "OFL-1.1"},
    "pypandoc-binary": {"type": "application", "name": "pandoc", "licence": "GPL-2.0-or-later"},
}


def main() -> None:
    """Write the bill of materials to the file that is named."""
    path = Path(sys.argv[1])
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, json.dumps(bill_of_materials(), indent=2, ensure_ascii=False) + "\n")


def bill_of_materials() -> dict[str, Any]:
    """Return the project, its packages and who needs whom, in the words of CycloneDX 1.6."""
    packages = [distribution(name) for name in locked_names()]
    names = {canonicalize_name(package.name) for package in packages}
    project = component(distribution(PROJECT))
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"component": project | {"type": "application"}},
        "components": [component(package) for package in packages],
        "dependencies": [
            {"ref": reference(package), "dependsOn": needed(package, names)}
            for package in [distribution(PROJECT), *packages]
        ],
    }


def locked_names() -> list[str]:
    """Return the names in requirements.lock that are for this platform and Python."""
    lines = re.findall(r"^([\w.-]+)==\S+(?: ; (.+?))? \\$", LOCK.read_text("utf-8"), re.M)
    return sorted({name for name, marker in lines if not marker or Marker(marker).evaluate()})


def component(package: Distribution) -> dict[str, Any]:
    """Return one package as a component."""
    facts = {
        "type": "library",
        "bom-ref": reference(package),
        "name": package.name,
        "version": package.version,
        "description": package.metadata["Summary"] or "",
        "licenses": licences(package),
        "purl": reference(package),
    }
    if bundled := BUNDLED.get(canonicalize_name(package.name)):
        licence = [{"license": {"id": bundled["licence"]}}]
        facts["components"] = [{k: bundled[k] for k in ("type", "name")} | {"licenses": licence}]
    return facts


def licences(package: Distribution) -> list[dict[str, Any]]:
    """Return the licence a package states: an expression, classifiers, or its text's first line."""
    metadata = package.metadata
    if expression := metadata["License-Expression"]:
        return [{"expression": expression}]
    names = [
        text.rpartition(" :: ")[2]
        for text in metadata.get_all("Classifier") or ()
        if text.startswith("License :: ") and not text.endswith("OSI Approved")
    ]
    stated = (metadata["License"] or "").strip().partition("\n")[0]
    return [{"license": {"name": name}} for name in names or [stated or "not stated"]]


def needed(package: Distribution, names: set[str]) -> list[str]:
    """Return what a package needs here, of the packages that are locked."""
    wanted = [Requirement(line) for line in requires(package.name) or ()]
    here = [one.name for one in wanted if not one.marker or one.marker.evaluate({"extra": ""})]
    found = {canonicalize_name(name) for name in here} & names
    return sorted(reference(distribution(name)) for name in found)


def reference(package: Distribution) -> str:
    """Return the package's address among packages of Python."""
    return f"pkg:pypi/{canonicalize_name(package.name)}@{package.version}"


if __name__ == "__main__":
    main()
