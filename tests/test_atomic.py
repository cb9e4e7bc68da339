"""Output files appear whole or not at all."""

from __future__ import annotations

import errno
import pickle
import stat
from pathlib import Path

import pytest

from stockcust_analysis.core.files import Access, access, atomic_write, sha256, write_bytes
from stockcust_analysis.errors import FileInUseError


def test_a_failed_write_leaves_the_old_file(tmp_path: Path) -> None:
    """When writing breaks half-way, the old content stands and nothing lies beside it."""
    target = tmp_path / "new" / "measures.csv"
    write_bytes(target, b"old")
    with pytest.raises(RuntimeError), atomic_write(target) as beside:
        beside.write_text("half")
        raise RuntimeError("disk full")
    assert target.read_bytes() == b"old"
    assert list(target.parent.iterdir()) == [target]


def test_files_and_their_folders_are_private(tmp_path: Path) -> None:
    """Only folders that are made, not those that were there, get a mode; a setting changes it."""
    write_bytes(tmp_path / "new" / "list.csv", b"1")
    assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o700
    assert stat.S_IMODE((tmp_path / "new" / "list.csv").stat().st_mode) == 0o600
    tmp_path.chmod(0o755)
    with access(Access(0o644)):
        write_bytes(tmp_path / "list.csv", b"1")
    assert stat.S_IMODE((tmp_path / "list.csv").stat().st_mode) == 0o644
    assert stat.S_IMODE(tmp_path.stat().st_mode) == 0o755


def test_a_file_that_is_open_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What cannot be replaced stands as it was, is named in the error, and nothing lies beside."""
    write_bytes(tmp_path / "list.csv", b"old")

    def refusing(self: Path, target: Path) -> Path:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(Path, "replace", refusing)
    with pytest.raises(FileInUseError, match=r"list\.csv': Permission denied") as caught:
        write_bytes(tmp_path / "list.csv", b"new")
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)
    assert (tmp_path / "list.csv").read_bytes() == b"old"
    assert len(list(tmp_path.iterdir())) == 1


def test_hash_of_known_bytes(tmp_path: Path) -> None:
    """The hash is SHA-256: the empty file has the published value."""
    (tmp_path / "empty").touch()
    assert sha256(tmp_path / "empty") == (
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    )
