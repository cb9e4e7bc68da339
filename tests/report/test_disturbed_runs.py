"""Runs that are killed, interrupted, or find no place to write: nothing is lost or left behind."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.report.small_notebooks import small_notebook
from tests.tiny_bank import BRANCHES, CUSTOMERS, HOLDINGS, write_tiny_bank

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc"),
]
ROOT = Path(__file__).resolve().parents[2]
PAGE = (
    "from stockcust_analysis import open_evaluation\n"
    "facts = open_evaluation(evaluation)\n"
    "facts.branch_name(branch_id)",
    "from matplotlib import pyplot as plt\n"
    "plt.plot(facts.lorenz['value_share'])\n"
    "facts.measures['value'].describe()",
)
KILLS = 20


def small_bank(branches: int) -> dict[str, str]:
    """Return the tables of a bank with one customer in each branch, in two quarters."""
    numbers = range(1, branches + 1)
    days = ("2026-06-30", "2026-09-30")
    heads = [text.splitlines()[0] for text in (BRANCHES, CUSTOMERS, HOLDINGS)]
    rows = (
        [f"B{n:03},支行{n},东区,township" for n in numbers],
        [
            f"{day},C{n},B{n:03},personal,2020-01-05,2026-06-01,{n}000.00,{n}000.00"
            for day in days
            for n in numbers
        ],
        [f"{day},A{n},C{n},demand_deposit,{n}000.00" for day in days for n in numbers],
    )
    tables = ("\n".join([head, *lines, ""]) for head, lines in zip(heads, rows, strict=True))
    return dict(zip(("branches", "customers", "holdings"), tables, strict=True))


class Runs:
    """A bank of ten branches, and the command line run on it in a process of its own."""

    def __init__(self, folder: Path, *cells: str) -> None:
        self.bank, self.temporary = folder / "bank", folder / "tmp"
        self.temporary.mkdir(parents=True)
        self.bank.mkdir()
        write_tiny_bank(self.bank, **small_bank(10))
        self.notebook = small_notebook(folder / "branch_report.ipynb", *cells)

    def start(self, out: Path, *more: str) -> subprocess.Popen[str]:
        """Start a run."""
        environment = {
            **os.environ,
            "STOCKCUST_TEST_NOTEBOOK": str(self.notebook),
            "TMPDIR": str(self.temporary),
        }
        arguments = ["report", str(self.bank), "--quarter", "2026Q3", "--out", str(out), *more]
        return subprocess.Popen(
            [sys.executable, "-m", "tests.report.small_run", *arguments],
            cwd=ROOT, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip

    def end(self, out: Path, *more: str) -> tuple[int, str]:
        """Run to the end and return the exit code and what was said."""
        run = self.start(out, *more)
        said, _ = run.communicate(timeout=600)
        return run.returncode, said

    def left_behind(self) -> list[str]:
        """Return what is still there of any run: processes and temporary files."""
        mark = f"TMPDIR={self.temporary}".encode()
        found = [str(path) for path in self.temporary.iterdir()]
        for process in Path("/proc").glob("[0-9]*"):
            try:
                if mark in (process / "environ").read_bytes().split(b"\0"):
                    found.append((process / "cmdline").read_text().replace("\0", " "))
            except OSError:
                continue
        return found


def written(out: Path) -> dict[str, bytes]:
    """Return all that must be the same in every run, and no unfinished file beside it."""
    folder = out / "2026Q3"
    paths = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*")}
    return {
        name: path.read_bytes()
        for name, path in paths.items()
        if path.is_file()
        and path.suffix != ".ipynb"
        and not name.startswith((".pages/", "run."))
    }  # fmt: skip


def differing(out: Path, expected: Path) -> list[str]:
    """Return the names of the files that are not the same in both runs."""
    ours, theirs = written(out), written(expected)
    return sorted(name for name in {*ours, *theirs} if ours.get(name) != theirs.get(name))


def children(pid: int) -> list[int]:
    """Return the processes that a process has started."""
    try:
        told = Path(f"/proc/{pid}/task").iterdir()
        return [int(c) for task in told for c in (task / "children").read_text().split()]
    except OSError:
        return []


def victim(kind: str, batch: int) -> int:
    """Return the process to kill: the batch, its warm process or a kernel, if there is one yet."""
    warm = children(batch)
    kernels = [kernel for pid in warm for kernel in children(pid)]
    found = {"batch": [batch], "warm process": warm, "kernel": kernels}[kind]
    return found[-1] if found else batch


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Runs:
    """Make the bank once."""
    return Runs(tmp_path_factory.mktemp("runs"), *PAGE)


@pytest.fixture(scope="module")
def undisturbed(runs: Runs, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, float]:
    """Run once in peace; return the folder and how long it took."""
    out, started = tmp_path_factory.mktemp("undisturbed"), time.monotonic()
    code, said = runs.end(out)
    assert code == 0, said
    return out, time.monotonic() - started


def test_twenty_kills_change_nothing(
    runs: Runs, undisturbed: tuple[Path, float], tmp_path: Path
) -> None:
    """After kills of batch, warm process and kernels at random moments, all is there and whole."""
    expected, seconds = undisturbed
    moments, out, kills = random.Random(20260930), tmp_path / "out", 0
    while kills < KILLS:
        run = runs.start(out)
        time.sleep(moments.uniform(0.1, seconds))
        if run.poll() is None:
            os.kill(victim(moments.choice(["batch", "warm process", "kernel"]), run.pid), 9)
            kills += 1
        said, _ = run.communicate(timeout=600)
        assert run.returncode in (0, -signal.SIGKILL), said
        if run.returncode == 0:
            assert differing(out, expected) == []
            shutil.rmtree(out)
    code, said = runs.end(out)
    assert code == 0, said
    assert differing(out, expected) == []
    assert runs.left_behind() == []


@pytest.mark.parametrize("asked", [signal.SIGINT, signal.SIGTERM], ids=["Ctrl-C", "SIGTERM"])
def test_an_interrupt_ends_the_run_and_the_next_goes_on(tmp_path: Path, asked: int) -> None:
    """Broken off in the middle of a long cell: exit code 130, nothing left, finished pages kept."""
    if signal.getsignal(asked) == signal.SIG_IGN:
        pytest.skip("these tests run in the background, where Ctrl-C is not heard")
    slow = f"import pathlib, time\nif not pathlib.Path({str(tmp_path / 'go')!r}).exists():\n"
    slow += "    time.sleep({'B001': 0, 'B002': 0}.get(branch_id, 600))"
    runs, out = Runs(tmp_path / "runs", slow), tmp_path / "out"
    run = runs.start(out, "--workers", "2")
    records = out / "2026Q3" / ".pages"
    deadline = time.monotonic() + 120
    while len(list(records.glob("[!.]*"))) < 2 and time.monotonic() < deadline:
        time.sleep(0.1)
    run.send_signal(asked)
    said, _ = run.communicate(timeout=600)
    assert run.returncode == 130, said
    assert "已中断。重新运行同一命令即可接着做。" in said
    assert runs.left_behind() == []
    (tmp_path / "go").touch()
    code, said = runs.end(out)
    assert code == 0, said
    assert "  无变化        2" in said


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Mount a disk of 8 MB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(disk)]
    if os.geteuid() or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("only root may mount a small disk")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


def test_a_full_disk_is_one_clear_error(
    runs: Runs, undisturbed: tuple[Path, float], small_disk: Path
) -> None:
    """Pages that were finished stay whole; with room again the same command ends as ever."""
    code, said = runs.end(small_disk, "--branch", "B001")
    assert code == 0, said
    page = small_disk / "2026Q3" / "branches" / "B001" / "report.pdf"
    before = page.read_bytes()
    free = os.statvfs(small_disk)
    (small_disk / "filler").write_bytes(bytes(free.f_bavail * free.f_bsize - 40_000))
    code, said = runs.end(small_disk)
    assert code == 2
    assert said.count("stockcust: 无法写入") == 1
    assert "磁盘空间不足" in said
    assert "Traceback" not in said
    assert page.read_bytes() == before
    (small_disk / "filler").unlink()
    code, said = runs.end(small_disk)
    assert code == 0, said
    assert differing(small_disk, undisturbed[0]) == []


def test_a_read_only_folder_is_one_clear_error(runs: Runs, small_disk: Path) -> None:
    """Nothing is computed for hours before the folder turns out to be closed."""
    remount = ["mount", "-o", "remount,ro", str(small_disk)]
    subprocess.run(remount, check=True)
    code, said = runs.end(small_disk)
    assert code == 2
    assert said.count("stockcust: 无法写入") == 1
    assert "文件系统只读" in said
    assert "Traceback" not in said
