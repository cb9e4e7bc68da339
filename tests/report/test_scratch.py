"""Locks and names on machines that have none."""

from __future__ import annotations

import errno
import getpass
import json
import os
import tempfile
from pathlib import Path

import pytest

from stockcust_analysis.errors import UsageError
from stockcust_analysis.report import scratch
from stockcust_analysis.report.scratch import held, user_name, working_folder

fcntl = pytest.importorskip("fcntl")


def refusing(number: int) -> object:
    """Return a lock call that always answers with this error."""

    def flock(handle: object, how: int) -> None:
        raise OSError(number, os.strerror(number))

    return flock


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP])
def test_a_share_without_locks_is_not_in_use(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, number: int
) -> None:
    """The run goes on with a warning, also beside rivals' locks, and leaves nothing behind."""
    (tmp_path / ".lock-1-of-2").touch()
    monkeypatch.setattr(fcntl, "flock", refusing(number))
    with held(tmp_path / ".lock", what="'2026Q3'", rivals=".lock-*"):
        assert json.loads((tmp_path / ".lock").read_text())["pid"] == os.getpid()
    assert not (tmp_path / ".lock").exists()
    assert "'2026Q3' is on a share that locks no files" in caplog.text


def test_a_held_lock_is_in_use(tmp_path: Path) -> None:
    """Where locks work, the second is told who holds it."""
    with (
        held(tmp_path / ".lock", what="'2026Q3'"),
        pytest.raises(UsageError, match=f"in use by process {os.getpid()} of"),
        held(tmp_path / ".lock", what="'2026Q3'"),
    ):
        pass


def test_working_folders_without_locks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without locks there is a folder all the same, and another process's is left alone."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(scratch, "_LONGEST_PLACE", len(str(tmp_path)))
    other = tmp_path / "stockcust-00000000"
    other.mkdir()
    other.with_suffix(".lock").touch()
    monkeypatch.setattr(fcntl, "flock", refusing(errno.ENOLCK))
    with working_folder() as folder:
        assert folder.parent == tmp_path
    assert {path.name for path in tmp_path.iterdir()} == {other.name, f"{other.name}.lock"}


@pytest.mark.parametrize("error", [KeyError("uid not found"), OSError("no user name")])
def test_a_user_without_a_name_is_a_number(
    monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    """A container's user that no passwd file knows is told by its number."""

    def nameless() -> str:
        raise error

    monkeypatch.setattr(getpass, "getuser", nameless)
    assert user_name() == str(os.getuid())
