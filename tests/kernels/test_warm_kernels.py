"""Warm kernels: forked, alone in their folder, gone with their batch; limits and retries."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from stockcust_analysis.errors import in_language
from stockcust_analysis.kernels import warm
from stockcust_analysis.report.plan import PageRecord
from stockcust_analysis.report.render import render_page
from tests.report.small_notebooks import outputs, small_job

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="warm kernels are for Linux")

FACTS = (
    "import json, os, sys\n"
    "json.dumps({'pid': os.getpid(), 'parent': os.getppid(), 'cwd': os.getcwd(),\n"
    "            'warm': 'matplotlib.backends.backend_svg' in sys.modules, 'argv': sys.argv})"
)
SOCKETS = (
    "from ipykernel.kernelapp import IPKernelApp\n"
    "tcp = [open(f'/proc/self/net/{n}').read() for n in ('tcp', 'tcp6')]\n"
    "own = {os.readlink(f'/proc/self/fd/{f}') for f in os.listdir('/proc/self/fd')\n"
    "       if os.path.exists(f'/proc/self/fd/{f}')}\n"
    "ours = [line.split()[1] for table in tcp for line in table.splitlines()[1:]\n"
    "        if f'socket:[{line.split()[9]}]' in own]\n"
    "json.dumps([IPKernelApp.instance().transport, ours])"
)


def facts_of(notebook: Path) -> dict[str, object]:
    """Return what the first cell told of its kernel."""
    told: dict[str, object] = json.loads(outputs(notebook)[0].strip("'"))
    return told


def gone(pid: int, *, within: float) -> bool:
    """Wait until a process is no more."""
    deadline = time.monotonic() + within
    while time.monotonic() < deadline:
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
        except (FileNotFoundError, ProcessLookupError):
            return True
        if state == "Z":
            return True
        time.sleep(0.02)
    return False


def test_a_killed_notebook_says_so_in_words() -> None:
    """As text, not its seconds alone."""
    told = "the notebook ran 1200 s, ignored the interrupt, and was killed"
    assert str(warm.StuckNotebookError(1200.0)) == told


def test_each_page_has_a_fresh_warm_process_and_folder(tmp_path: Path) -> None:
    """Two pages run in two processes with all imports done, each in a folder that is then gone."""
    jobs = [small_job(tmp_path, FACTS, branch_id=branch) for branch in ("001", "002")]
    assert [render_page(job).error for job in jobs] == ["", ""]
    one, two = (facts_of(job.folder / "report.ipynb") for job in jobs)
    assert one["warm"] and two["warm"]
    assert one["parent"] == two["parent"] != os.getpid()
    assert one["pid"] != two["pid"]
    assert one["cwd"] != two["cwd"]
    assert not Path(str(one["cwd"])).exists()
    assert gone(int(str(one["pid"])), within=1)


def test_notebook_and_kernel_talk_over_files(tmp_path: Path) -> None:
    """No message goes over TCP; all that is left is ipykernel's pipe for its children's output."""
    job = small_job(tmp_path, FACTS, SOCKETS)
    assert render_page(job).error == ""
    transport, addresses = json.loads(outputs(job.folder / "report.ipynb")[1].strip("'"))
    assert transport == "ipc"
    assert len(addresses) <= 1
    assert all(address.startswith("0100007F:") for address in addresses)  # 127.0.0.1


def test_inline_figures_show_as_in_a_kernel_started_as_usual(tmp_path: Path) -> None:
    """Matplotlib was imported before there was a kernel, and still draws into the notebook."""
    job = small_job(tmp_path, "from matplotlib import pyplot as plt\nplt.plot([1, 2]);")
    assert render_page(job).error == ""
    assert outputs(job.folder / "report.ipynb") == ["<Figure size 640x480 with 1 Axes>"]


def test_no_kernel_outlives_a_killed_batch(tmp_path: Path) -> None:
    """When the batch is killed in the middle of a page, its kernel and warm process end too."""
    told = tmp_path / "kernel.json"
    cell = f"{FACTS.rsplit('json.dumps', 1)[0]}import pathlib, time\n" + (
        f"pathlib.Path({str(told)!r}).write_text(f'{{os.getpid()}} {{os.getppid()}}')\n"
        "time.sleep(600)"
    )
    code = (
        "import sys; from pathlib import Path; from tests.report.small_notebooks import small_job\n"
        "from stockcust_analysis.report.render import render_page\n"
        "render_page(small_job(Path(sys.argv[1]), sys.argv[2]))"
    )
    batch = subprocess.Popen([sys.executable, "-c", code, str(tmp_path), cell])
    try:
        deadline = time.monotonic() + 60
        while not (told.exists() and told.read_text()) and time.monotonic() < deadline:
            time.sleep(0.05)
        kernel, server = map(int, told.read_text().split())
    finally:
        batch.kill()
        batch.wait()
    assert gone(kernel, within=5)
    assert gone(server, within=5)


def test_a_process_with_threads_is_not_forked() -> None:
    """A thread that imports have left running is named, and housekeeping threads are not."""
    code = (
        "import threading, time, ctypes\n"
        "from stockcust_analysis.kernels.server import unexpected_threads\n"
        "print(unexpected_threads())\n"
        "def work():\n"
        "    ctypes.CDLL(None).prctl(15, b'polars-3', 0, 0, 0)\n"
        "    time.sleep(60)\n"
        "threading.Thread(target=work, daemon=True).start(); time.sleep(0.5)\n"
        "print(unexpected_threads())"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout == "[]\n['polars-3']\n"


def test_where_nothing_may_be_forked_kernels_start_as_usual(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Off Linux the page is made all the same, and the reason can be said."""
    monkeypatch.setattr(sys, "platform", "darwin")
    cold = warm.WarmStart()
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(warm, "warm_start", cold)
    job = small_job(tmp_path, FACTS)
    assert render_page(job).error == ""
    facts = facts_of(job.folder / "report.ipynb")
    assert not facts["warm"]
    assert facts["parent"] == os.getpid()
    assert cold.describe() == "the ordinary way: darwin has no safe fork"


