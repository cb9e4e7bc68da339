"""The exploring notebooks: a bank, a quarter, a branch, and their texts in one language.

```
open_lab("pareto", "data/sample") ──> Lab ──> title, pick, text, table, figure, browse, definitions
```

A notebook calls the measures itself; here live its texts, which `labels.toml` holds by topic, and
what JupyterLab needs beside them. JupyterLab cannot hide cells by language, so that every text is
looked up by a call.
"""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from importlib import import_module
from numbers import Integral
from typing import Any, Final
from warnings import catch_warnings

import pandas as pd
from IPython.display import HTML, Markdown, display
from matplotlib.axes import Axes

from stockcust_analysis.bank.contract import TABLES
from stockcust_analysis.bank.customers import reporting_branches, require_branches
from stockcust_analysis.bank.source import Bank, open_bank
from stockcust_analysis.core.periods import Quarter
from stockcust_analysis.core.results import Result
from stockcust_analysis.errors import UsageError, in_language, require_known, words_of
from stockcust_analysis.evaluation.provided import branches_of
from stockcust_analysis.evaluation.results import find_folder
from stockcust_analysis.measures.codebook import defined_measures, measure_definition
from stockcust_analysis.models.features import feature_name
from stockcust_analysis.policy import Policy, load_policy
from stockcust_analysis.show import blocks, wording
from stockcust_analysis.show.pages import check_texts
from stockcust_analysis.show.results import table_of

# JupyterLab sets cells flush right; the boxes that filter would make the table wider than the page.
_BROWSER_STYLE: Final = (
    "<style>.dt-container thead input{width:7em}"
    ".dt-container td:not(.dt-type-numeric){text-align:left!important}</style>"
)


