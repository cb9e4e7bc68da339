"""A notebook's first call, which opens its page.

```
evaluation ── open_branch_page ──> BranchPage ──> sentences, tables, figures of the notebook's cells
```

Straight after a clone nothing has been evaluated: then the evaluation is made from the sample bank,
and kept for the other notebooks.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Collection, Iterable
from pathlib import Path
from symtable import symtable
from typing import TYPE_CHECKING, Final

from stockcust_analysis.errors import NOTHING, UsageError, Words, choose_language, listed, say
from stockcust_analysis.evaluation.results import Evaluation, find_folder, open_evaluation
from stockcust_analysis.show.blocks import Language, known_language
from stockcust_analysis.show.page_data import BranchPage, branch_page

if TYPE_CHECKING:
    from stockcust_analysis.evaluation.review import Review
    from stockcust_analysis.show.headquarters_page import HeadquartersPage

SAMPLE: Final = "data/sample"
_PROGRESS: Final = {
    "zh": "“{folder}”尚无评估，正由“{data}”计算：已完成{done}步，共{total}步",
    "en": "No evaluation in '{folder}' yet; making it from '{data}': {done} of {total} steps done",
}
_ASSIGNED: Final = re.compile(r"^([^\W\d]\w*)[ \t]*(?::[^=\n]*)?=(?!=)", re.MULTILINE)
_INJECTED: Final = "# Parameters\n"  # how the cell begins that papermill writes
_PLAIN_TYPES: Final = {"str", "int", "float", "bool", "list", "dict"}


def open_branch_page(
    evaluation: str, *, branch_id: str, language: Language, data: str = SAMPLE
) -> BranchPage:
    """Return one branch's page for a notebook; an evaluation that is missing is made first.

    Parameters
    ----------
    evaluation
        Folder that `stockcust evaluate` wrote, such as "reports/2026Q3/evaluation", from the
        working folder or the one above it.
    branch_id
        Which branch.
    language
        "zh" or "en"; errors, warnings and results of the notebook follow it.
    data
        The bank from which a missing evaluation is made, beside `reports`.

    Raises
    ------
    UsageError
        A parameter is not the text it must be, the branch does not report, or there is no
        evaluation and no bank to make it from.
    """
    check_texts(evaluation=evaluation, branch_id=branch_id, language=language)
    opened = _open_or_make(evaluation, data, language)
    return branch_page(opened, branch_id=branch_id, language=language)


def open_headquarters_page(
    review: str, *, language: Language, data: str = SAMPLE
) -> HeadquartersPage:
    """Return headquarters' page for a notebook; a review that is missing is made first.

    Parameters
    ----------
    review
        Folder that `stockcust report` wrote, such as "reports/2026Q3/evaluation/headquarters", from
        the working folder or the one above it. One that is made here is not kept.
    language
        "zh" or "en"; errors, warnings and results of the notebook follow it.
    data
        The bank from which a missing evaluation is made, beside `reports`.

    Raises
    ------
    UsageError
        A parameter is not the text it must be, or there is no review and none can be made.
    """
    # A branch's page never loads what only headquarters' needs.
    from stockcust_analysis.evaluation.review import open_review
    from stockcust_analysis.show.headquarters_page import headquarters_page

    check_texts(review=review, language=language)
    folder = find_folder(review, "review.json")
    opened = _make_review(review, data, language) if folder is None else open_review(folder)
    return headquarters_page(opened, language=language)


def _open_or_make(folder: str, data: str, language: Language) -> Evaluation:
    """Read the evaluation, or make it."""
    if (found := find_folder(folder)) is not None:
        return open_evaluation(found)
    from stockcust_analysis.evaluation.evaluate import make_missing_evaluation

    words = _PROGRESS[language].replace("{folder}", folder).replace("{data}", data)

    # One line that changes with every step: a bar would need ipywidgets. What goes to stderr is
    # seen in JupyterLab and never printed on a page.
    def show(done: int, total: int) -> None:
        sys.stderr.write("\r" + words.format(done=done, total=total) + ("\n" * (done == total)))
        sys.stderr.flush()

    return make_missing_evaluation(folder, data=data, progress=show)


def _make_review(folder: str, data: str, language: Language) -> Review:
    """Make the review of an evaluation by the default policy; no branch's page has been made."""
    from stockcust_analysis.evaluation.review import make_review
    from stockcust_analysis.policy import load_policy

    evaluation, policy = _open_or_make(str(Path(folder).parent), data, language), load_policy()
    if evaluation.policy_facts["digest"] != policy.digest:
        raise UsageError(say("no_review_by_policy", folder, policy.name))
    review = make_review(evaluation, policy=policy)
    return review.with_pages((branch, "missing", "") for branch in evaluation.branches["branch_id"])


