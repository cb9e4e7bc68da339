"""The index in a real browser: it sorts, searches, filters and links, and asks no network."""

from __future__ import annotations

import json
import re
import shutil
from base64 import b64decode
from collections.abc import Iterator
from dataclasses import replace
from html.parser import HTMLParser
from io import BytesIO
from pathlib import Path

import pandas as pd
import pytest
from pypdf import PdfReader

from stockcust_analysis.evaluation.review import Review
from stockcust_analysis.report.index_html import write_index
from stockcust_analysis.show.headquarters_page import headquarters_page
from tests.report.small_review import WITHHELD, small_review, without_ranks

webdriver = pytest.importorskip("selenium.webdriver")
pages = pytest.importorskip("selenium.webdriver.support.ui")
browser_is_there = pytest.mark.skipif(
    not (shutil.which("chromium") and shutil.which("chromedriver")),
    reason="Chromium and its driver are not installed",
)
FAILED, MISSING = "B005", "B006"


@pytest.fixture(scope="module")
def review() -> Review:
    """Return a circulated review in which one branch failed and one was not made.

    Its inactive customers are as many as all its dormant ones.
    """
    states = {FAILED: "failed", MISSING: "missing"}
    made = small_review(edition="circulated")
    measures = made.evaluation.measures
    dormant = measures[measures["measure"] == "dormancy_rate"]
    inactive = dormant.assign(base="funded", measure="inactive_rate")
    measures = pd.concat([measures[measures["measure"] != "inactive_rate"], inactive])
    made = replace(made, evaluation=replace(made.evaluation, measures=measures))
    branches = made.evaluation.branches["branch_id"]
    return made.with_pages((b, states.get(b, "made"), "too <slow>" if b == FAILED else "")
                           for b in branches)  # fmt: skip


