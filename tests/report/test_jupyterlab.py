"""JupyterLab in a real browser: notebooks run by keyboard and by menu, and show their pages."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from stockcust_analysis.bank.sample import make_bank, write_bank

webdriver = pytest.importorskip("selenium.webdriver")
pages = pytest.importorskip("selenium.webdriver.support.ui")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not (shutil.which("chromium") and shutil.which("chromedriver")),
        reason="Chromium and its driver are not installed",
    ),
]
ROOT = Path(__file__).resolve().parents[2]
SECONDS = 180


@contextmanager
def jupyterlab(project: Path, home: Path) -> Iterator[str]:
    """Serve a project in JupyterLab on this machine alone, with a home of its own."""
    runtime = home / "runtime"
    own = {
        f"JUPYTER_{name.upper()}_DIR": str(home / name) for name in ("runtime", "config", "data")
    }
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root",
               "--ServerApp.ip=127.0.0.1", "--ServerApp.port=0", "--IdentityProvider.token=open",
               f"--ServerApp.root_dir={project}", "--LabApp.news_url=None",
               "--LabApp.extension_manager=readonly"]  # fmt: skip
    environment = {**os.environ, **own, "HOME": str(home), "IPYTHONDIR": str(home / "ipython")}
    with (home / "server.log").open("w") as log:
        server = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
    try:
        deadline = time.monotonic() + 120
        while not (ready := [*runtime.glob("jpserver-*.json")]) and time.monotonic() < deadline:
            assert server.poll() is None, (home / "server.log").read_text(encoding="utf-8")
            time.sleep(0.5)
        time.sleep(0.5)  # the file is written in one go, a moment after it is made
        yield json.loads(ready[0].read_text(encoding="utf-8"))["url"]
    finally:
        server.terminate()  # its kernels end with it
        server.wait(60)


@contextmanager
def chromium(profile: Path) -> Iterator[Any]:
    """Open a browser without a window."""
    options = webdriver.ChromeOptions()
    for flag in ("--headless=new", "--no-sandbox", "--disable-gpu", "--window-size=1300,2400",
                 "--disable-background-networking", "--no-first-run", "--disable-sync",
                 f"--user-data-dir={profile}"):  # fmt: skip
        options.add_argument(flag)
    options.binary_location = str(shutil.which("chromium"))
    service = webdriver.ChromeService(executable_path=shutil.which("chromedriver"))
    driver = webdriver.Chrome(options=options, service=service)
    try:
        yield driver
    finally:
        driver.quit()


def texts(driver: Any, selector: str) -> list[str]:
    """Return the texts of elements as a reader sees them."""
    return [element.text for element in driver.find_elements("css selector", selector)]


def run_cell(driver: Any) -> None:
    """Press Shift+Enter: run the cell and go on to the next."""
    keys = webdriver.Keys
    chain = webdriver.ActionChains(driver)
    chain.key_down(keys.SHIFT).send_keys(keys.ENTER).key_up(keys.SHIFT).perform()


def is_idle(driver: Any) -> bool:
    """Return whether the kernel is there and has nothing left to do."""
    return "| Idle" in "".join(texts(driver, ".jp-StatusBar-TextItem"))


def make_project(folder: Path) -> Path:
    """Write a small bank and the notebooks as after a clone, and return a home for the server."""
    write_bank(make_bank(1, branches=10, customers=1000, quarters=2), folder / "data" / "sample")
    shutil.copytree(ROOT / "notebooks", folder / "notebooks")
    (home := folder / "home").mkdir()
    return home


def test_every_notebook_is_run_from_the_menu(tmp_path: Path) -> None:
    """Run All Cells leaves no cell without its number, no error, and tables and figures."""
    home = make_project(tmp_path)
    with jupyterlab(tmp_path, home) as url, chromium(home / "browser") as driver:
        wait = pages.WebDriverWait(driver, SECONDS)
        for notebook in sorted((tmp_path / "notebooks").glob("*.ipynb")):
            driver.get(f"{url}lab/tree/notebooks/{notebook.name}?token=open&reset")
            wait.until(lambda d: d.find_elements("css selector", ".jp-Notebook .jp-CodeCell"))
            wait.until(is_idle)
            menus = driver.find_elements("css selector", ".lm-MenuBar-item")
            next(menu for menu in menus if menu.text == "Run").click()
            item = '.lm-Menu-item[data-command="runmenu:run-all"]'
            wait.until(lambda d, item=item: d.find_elements("css selector", item))[0].click()
            wait.until(lambda d: set(texts(d, ".jp-InputPrompt")).isdisjoint({"[ ]:", "[*]:"}))
            wait.until(is_idle)
            assert driver.find_elements("css selector", "[data-mime-type*=error]") == []
            assert texts(driver, "table caption"), notebook.name
            draws = "figure" in notebook.read_text(encoding="utf-8")
            assert bool(texts(driver, ".jp-OutputArea figure")) == draws, notebook.name
    assert (tmp_path / "reports" / "2026Q3" / "evaluation" / "facts.json").exists()


def test_a_notebook_is_run_by_keyboard(tmp_path: Path) -> None:
    """Shift+Enter, cell by cell, shows the picker, tables and a figure."""
    home = make_project(tmp_path)
    with jupyterlab(tmp_path, home) as url, chromium(home / "browser") as driver:
        wait = pages.WebDriverWait(driver, SECONDS)
        driver.get(f"{url}lab/tree/notebooks/pareto.ipynb?token=open")
        wait.until(lambda d: d.find_elements("css selector", ".jp-Notebook .jp-CodeCell:focus"))
        wait.until(is_idle)  # cells that are run before the kernel is there are passed over
        for _ in driver.find_elements("css selector", ".jp-Notebook .jp-Cell"):
            run_cell(driver)
        wait.until(lambda d: len(texts(d, "table caption")) == 4, message="four tables")
        assert len(driver.find_elements("css selector", ".jp-OutputArea select")) == 2
        assert texts(driver, "table caption")[0].startswith("资产集中度")
        figure = driver.find_element("css selector", ".jp-OutputArea figure")
        picture = figure.find_element("css selector", "img")
        assert figure.text  # the caption
        assert picture.get_attribute("alt")
        assert driver.execute_script("return arguments[0].naturalWidth", picture) > 100
        assert driver.find_elements("css selector", "[data-mime-type*=error]") == []