def wrong_type(name: str, wanted: str, value: object) -> Words:
    """Return what is wrong with a notebook's parameter, and what to do; "" when it is as declared.

    papermill's option `-p` reads values as numbers and flags where they look like some, `-y` as
    YAML: branch 0110 becomes the number 110, or 72. Only `-r` hands over what was written.

    >>> print(wrong_type("branch_id", "str", 110))
    parameter 'branch_id' must be text (str), not a whole number (110): write it in quotes.
    papermill's -p turns the text 0110 into 110, and -y into 72: give it with -r, as it is written:
    -r branch_id …
    >>> wrong_type("branch_id", "str", "0110")
    ''
    """
    if wanted not in _PLAIN_TYPES:
        return say("parameter_declared", name, wanted)
    actual = type(value).__name__
    if actual == wanted or (actual, wanted) == ("int", "float"):
        return NOTHING
    given = say(f"type_{actual}") if actual in {*_PLAIN_TYPES, "NoneType"} else actual
    problem = say("parameter_type", name, say(f"type_{wanted}"), wanted, given, repr(value))
    return say("with_r", problem, name) if wanted == "str" else say("sentence", problem)


def unknown_parameters(given: Iterable[str], declared: Collection[str]) -> list[object]:
    """Return an error for each parameter that a notebook does not declare.

    papermill only warns of one and runs on with the default, which would print a beautiful page of
    the wrong branch.
    """
    return [UsageError.unknown("parameter", n, declared) for n in given if n not in declared]


def _assigned(cell: str) -> list[str]:
    """Return the names that a cell gives a value; one with magics is read line by line."""
    try:
        names = symtable(cell, "cell", "exec").get_symbols()
    except SyntaxError:
        return _ASSIGNED.findall(cell)
    return [name.get_name() for name in names if name.is_assigned()]


def _injected_problems() -> list[object]:
    """Return what is wrong with the names in the cell that papermill wrote into this notebook.

    It stands behind the notebook's own cell of parameters; run again, the latest counts.
    """
    cells: list[str] = getattr(sys.modules["__main__"], "In", [])  # those that IPython has run
    injected = [number for number, cell in enumerate(cells) if cell.startswith(_INJECTED)]
    declared = [name for cell in cells[: (injected or [0])[0]] for name in _assigned(cell)]
    return unknown_parameters(_assigned(cells[injected[-1]]) if declared else [], declared)


def check_texts(language: object, **texts: object) -> None:
    """Raise one UsageError for all parameters of a notebook that are not the texts they must be.

    And for those that papermill was given and the notebook does not declare.

    From then on its errors, warnings and results are in its language.
    """
    if language in ("zh", "en"):
        choose_language(str(language))
    parameters = {**texts, "language": language}
    problems = [wrong_type(name, "str", value) for name, value in parameters.items()]
    if wrong := [*_injected_problems(), *filter(None, problems)]:
        raise UsageError(listed(say("bad_parameters", say("the_notebook")), wrong))
    known_language(language)