@dataclass
class Lab:
    """What an exploring notebook works on: whose customers, of which quarter, in which language.

    Attributes
    ----------
    topic : str
        Name of the notebook, whose texts stand in the section `lab_<topic>` of `labels.toml`.
    bank : Bank
        The bank, open.
    policy : Policy
        The rules in force.
    quarter : Quarter
        The quarter looked at; `pick` changes it.
    branch_id : str
        The branch looked at, "" for the whole bank; `pick` changes it.
    language : "zh" or "en"
        Language of texts, captions and tables.
    """

    topic: str
    bank: Bank
    policy: Policy
    quarter: Quarter
    branch_id: str
    language: blocks.Language

    def title(self) -> blocks.Document:
        """Return the notebook's title, with the branch and the as-of date."""
        name = self.branches.get(self.branch_id) or self._word("whole_bank")
        facts: dict[str, Any] = {"as_of": self.quarter.end, "language": self.language}
        return blocks.Document(title=self._word("title"), branch=name, **facts)

    def text(self, key: str, **blanks: float | str) -> Markdown:
        """Return a text of the notebook, its blanks filled: numbers as counts."""
        return Markdown(wording.fill(self._word(key), **blanks))

    @property
    def by(self) -> list[str]:
        """What a measure of two dates is grouped by, for `keep_branch` to keep the branch's rows.

        Who moved to another branch is lost to none then, and new in none.
        """
        return ["branch_id"] if self.branch_id else []

    def keep_branch(self, table: pd.DataFrame) -> pd.DataFrame:
        """Return the customers, or a measure's rows, of the branch looked at; all for the bank.

        Raises
        ------
        UsageError
            Nobody belongs to such a branch; who took it over, or close matches, are named.
        """
        if not self.branch_id:
            return table
        own = table["branch_id"] == self.branch_id
        if isinstance(table, Result):
            return table[own].drop(columns="branch_id")
        if not own.any():
            self.require_branch()
        return table[own].reset_index(drop=True)

    def require_branch(self) -> None:
        """Raise UsageError where nobody belongs to the branch."""
        if self.branch_id:
            available = reporting_branches(self.bank, self.policy, self.quarter)
            require_branches(self.bank, [self.branch_id], available, self.quarter.end, "branch")

    def figure(self, axes: Axes, key: str) -> blocks.Drawing:
        """Finish a chart with the caption `<key>_caption`; the text `key` describes it."""
        caption = self._word(f"{key}_caption")
        alt = f"{caption} {self._word(key)}".replace("**", "")
        return blocks.figure(axes, caption=caption, alt=alt)

    def sentences(self, result: Any) -> blocks.Sentences | None:
        """Return what a model says of itself, in the notebook's language; None of no model."""
        if result is None:
            return None
        spoken = result.sentences(self.language) if hasattr(result, "sentences") else None
        return blocks.Sentences(spoken or str(result).splitlines())

    def table(
        self, frame: pd.DataFrame | None, key: str, *, percent: str | Iterable[str] = ()
    ) -> blocks.Table | None:
        """Finish a table with the caption `<key>_caption`.

        Parameters
        ----------
        frame : DataFrame
            What a measure returned, which is shown in its words and units; or a table of one's
            own, whose columns are named and formatted: measures as the codebook says. None of None.
        key : str
            Whose caption it has.
        percent : names of columns
            Columns of one's own that hold shares between 0 and 1.
        """
        if frame is None:
            return None
        caption = self._word(f"{key}_caption")
        frame = frame if frame.index.name is None else frame.reset_index()
        if "tier" in frame:
            places = {tier: place for place, tier in enumerate(self.policy.tiers.names)}
            frame = frame.sort_values("tier", key=lambda tiers: tiers.map(places), kind="stable")
        if "denominator" in frame or "component" in frame:
            shown = replace(table_of(Result(frame)), caption=caption)
            return shown if len(frame) else replace(shown, note=self._word("nobody"))
        shares = {percent} if isinstance(percent, str) else {*percent}
        cells = {  # by position: two segments may have one name
            str(place): [self._cell(value, str(name), name in shares) for value in values]
            for place, (name, values) in enumerate(frame.items())
        }
        labels = {str(place): self._name(str(name)) for place, name in enumerate(frame)}
        return blocks.table(pd.DataFrame(cells), caption=caption, labels=labels)

    def definitions(self, *names: str) -> blocks.Table:
        """Return what measures, or terms of this notebook, mean."""
        rows = []
        for name in names:
            if name in defined_measures():
                entry = measure_definition(name)
                meaning = getattr(entry, f"definition_{self.language}")
                rows.append((getattr(entry, self.language), meaning))
            else:
                rows.append((self._word(f"{name}_term"), self._word(f"{name}_definition")))
        note = f"{self._word('policy')} {self.policy.name} {self.policy.version}"
        frame = pd.DataFrame(rows, columns=[self._word("term"), self._word("meaning")])
        return blocks.table(frame, caption=self._word("definitions"), note=note)

    def deliveries(self) -> blocks.Table:
        """Return which columns of the contract the bank delivers, and which it does not."""
        name, rows = "zh" if self.language == "zh" else "name", []
        for contract in TABLES:
            delivered = self.bank.columns.get(contract.name, ())
            missing = [getattr(c, name) for c in contract.columns if c.name not in delivered]
            words = self._word("comma").join(missing) or blocks.MISSING
            rows.append((getattr(contract, name), len(delivered), words))
        columns = [self._word(key) for key in ("table", "delivered", "missing")]
        return blocks.table(pd.DataFrame(rows, columns=columns), caption=self._word("deliveries"))

    def browse(self, frame: pd.DataFrame, *, most: int = 2_000) -> HTML:
        """Return a table that sorts and filters in JupyterLab, offline.

        Of more than `most` rows the first are shown; the line below says of how many. Many more
        than 2,000 make a notebook's file large and the browser slow.
        """
        library = import_module("itables.javascript")
        options = import_module("itables.options")
        shown = frame.head(most).rename(columns={str(n): self._name(str(n)) for n in frame})
        texts = shown.select_dtypes(exclude="number").columns
        for name in texts:
            shown[name] = [self._member(str(value)) for value in shown[name]]
        words = {**wording.section_words("lab_browser", self.language)}
        if len(frame) > len(shown):
            words["info"] += self.text("cut", shown=len(shown), rows=len(frame)).data
        looks = {"showIndex": False, "column_filters": "header", "language": words}
        # Customer numbers are texts: the library would set them as amounts.
        looks["columnDefs"] = [{"targets": [*map(shown.columns.get_loc, texts)], "type": "string"}]
        html = library.to_html_datatable(shown, connected=False, maxBytes=0, **looks)
        # The library itself, so that neither a network nor another cell is needed.
        bundle = library.generate_init_offline_itables_html(options.dt_bundle)
        return HTML(_BROWSER_STYLE + bundle + html)

    def attempt(self, compute: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
        """Return what a model computes; show what it warns of, and why it refuses (then None)."""
        said: list[blocks.Sentence | str] = []
        result = None
        with catch_warnings(record=True, action="always", category=UserWarning) as caught:
            try:
                result = compute(*arguments, **options)
            except UsageError as refusal:
                words = words_of(refusal).text(self.language)
                said = [blocks.Sentence(words, lead=self._word("refused"))]
        said += [str(in_language(warning.message, self.language)) for warning in caught]
        if said:
            display(blocks.Sentences(said))
        return result

    def pick(self) -> Any:
        """Return a picker of quarter and branch, which the cells below take when run again.

        Without ipywidgets it is a text that says where the parameters are.
        """
        try:
            widgets = import_module("ipywidgets")
        except ImportError:
            return self.text("no_picker", quarters=", ".join(map(str, self.bank.quarters)))
        branches = {self._word("whole_bank"): ""}
        branches |= {f"{number} {name}": number for number, name in self.branches.items()}
        quarters = {str(known): known for known in reversed(self.bank.quarters)}
        quarter, branch = (
            widgets.Dropdown(options=[*options.items()], value=value, description=self._word(key))
            for key, options, value in (
                ("quarter", quarters, self.quarter),
                ("branch", branches, self.branch_id),
            )
        )
        quarter.observe(lambda change: setattr(self, "quarter", change["new"]), "value")
        branch.observe(lambda change: setattr(self, "branch_id", change["new"]), "value")
        boxes = widgets.HBox([quarter, branch])
        return widgets.VBox([boxes, widgets.Label(self._word("pick_hint"))])

    @property
    def branches(self) -> dict[str, str]:
        """The names of the branches by their numbers."""
        rows = branches_of(self.bank)
        return dict(zip(rows["branch_id"], rows["name"], strict=True))

    def _word(self, key: str) -> str:
        """Return a text of this notebook, or one that all have."""
        own = wording.section_words(f"lab_{self.topic}", self.language)
        return own[key] if key in own else wording.text(key, self.language, within="lab")

    def _name(self, column: str) -> str:
        """Return what a column is called."""
        sections = ("lab_name", "rule", "measure")
        known = ChainMap(*(wording.section_words(name, self.language) for name in sections))
        return known.get(column, column)

    def _member(self, name: str) -> str:
        """Return what an entry is called: a tier, family, status, component or feature."""
        own = self.policy.dormancy.name
        if name == own:
            return self._word("own_rule").format(name)
        if name.startswith(f"{own}-"):  # as `without_exemptions` calls it
            words = wording.section_words("product", self.language) | {"all": self._word("any")}
            product = name.removeprefix(f"{own}-")
            return self._word("without").format(words.get(product, product))
        members, language = self.policy.members, self.language
        policy = [wording.policy_words(members, cut, language) for cut in ("tier", "family")]
        sections = (wording.section_words(n, language) for n in ("status", "base", "component"))
        word = ChainMap(*policy, *sections).get(name) or self._name(name)
        return feature_name(name, language) if word == name else word

    def _cell(self, value: Any, column: str, share: bool) -> str:
        """Return a cell of one's own table in words and units."""
        if isinstance(value, str):
            return self._member(value)
        if column in defined_measures():
            unit = wording.money_unit([value], self.language)
            return wording.format_with_unit(value, column, unit)
        if share:
            return wording.format_share(value)
        return wording.format_number(value, decimals=0 if isinstance(value, Integral) else 2)


def open_lab(
    topic: str,
    folder: str,
    *,
    quarter: str = "latest",
    branch_id: str = "",
    language: blocks.Language = "zh",
    policy: str = "rural_commercial_bank",
) -> Lab:
    """Open a bank for an exploring notebook.

    Parameters
    ----------
    topic : str
        Name of the notebook, such as "pareto".
    folder : str
        The extracts, looked for in the working folder and the one above it, or a database's URL.
    quarter : str
        Such as "2026Q3", or "latest".
    branch_id : str
        A branch, or "" for the whole bank.
    language : "zh" or "en"
        Language of texts, captions and tables.
    policy : str
        Name of a policy, or its TOML file.

    Returns
    -------
    Lab

    Raises
    ------
    UsageError
        A parameter is not the text it must be; no such folder, quarter, branch or policy.

    Examples
    --------
    >>> lab = open_lab("pareto", "data/sample", language="en")
    >>> lab.title().title, str(lab.quarter)
    ('Concentration of assets', '2026Q3')
    >>> lab.bank.close()
    """
    check_texts(language, folder=folder, quarter=quarter, branch_id=branch_id, policy=policy)
    rules = load_policy(policy)
    bank = open_bank(find_folder(folder, "") or folder)
    quarters = {str(known): known for known in bank.quarters}
    chosen = quarter.strip().upper()
    chosen = [*quarters][-1] if chosen == "LATEST" and quarters else chosen
    require_known("quarter", chosen, quarters)
    lab = Lab(topic, bank, rules, quarters[chosen], branch_id, language)
    lab.require_branch()
    return lab
