"""The example report and the README's picture, as the committed script makes them."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from tests.scripts import script_of_docs

ROOT = Path(__file__).resolve().parents[1]


@pytest.mark.slow
def test_made_twice_the_example_has_the_same_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two runs of the script write the same PDF and the same picture, to the byte."""
    made = script_of_docs("make_page_image")
    found = []
    for run in ("first", "second"):
        (tmp_path / run).mkdir()
        files = (tmp_path / run / "report.pdf", tmp_path / run / "page.png")
        for name, path in zip(("EXAMPLE", "PICTURE"), files, strict=True):
            monkeypatch.setattr(made, name, path)
        made.main()
        found.append([path.read_bytes() for path in files])
    assert found[0] == found[1]


def test_the_picture_in_the_readme_is_small_enough_to_load() -> None:
    """The picture the README shows is there, as wide as a screen and below 400 KB."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    path = ROOT / "docs" / "images" / "branch-report.png"
    assert "docs/images/branch-report.png" in readme
    with Image.open(path) as picture:
        assert 1000 <= picture.width <= 2000
    assert path.stat().st_size < 400_000