def test_a_killed_warm_process_is_started_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The page after its loss is made, warm, from a new one, also while it still seems to run."""
    first = small_job(tmp_path, FACTS)
    render_page(first)
    before = facts_of(first.folder / "report.ipynb")
    os.kill(int(str(before["parent"])), signal.SIGKILL)
    monkeypatch.setattr(warm.warm_start._process, "poll", lambda: None)
    second = small_job(tmp_path, FACTS, branch_id="002")
    assert render_page(second).error == ""
    after = facts_of(second.folder / "report.ipynb")
    assert after["warm"]
    assert after["parent"] != before["parent"]


def test_a_kernel_that_dies_is_started_once_more(tmp_path: Path) -> None:
    """A page whose kernel was killed from outside is made at the second attempt."""
    dies_once = (
        "import os, pathlib\n"
        f"mark = pathlib.Path({str(tmp_path / 'mark')!r})\n"
        "if not mark.exists():\n"
        "    mark.touch()\n"
        "    os.kill(os.getpid(), 9)\n"
        "'made'"
    )
    job = small_job(tmp_path, dies_once)
    result = render_page(job)
    assert (result.error, result.attempts) == ("", 2)
    assert outputs(job.folder / "report.ipynb") == ["'made'"]


def test_a_kernel_that_always_dies_leaves_its_notebook(tmp_path: Path) -> None:
    """After the second death the notebook says at which cell, and no earlier page is left."""
    good = small_job(tmp_path, "1 + 1")
    render_page(good)
    result = render_page(small_job(tmp_path, "'before'", "import os; os.kill(os.getpid(), 9)"))
    assert result.failed
    assert result.attempts == 2
    before, death = outputs(good.failed_folder / "report.ipynb")
    assert before == "'before'"
    assert death.startswith("DeadKernelError\nThe kernel died while this cell ran")
    assert not good.folder.exists()
    record = PageRecord.read(good.record)
    assert record is not None and record.error and not record.files


def test_a_cell_past_its_limit_fails_with_its_traceback(tmp_path: Path) -> None:
    """A cell that takes too long is interrupted; the notebook shows in which line it was."""
    job = small_job(tmp_path, "import time\ntime.sleep(60)  # waits", cell_seconds=1.0)
    result = render_page(job)
    assert "ran into the time limit (1 s for a cell" in result.error
    assert "time.sleep(60)  # waits" in outputs(job.failed_folder / "report.ipynb")[0]


def test_a_page_past_its_limit_is_killed_even_if_it_ignores_interrupts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A cell that swallows the interrupt costs a branch its page, never the batch its night."""
    monkeypatch.setattr(warm, "_GRACE_SECONDS", 1)
    stubborn = (
        "import time\n"
        "while True:\n"
        "    try:\n"
        "        time.sleep(60)\n"
        "    except KeyboardInterrupt:\n"
        "        pass"
    )
    started = time.monotonic()
    result = render_page(small_job(tmp_path, stubborn, page_seconds=1.0))
    assert "强行结束" in str(in_language(result.error, "zh"))
    assert result.attempts == 1
    assert time.monotonic() - started < 30


def test_a_limit_that_ends_before_the_kernel_has_started_holds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There was no kernel to kill then: no cell runs, or an endless one would run for ever."""
    monkeypatch.setattr(warm, "_GRACE_SECONDS", 0)
    result = render_page(small_job(tmp_path, "1 + 1", page_seconds=0.001))
    assert "did not respond" in result.error


def test_peak_memory_is_told(tmp_path: Path) -> None:
    """A cell that fills 200 MB shows in the page's peak memory."""
    peaks = []
    for cell, branch in (("1", "001"), ("len(bytes(range(256)) * 800_000)", "002")):
        job = small_job(tmp_path, cell, branch_id=branch)
        assert render_page(job).error == ""
        record = PageRecord.read(job.record)
        peaks.append((record and record.peak_megabytes) or 0)
    small, large = peaks
    assert small > 50
    assert 150 < large - small < 260
