"""The parameters of a notebook, and what papermill makes of them on the way.

Its option `-p` reads values as numbers and flags where they look like some, `-y` as YAML: branch
0110 becomes the number 110, or 72. Only `-r` hands over what was written.
"""

from __future__ import annotations

from typing import Final, get_args

from stockcust_analysis.errors import UsageError
from stockcust_analysis.show.blocks import Language

_PLAIN: Final = {"str", "int", "float", "bool", "list", "dict"}
_WORDS: Final = {
    "str": "text", "int": "a whole number", "float": "a number", "bool": "a flag (True or False)",
    "list": "a list", "dict": "a mapping", "NoneType": "nothing",
}  # fmt: skip


def wrong_type(name: str, wanted: str, value: object) -> str:
    """Say what is wrong with a parameter's type and what to do; "" when it is as declared.

    >>> print(wrong_type("branch_id", "str", 110))
    parameter 'branch_id' must be text (str), not a whole number (110): papermill's -p turns the
    text 0110 into 110, and -y into 72. Give it with -r, as it is written: -r branch_id …
    >>> wrong_type("branch_id", "str", "0110")
    ''
    """
    if wanted not in _PLAIN:
        return (
            f"parameter '{name}' is declared {wanted}, which papermill cannot write into a "
            "notebook. Declare str, int, float, bool, list or dict; a date as str, 2026-09-30."
        )
    given = type(value).__name__
    if given == wanted or (given, wanted) == ("int", "float"):
        return ""
    problem = (
        f"parameter '{name}' must be {_WORDS[wanted]} ({wanted}), "
        f"not {_WORDS.get(given, given)} ({value!r})"
    )
    if wanted != "str":
        return f"{problem}."
    return (
        f"{problem}: papermill's -p turns the text 0110 into 110, and -y into 72. "
        f"Give it with -r, as it is written: -r {name} …"
    )


def check_texts(language: object, **texts: object) -> None:
    """Raise one UsageError for all parameters of a notebook that are not the texts they must be."""
    given = {**texts, "language": language}
    wrong = [
        problem for name, value in given.items() if (problem := wrong_type(name, "str", value))
    ]
    if wrong:
        listed = "\n".join(f"  {number}. {text}" for number, text in enumerate(wrong, 1))
        raise UsageError(f"the notebook cannot be run with these parameters:\n{listed}")
    if language not in get_args(Language):
        raise UsageError.unknown("language", language, get_args(Language))
