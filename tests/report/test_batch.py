"""Batches on threads, processes and a Dask cluster; whose chart is on whose page."""

from __future__ import annotations

import os
import pickle
import re
import signal
import threading
import time
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path

import nbformat
import pytest

from stockcust_analysis.evaluation.results import Evaluation, open_evaluation
from stockcust_analysis.report.plan import (
    PageJob,
    failed_pages,
    finished_pages,
    notebook_path,
    slice_folder,
)
from stockcust_analysis.report.render import PageResult, render_page, run_batch
from stockcust_analysis.show import branch_figures
from stockcust_analysis.show.branch_page import Remark
from stockcust_analysis.show.page_data import branch_page
from tests.report.small_notebooks import outputs, small_job

FIGURE = re.compile(r"branch_figures\.(\w+_figure)\(page\)")


def jobs_of(folder: Path, count: int) -> list[PageJob]:
    """Return jobs whose notebook tells the branch and the process that asked for the kernel."""
    cell = "import os; (branch_id, int(os.environ['STOCKCUST_ASKED_BY']))"
    cell = "(branch_id,)" if count else cell
    return [small_job(folder, cell, branch_id=f"{number:03}") for number in range(count)]


def test_results_come_in_the_order_of_the_jobs(tmp_path: Path) -> None:
    """Whoever finishes first, the first job's result is first, and each page is its branch's."""
    jobs = jobs_of(tmp_path, 5)
    told: list[str] = []
    results = run_batch(jobs, workers=3, progress=lambda result: told.append(result.branch_id))
    assert [result.branch_id for result in results] == [job.branch_id for job in jobs]
    assert sorted(told) == [job.branch_id for job in jobs]
    for job in jobs:
        assert outputs(job.folder / "report.ipynb") == [f"('{job.branch_id}',)"]


def test_jobs_and_results_travel(tmp_path: Path) -> None:
    """What goes to another machine and comes back survives pickling."""
    job = jobs_of(tmp_path, 1)[0]
    result = PageResult("001", 1.5, files=(tmp_path / "report.pdf",), error="no", attempts=2)
    assert pickle.loads(pickle.dumps([job, result])) == [job, result]


def dying() -> ProcessPoolExecutor:
    """Return an executor whose worker ends before it has imported anything."""
    return ProcessPoolExecutor(
        1, mp_context=get_context("spawn"), initializer=os._exit, initargs=(1,)
    )


def test_a_lost_worker_costs_its_pages_only(tmp_path: Path) -> None:
    """When an executor breaks, every page still has a result, and it says to run again."""
    jobs = jobs_of(tmp_path, 2)
    with dying() as broken:
        results = run_batch(jobs, executor=broken)
    assert all("its worker was lost (BrokenProcessPool)" in result.error for result in results)
    assert {*failed_pages(jobs)} == {"000", "001"}
    assert "工作进程中断（BrokenProcessPool）" in failed_pages(jobs)["001"].zh


def test_a_page_that_a_lost_worker_was_to_print_is_as_it_was(tmp_path: Path) -> None:
    """Its figures are right and its notebook is there: only another status is lacking."""
    (job,) = jobs_of(tmp_path, 1)
    assert not render_page(job).failed
    again = replace(job, action="print", options=replace(job.options, status="reviewed"))
    with dying() as broken:
        assert run_batch([again], executor=broken)[0].failed
    assert finished_pages([job])[job.branch_id].status == "draft"


def test_a_page_that_a_lost_worker_was_to_make_by_force_stays_if_it_fits(tmp_path: Path) -> None:
    """One of the same inputs is as good; one of other inputs would pass for today's and goes."""
    (job,) = jobs_of(tmp_path, 1)
    assert not render_page(job).failed
    before = job.files[0].read_bytes()
    forced = replace(job, options=replace(job.options, force=True))
    for one, left in ((forced, [job.branch_id]), (replace(forced, made_from="else"), [])):
        with dying() as broken:
            assert run_batch([one], executor=broken)[0].failed
        assert [*finished_pages([job])] == left
        assert [job.branch_id for path in job.files[:1] if path.exists()] == left
        assert not left or job.files[0].read_bytes() == before


class _Broken(Executor):
    """An executor that breaks when its page is made, before it has said so."""

    def submit(self, _: object, job: PageJob, /) -> Future[PageResult]:  # type: ignore[override]
        """Make the page, and lose the worker."""
        assert not render_page(job).failed
        page = Future[PageResult]()
        page.set_exception(BrokenProcessPool())
        return page


def test_a_page_that_was_finished_before_its_worker_was_lost_stays(tmp_path: Path) -> None:
    """It is there and complete, whoever was told; made or printed."""
    (job,) = jobs_of(tmp_path, 1)
    reviewed = replace(job.options, status="reviewed")
    for one in (job, replace(job, action="print", options=reviewed)):
        (result,) = run_batch([one], executor=_Broken())
        assert (result.error, result.files, result.action) == ("", job.files, one.action)
        assert finished_pages([job])[job.branch_id].status == one.options.status


