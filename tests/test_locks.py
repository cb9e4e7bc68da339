"""Locks and names on machines that have none."""

from __future__ import annotations

import errno
import getpass
import json
import os
from pathlib import Path

import pytest

from stockcust_analysis.core.files import Access, exclusive_lock, lock_file, user_name
from stockcust_analysis.errors import UsageError

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
    with exclusive_lock(tmp_path / ".lock", what="'2026Q3'", rivals=r"\.lock-.+"):
        assert json.loads((tmp_path / ".lock").read_text())["pid"] == os.getpid()
    assert not (tmp_path / ".lock").exists()
    assert "'2026Q3' is on a share that locks no files" in caplog.text


def test_a_held_lock_is_in_use(tmp_path: Path) -> None:
    """Where locks work, the second is told who holds it."""
    with (
        exclusive_lock(tmp_path / ".lock", what="'2026Q3'"),
        pytest.raises(UsageError, match=f"in use by process {os.getpid()} of"),
        exclusive_lock(tmp_path / ".lock", what="'2026Q3'"),
    ):
        pass


@pytest.mark.parametrize("already_given", [False, True])
def test_a_lock_removed_while_it_is_made_is_made_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, already_given: bool
) -> None:
    """Who clears up may find a new lock before it is held: before or after it is given its mode."""
    path, removed, give = tmp_path / "new.lock", list[Path](), Access.give

    def interrupted(access: Access, made: Path) -> None:
        if already_given or removed:
            give(access, made)
        if not removed:
            removed.append(made)
            made.unlink()
            if not already_given:
                give(access, made)

    monkeypatch.setattr(Access, "give", interrupted)
    handle = lock_file(path)
    assert handle is not None
    assert os.fstat(handle.fileno()).st_ino == path.stat().st_ino
    assert path.stat().st_mode & 0o777 == 0o600
    assert removed == [path]
    handle.close()


@pytest.mark.parametrize("error", [KeyError("uid not found"), OSError("no user name")])
def test_a_user_without_a_name_is_a_number(
    monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    """A container's user that no passwd file knows is told by its number."""

    def nameless() -> str:
        raise error

    monkeypatch.setattr(getpass, "getuser", nameless)
    assert user_name() == str(os.getuid())
