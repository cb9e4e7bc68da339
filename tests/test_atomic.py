"""Output files appear whole or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from stockcust_analysis.atomic import sha256, whole, write_bytes


def test_a_failed_write_leaves_the_old_file(tmp_path: Path) -> None:
    """When writing breaks half-way, the old content stands and nothing lies beside it."""
    target = tmp_path / "new" / "measures.csv"
    write_bytes(target, b"old")
    with pytest.raises(RuntimeError), whole(target) as beside:
        beside.write_text("half")
        raise RuntimeError("disk full")
    assert target.read_bytes() == b"old"
    assert list(target.parent.iterdir()) == [target]


def test_hash_of_known_bytes(tmp_path: Path) -> None:
    """The hash is SHA-256: the empty file has the published value."""
    (tmp_path / "empty").touch()
    assert sha256(tmp_path / "empty") == (
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    )
