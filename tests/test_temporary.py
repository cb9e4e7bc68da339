"""Working folders: never left behind, also after a crash; never another program's."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from stockcust_analysis.bank.source import open_bank
from stockcust_analysis.core.files import SOCKET_PATH, WorkingFolder
from tests.test_locks import refusing
from tests.tiny_bank import TinyBank

HOLD = """
import sys, time
from stockcust_analysis import open_bank
bank = open_bank(sys.argv[1])
print("ready", flush=True)
time.sleep(60)
"""


def folders(place: Path) -> list[Path]:
    """Return the working folders that stand in a folder."""
    return [path for path in place.glob("stockcust-*") if path.is_dir()]


def test_a_crashed_run_is_cleaned_up_by_the_next(place: Path, tiny_bank: TinyBank) -> None:
    """The folder of a killed process goes when the next bank is opened; a living one's stays."""
    folder = str(tiny_bank())
    living, killed = (
        subprocess.Popen([sys.executable, "-c", HOLD, folder], stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    )
    try:
        for process in (living, killed):
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
        assert len(folders(place)) == 2
        killed.send_signal(signal.SIGKILL)
        killed.wait()
        assert len(folders(place)) == 2
        with open_bank(folder):
            assert len(folders(place)) == 2
        assert len(folders(place)) == 1
        assert living.poll() is None
    finally:
        for process in (living, killed):
            process.kill()
            process.communicate()


def test_other_programs_folders_are_left_alone(place: Path) -> None:
    """A folder without our lock, or that only leads elsewhere, is not ours to remove."""
    foreign = place / "stockcust-notes"
    foreign.mkdir()
    elsewhere = place / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "notes.txt").touch()
    (place / "stockcust-link").symlink_to(elsewhere)
    (place / "stockcust-link.lock").touch()
    WorkingFolder().remove()
    assert foreign.exists()
    assert (elsewhere / "notes.txt").exists()


def test_folders_are_private_and_go_with_the_block(place: Path) -> None:
    """Only the owner reads a working folder, and nothing of it stays after the block."""
    with WorkingFolder() as folder:
        assert folder.parent == place
        assert folder.stat().st_mode & 0o777 == 0o700
        (folder / "file").touch()
    assert list(place.iterdir()) == []


def test_a_path_too_long_for_sockets_is_avoided(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A folder for sockets stands elsewhere when the system's own place has a long path."""
    deep = tmp_path / ("x" * SOCKET_PATH)
    deep.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(deep))
    with WorkingFolder(SOCKET_PATH) as folder:
        assert len(str(folder.parent)) <= SOCKET_PATH
    with WorkingFolder() as folder:
        assert folder.parent == deep


def test_working_folders_without_locks(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without locks there is a folder all the same, and another process's is left alone."""
    fcntl = pytest.importorskip("fcntl")
    other = place / "stockcust-00000000"
    other.mkdir()
    other.with_suffix(".lock").touch()
    monkeypatch.setattr(fcntl, "flock", refusing(errno.ENOLCK))
    with WorkingFolder() as folder:
        assert folder.parent == place
    assert {path.name for path in place.iterdir()} == {other.name, f"{other.name}.lock"}


def test_a_forked_child_leaves_the_folder_alone(place: Path) -> None:
    """A child that inherits a working folder and ends does not remove it."""
    if not hasattr(os, "fork"):
        pytest.skip("this system does not fork")
    code = (
        "import os, sys; from stockcust_analysis.core.files import WorkingFolder\n"
        "folder = WorkingFolder()\n"
        "child = os.fork()\n"
        "if not child: sys.exit()\n"
        "os.waitpid(child, 0); print(folder.path.exists())"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.stdout == "True\n"
    assert list(place.iterdir()) == []
