"""A notebook's first call: its parameters checked, its figures read or made, its page returned.

Straight after a clone nothing has been evaluated: then the evaluation is made from the sample bank,
and kept for the other notebooks.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from stockcust_analysis.errors import UsageError
from stockcust_analysis.evaluation.results import Evaluation, find_folder, open_evaluation
from stockcust_analysis.show.blocks import Language
from stockcust_analysis.show.branch_page import BranchPage, branch_page
from stockcust_analysis.show.parameters import check_texts

if TYPE_CHECKING:
    from stockcust_analysis.evaluation.evaluate import Steps
    from stockcust_analysis.evaluation.review import Review
    from stockcust_analysis.show.headquarters_page import HeadquartersPage

SAMPLE: Final = "data/sample"
_MAKING: Final = {
    "zh": "“{folder}”尚无评估，正由“{data}”计算：已完成{done}步，共{total}步",
    "en": "No evaluation in '{folder}' yet; making it from '{data}': {done} of {total} steps done",
}


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
        "zh" or "en".
    data
        The bank from which a missing evaluation is made, beside `reports`.

    Raises
    ------
    UsageError
        A parameter is not the text it must be, the branch does not report, or there is no
        evaluation and no bank to make it from.
    """
    check_texts(evaluation=evaluation, branch_id=branch_id, language=language)
    return branch_page(
        _evaluation(evaluation, data, language), branch_id=branch_id, language=language
    )


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
        "zh" or "en".
    data
        The bank from which a missing evaluation is made, beside `reports`.

    Raises
    ------
    UsageError
        A parameter is not the text it must be, or there is no review and none can be made.
    """
    from stockcust_analysis.evaluation.review import open_review
    from stockcust_analysis.show.headquarters_page import headquarters_page

    check_texts(review=review, language=language)
    place = find_folder(review, "review.json")
    opened = _review(review, data, language) if place is None else open_review(place)
    return headquarters_page(opened, language=language)


def _evaluation(folder: str, data: str, language: Language) -> Evaluation:
    """Read the evaluation, or make it."""
    place = find_folder(folder)
    if place is not None:
        return open_evaluation(place)
    from stockcust_analysis.evaluation.missing import make_missing_evaluation

    words = _MAKING[language].replace("{folder}", folder).replace("{data}", data)
    return make_missing_evaluation(folder, data=data, progress=_line(words))


def _review(folder: str, data: str, language: Language) -> Review:
    """Make the review of an evaluation by the default policy; no branch's page has been made."""
    from stockcust_analysis.evaluation.review import make_review
    from stockcust_analysis.policy import load_policy

    evaluation, policy = _evaluation(str(Path(folder).parent), data, language), load_policy()
    if evaluation.policy_facts["digest"] != policy.digest:
        raise UsageError(
            f"'{folder}' holds no review, and the evaluation beside it is by another policy than "
            f"'{policy.name}'. Write one with: stockcust report …"
        )
    made = make_review(evaluation, policy=policy)
    return made.with_pages((branch, "missing", "") for branch in evaluation.branches["branch_id"])


def _line(words: str) -> Steps:
    """Return what writes one line that changes with every step: a bar would need ipywidgets.

    What goes to stderr is seen in JupyterLab and never printed on a page.
    """

    def show(done: int, total: int) -> None:
        sys.stderr.write("\r" + words.format(done=done, total=total) + ("\n" * (done == total)))
        sys.stderr.flush()

    return show
