"""Where the editions of headquarters' set stand, and what each of them is made from."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from stockcust_analysis.evaluation.review import Edition
from stockcust_analysis.periods import Quarter
from stockcust_analysis.policy import load_policy
from stockcust_analysis.report.manifest import digest_of, package_digest
from stockcust_analysis.report.plan import ReportOptions
from stockcust_analysis.report.slices import folder_digest
from stockcust_analysis.report.staging import EVALUATION

CIRCULATED: Final = "circulated"
ISSUED: Final = "issued"
REVIEW, WORKBOOK, INDEX, MEASURES = (
    "headquarters_review", "headquarters.xlsx", "index.html", "measures.csv",
)  # fmt: skip
STAMP: Final = "made_from.json"
_QUARTERS_BACK: Final = 4


@dataclass(frozen=True)
class EditionFolders:
    """Where one edition of a quarter stands: its files, its tables, what was issued of it."""

    edition: Edition
    quarter_folder: Path

    @property
    def name(self) -> str:
        """What its folders are called."""
        return "headquarters" if self.edition == "internal" else CIRCULATED

    @property
    def files(self) -> Path:
        """The folder of its four files."""
        return self._within(self.quarter_folder)

    @property
    def tables(self) -> Path:
        """The folder of the review they are made from."""
        return self.quarter_folder / EVALUATION / self.name

    @property
    def issued(self) -> Path:
        """The folder of the review that was issued."""
        return self._within(self.quarter_folder / ISSUED)

    def _within(self, folder: Path) -> Path:
        return folder if self.edition == "internal" else folder / CIRCULATED

    def made_from(self, options: ReportOptions) -> tuple[str, list[Path]]:
        """Return a digest of all that a review of today depends on, and the issued reviews in it.

        Those are of the four quarters before, the latest first, and of this quarter itself where
        it was issued from something else than today's facts.
        """
        out, quarter = self.quarter_folder.parent, Quarter.parse(self.quarter_folder.name)
        places = (out / str(quarter.shifted(-back)) for back in range(1, _QUARTERS_BACK + 1))
        folders = (replace(self, quarter_folder=place).issued for place in places)
        issued = [folder for folder in folders if (folder / "review.json").exists()]
        facts = {
            "evaluation": folder_digest(self.quarter_folder / EVALUATION),
            "code": package_digest(), "policy": load_policy(options.policy).digest,
        }  # fmt: skip
        digest = digest_of({**facts, "issued": [folder_digest(each) for each in issued]})
        if (self.issued / "review.json").exists() and stamp_of(self.issued) != digest:
            issued = [self.issued, *issued]
            digest = digest_of({**facts, "issued": [folder_digest(each) for each in issued]})
        return digest, issued


def stamp_of(folder: Path) -> str:
    """Return the digest written beside tables; empty where there is none."""
    try:
        return str(json.loads((folder / STAMP).read_text(encoding="utf-8"))["made_from"])
    except (OSError, ValueError, KeyError):
        return ""


def editions_of(folder: Path, options: ReportOptions) -> list[EditionFolders]:
    """Return the editions of a run: the internal one, and the circulated one if it is wanted."""
    names: tuple[Edition, ...] = ("internal", "circulated") if options.circulated else ("internal",)
    return [EditionFolders(name, folder) for name in names]