@pytest.fixture(scope="module")
def written(review: Review, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write the index beside a page of every branch that has one."""
    folder = tmp_path_factory.mktemp("quarter")
    links = {}
    for branch in review.evaluation.branches["branch_id"]:
        if branch in (FAILED, MISSING):
            continue
        links[branch] = f"branches/{branch}/report.html"  # a browser shows it without downloading
        page = folder / links[branch]
        page.parent.mkdir(parents=True)
        page.write_text(f"<title>{branch}</title>", encoding="utf-8")
    path = folder / "index.html"
    write_index(path, headquarters_page(review, language="zh"), status="reviewed", links=links,
                others={"复核": "headquarters_review.pdf"})  # fmt: skip
    return path


@pytest.fixture(scope="module")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[webdriver.Chrome]:
    """Start a browser, once for all tests."""
    profile = tmp_path_factory.mktemp("profile")
    options = webdriver.ChromeOptions()
    for flag in ("--headless=new", "--no-sandbox", "--disable-gpu", "--window-size=1500,1200",
                 "--disable-background-networking", "--no-first-run", "--disable-sync",
                 f"--user-data-dir={profile}"):  # fmt: skip
        options.add_argument(flag)
    options.binary_location = str(shutil.which("chromium"))
    options.set_capability("goog:loggingPrefs", {"performance": "ALL", "browser": "ALL"})
    service = webdriver.ChromeService(executable_path=shutil.which("chromedriver"))
    driver = webdriver.Chrome(options=options, service=service)
    yield driver
    driver.quit()


@pytest.fixture
def browser(written: Path, driver: webdriver.Chrome) -> webdriver.Chrome:
    """Open the index anew, from the file."""
    driver.get(written.as_uri())
    wait = pages.WebDriverWait(driver, 60)
    wait.until(lambda d: d.find_element("css selector", "html[data-ready=yes]"))
    return driver


def first_cells(browser: webdriver.Chrome, column: int = 1) -> list[str]:
    """Return what stands in a column of the rows that are shown, as a reader sees it."""
    cells = browser.find_elements("css selector", f"#branches tbody tr > :nth-child({column})")
    return [cell.text for cell in cells]


def column_of(browser: webdriver.Chrome, label: str) -> int:
    """Return the place of a column, counted from 1."""
    heads = [head.text for head in browser.find_elements("css selector", "#branches thead th")]
    return heads.index(label) + 1


def until_sorted(browser: webdriver.Chrome, head: str, order: str) -> None:
    """Wait until a header says that the table is sorted by it; the table sorts a moment later."""
    sorted_by = f"{head}[aria-sort={order}]"
    pages.WebDriverWait(browser, 20).until(lambda b: b.find_elements("css selector", sorted_by))


@browser_is_there
def test_it_sorts_by_a_click_and_by_a_key(browser: webdriver.Chrome) -> None:
    """A header sorts, by mouse and by keyboard; a withheld figure goes behind all numbers."""
    place = column_of(browser, "沉默睡眠")
    head = f"#branches thead th:nth-child({place})"
    browser.find_element("css selector", head).click()
    until_sorted(browser, head, "ascending")
    shown = first_cells(browser, place)
    assert shown[-1] == "*"
    numbers = [float(text.rstrip("%")) for text in shown[:-1]]
    assert numbers == sorted(numbers)
    button = browser.find_element("css selector", f"{head} [role=button], {head}[tabindex]")
    button.send_keys(webdriver.Keys.ENTER)
    until_sorted(browser, head, "descending")
    numbers = [float(text.rstrip("%")) for text in first_cells(browser, place) if text != "*"]
    assert numbers == sorted(numbers, reverse=True)


@browser_is_there
def test_it_filters_and_searches(browser: webdriver.Chrome) -> None:
    """A choice keeps the branches of one region, a search those that are called so."""
    choice = browser.find_element("xpath", "//label[starts-with(normalize-space(), '区域')]/select")
    pages.Select(choice).select_by_visible_text("东片区")
    assert set(first_cells(browser, column_of(browser, "区域"))) == {"东片区"}
    assert len(first_cells(browser)) == 12
    browser.find_element("css selector", "input[type=search]").send_keys("011")
    assert first_cells(browser) == ["011支行"]


@browser_is_there
def test_links_lead_to_every_page(browser: webdriver.Chrome) -> None:
    """Each branch with a page links to it; a failed or missing one is seen, without a link."""
    links = browser.find_elements("css selector", "#branches tbody th a")
    assert len(links) == 22
    rows = browser.find_elements("css selector", "#branches tbody tr.problem")
    assert sorted(row.text.split()[-1] for row in rows) == ["失败", "未生成"]
    links[0].send_keys(webdriver.Keys.ENTER)
    pages.WebDriverWait(browser, 30).until(lambda d: d.title.startswith("B0"))


@browser_is_there
def test_it_asks_no_network_and_has_no_script_error(browser: webdriver.Chrome) -> None:
    """Every request is for the file itself or for what it holds; the console is empty."""
    asked = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    # A new window asks for the browser's own first page before it is sent anywhere.
    urls = [message["params"]["request"]["url"] for message in asked
            if message["method"] == "Network.requestWillBeSent"
            and message["params"]["documentURL"] == browser.current_url]  # fmt: skip
    assert urls
    assert {url.split(":", 1)[0] for url in urls} <= {"file", "blob", "data"}
    assert browser.get_log("browser") == []


class Reader(HTMLParser):
    """Take down headings of tables, labels and addresses."""

    def __init__(self) -> None:
        super().__init__()
        self.scopes: list[str | None] = []
        self.addresses: list[str] = []
        self.tags: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Take down one tag."""
        known = dict(attrs)
        self.tags.append(tag)
        if tag == "th":
            self.scopes.append(known.get("scope"))
        self.addresses += [str(known[name]) for name in ("href", "src") if name in known]


def test_it_can_be_read_without_script_and_by_ear(written: Path) -> None:
    """Tables have captions and scoped headers, the page a language and a way past the top."""
    text = written.read_text(encoding="utf-8")
    reader = Reader()
    reader.feed(text)
    assert set(reader.scopes) == {"col", "row"}
    assert reader.tags.count("caption") == reader.tags.count("table")
    assert '<html lang="zh-CN">' in text
    assert reader.addresses[0] == "#branches"
    assert not [each for each in reader.addresses if ":" in each]
    assert "too &lt;slow&gt;" in text
    assert "复核" in text
    assert WITHHELD[0][1:] in text


def test_the_same_review_gives_the_same_page(review: Review, written: Path, tmp_path: Path) -> None:
    """No random name and no time gets into the file."""
    for name in ("one.html", "two.html"):
        write_index(tmp_path / name, headquarters_page(review, language="en"), status="draft",
                    links={}, others={})  # fmt: skip
    assert (tmp_path / "one.html").read_bytes() == (tmp_path / "two.html").read_bytes()
    assert "Draft" in (tmp_path / "one.html").read_text(encoding="utf-8")


def test_the_internal_index_has_places_and_no_gap(tmp_path: Path) -> None:
    """It says 内部, every branch has its place and its points, and nothing is "*"."""
    review = small_review()
    path = tmp_path / "index.html"
    write_index(path, headquarters_page(review, language="zh"), status="draft", links={}, others={})
    table = path.read_text(encoding="utf-8").split('<table id="branches"')[1].split("</table>")[0]
    assert '<span class="status edition">内部</span>' in path.read_text(encoding="utf-8")
    assert "*" not in table
    scores = review.evaluation.scores
    for rank, points in scores[["rank", "points"]].to_numpy():
        assert f">{rank:.0f}</td>" in table
        assert f">{points:.1f}</td>" in table


def test_a_branch_without_rank_has_a_dash_and_the_reason(tmp_path: Path) -> None:
    """Too few customers for a rank: "—" sorted behind all ranks, and a note says why."""
    texts = []
    review = small_review()
    table = review.evaluation.comparison
    # Ranks that hardly a branch can be told apart by have no column.
    told_apart = table.assign(rank_low=table["rank"] - 1, rank_high=table["rank"] + 1)
    review = replace(review, evaluation=replace(review.evaluation, comparison=told_apart))
    for each in (review, without_ranks(review, "B003")):
        path = tmp_path / "index.html"
        page = headquarters_page(each, language="zh")
        write_index(path, page, status="draft", links={}, others={})
        texts.append(path.read_text(encoding="utf-8"))
    before, after = (text.split('<table id="branches"')[1].split("</table>")[0] for text in texts)
    dash = ' data-order="1000000000.0">—</td>'
    assert after.count(dash) > before.count(dash)
    assert ["户数过少的网点不排名次" in text for text in texts] == [False, True]


def test_exceptions_are_counted_as_on_the_first_page_of_the_review(tmp_path: Path) -> None:
    """The one exception is unfavourable; turned to the other side it is favourable: no count."""
    path, review = tmp_path / "index.html", small_review()
    table, counted = review.evaluation.comparison, []
    for comparison in (table, table.assign(z=-table["z"])):
        turned = replace(review, evaluation=replace(review.evaluation, comparison=comparison))
        page = headquarters_page(turned, language="zh")
        assert len(page.exceptions) == 1
        write_index(path, page, status="draft", links={}, others={})
        rows = path.read_text(encoding="utf-8").split('<table id="branches"')[1].split("<tr")[1:]
        column = re.findall(r"<th[^>]*>([^<]*)", rows[0]).index("例外")
        cells = (re.findall(r"<t[dh][^>]*>([^<]*)", row) for row in rows[1:])
        counted.append(sorted({row[column] for row in cells if len(row) > column}))
    assert counted == [["", "1"], [""]]


def test_key_figures_print_as_dark_letters_on_white(written: Path) -> None:
    """On paper the labels and comparisons of key figures are small, and keep their colours."""
    printed = written.read_text(encoding="utf-8").split("size: A4;", 1)[1].split("</style>")[0]
    rules = re.findall(r"([^{}]+){([^{}]*)}", printed)
    assert [body.strip() for name, body in rules if ".figures dt" in name] == ["font-size: 7pt;"]


@browser_is_there
def test_it_prints_on_one_page(browser: webdriver.Chrome) -> None:
    """The index of 24 branches is one sheet of paper, with whole lines of the trend."""
    printed = browser.execute_cdp_cmd("Page.printToPDF", {"preferCSSPageSize": True})
    assert len(PdfReader(BytesIO(b64decode(printed["data"]))).pages) == 1
    for line in browser.find_elements("css selector", "#branches svg"):
        assert line.get_dom_attribute("viewBox") == f"0 0 80 {line.get_dom_attribute('height')}"