class _Slow(Executor):
    """An executor whose page takes long, and that is meanwhile asked to end.

    A signal that another thread receives leaves the main one waiting, as does one that comes just
    before the wait begins.
    """

    def submit(self, _: object, job: PageJob, /) -> Future[PageResult]:  # type: ignore[override]
        """Return a page that ends in twenty seconds; ask for the end in half a second."""
        page = Future[PageResult]()
        self.end = threading.Timer(20, page.set_result, [PageResult(job.branch_id, 20.0)])
        self.end.start()
        ask = lambda: signal.pthread_kill(threading.get_ident(), signal.SIGUSR1)  # noqa: E731
        threading.Timer(0.5, ask).start()
        return page


@pytest.mark.skipif(not hasattr(signal, "pthread_kill"), reason="needs signals to threads")
def test_an_interrupt_that_does_not_end_the_wait_ends_the_batch(tmp_path: Path) -> None:
    """It is seen within a moment, not when the next page is finished."""
    executor, started = _Slow(), time.monotonic()
    before = signal.signal(signal.SIGUSR1, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            run_batch(jobs_of(tmp_path, 1), executor=executor)
    finally:
        signal.signal(signal.SIGUSR1, before)
        executor.end.cancel()
    assert time.monotonic() - started < 10


def test_a_page_that_never_ran_shows_no_notebook_of_another_run(tmp_path: Path) -> None:
    """What an earlier failure left would be read as this one's."""
    (job,) = jobs_of(tmp_path, 1)
    job.failed_folder.mkdir(parents=True)
    (job.failed_folder / "report.ipynb").touch()
    assert render_page(replace(job, notebook=tmp_path / "gone.ipynb")).failed
    assert not job.failed_folder.exists()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_a_dask_cluster_makes_the_pages(tmp_path: Path) -> None:
    """Two worker processes of a real cluster make all pages, each forking kernels of its own."""
    distributed = pytest.importorskip("distributed")
    jobs = [
        small_job(
            tmp_path,
            "import os\nstat = open(f'/proc/{os.getppid()}/stat').read()\n"
            "int(stat.rsplit(')', 1)[1].split()[1])",
            branch_id=f"{number:03}",
        )
        for number in range(8)
    ]
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        workers = {worker["pid"] for worker in client.run(_process).values()}
        results = run_batch(jobs, executor=client.get_executor())
    assert [(result.branch_id, result.error) for result in results] == [
        (job.branch_id, "") for job in jobs
    ]
    asked_by = {int(outputs(job.folder / "report.ipynb")[0]) for job in jobs}
    assert asked_by == workers


def _process() -> dict[str, int]:
    import os

    return {"pid": os.getpid()}


@pytest.mark.slow
def test_every_chart_is_its_own_branchs(sample_evaluation: Evaluation, tmp_path: Path) -> None:
    """Each chart on each page of a batch is the one drawn from that branch's facts alone.

    A branch in its first quarter (B007) has fewer: what has nothing to show is left out.
    """
    sample_evaluation.save(tmp_path / "evaluation")
    evaluation = open_evaluation(tmp_path / "evaluation")
    branches = ["B001", "B007", "B013"]
    for branch in branches:
        evaluation.of_branch(branch).save(slice_folder(tmp_path / "evaluation", branch))
    jobs = [
        replace(
            small_job(tmp_path, "1", branch_id=branch),
            notebook=notebook_path("branch_report"),
            parameters={
                "evaluation": str(slice_folder(tmp_path / "evaluation", branch)),
                "branch_id": branch,
                "language": "zh",
            },
        )
        for branch in branches
    ]
    assert [result.error for result in run_batch(jobs, workers=2)] == ["", "", ""]
    seen: list[str] = []
    for job in jobs:
        page = branch_page(evaluation, branch_id=job.branch_id, language="zh")
        book = nbformat.read(job.folder / "report.ipynb", as_version=4)
        charts = [(match[1], cell) for cell in book.cells if (match := FIGURE.search(cell.source))]
        drawn = 0
        for name, cell in charts:
            alone = getattr(branch_figures, name)(page)
            if isinstance(alone, Remark):
                assert [output.data for output in cell.outputs] == [alone._repr_mimebundle_()]
                continue
            shown = [output.data["image/svg+xml"] for output in cell.outputs]
            assert shown == ([] if alone is None else [alone.svg]), (job.branch_id, name)
            seen += shown
            drawn += len(shown)
        assert drawn >= 6, job.branch_id
    assert len(set(seen)) == len(seen)
