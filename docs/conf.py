"""How Sphinx prints docs/ as a site (`make docs`), read from build/docs/ without a network."""

from __future__ import annotations

import re
from typing import Any

from sphinx.search import SearchLanguage
from sphinx.search.en import SearchEnglish

import stockcust_analysis

project = "stockcust_analysis"
author = "The stockcust_analysis authors"
release = stockcust_analysis.__version__
language = "en"
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["images"]
myst_enable_extensions = ["colon_fence"]
myst_heading_anchors = 4
suppress_warnings = ["myst.header"]  # printed pages have entries below their sections
autodoc_typehints = "none"
autodoc_default_options = {  # what scikit-learn adds to every estimator
    "exclude-members": "set_fit_request, set_predict_request, set_predict_proba_request, "
    "set_score_request, set_transform_request, get_metadata_routing"
}
napoleon_google_docstring = False
napoleon_use_rtype = False
html_theme = "furo"
html_title = "Existing customers 存量客户"
html_search_language = "bilingual"
html_show_copyright = False
html_show_sourcelink = False
html_copy_source = False
html_last_updated_fmt = None

HAN = "\u3400-\u9fff"


class BilingualSearch(SearchLanguage):
    """English words, and Chinese text by every two characters that follow one another.

    Chinese has no blanks between words, and what a reader types is not cut in the browser: pairs
    are found wherever a word begins, need no dictionary, and are cut alike on both sides.
    """

    lang = "bilingual"
    language_name = "English"  # by which the browser finds the stemmer
    stopwords = SearchEnglish.stopwords
    js_stemmer_rawcode = SearchEnglish.js_stemmer_rawcode
    js_splitter_code = f"""
    function splitQuery(query) {{
      return (query.match(/[{HAN}]+|[^\\W_]\\w*/g) || []).flatMap((run) =>
        /[{HAN}]/.test(run) && run.length > 1
          ? [...run].slice(0, -1).map((first, at) => first + run[at + 1]) : [run]);
    }}
    """

    def __init__(self, options: dict[str, str]) -> None:
        super().__init__(options)
        self.english = SearchEnglish(options)

    def split(self, input: str) -> list[str]:
        """Return the words and pairs of a text."""
        pieces = []
        for run in re.findall(rf"[{HAN}]+|[^\W_{HAN}][^\W{HAN}]*", input):
            pairs = [run[at : at + 2] for at in range(len(run) - 1)]
            pieces += [*run, *pairs] if re.match(rf"[{HAN}]", run) else [run]
        return pieces

    def stem(self, word: str) -> str:
        """Return the root of an English word; a pair stays as it is."""
        return self.english.stem(word)


def join_lines(app: Any, name: str, source: list[str]) -> None:
    """Join lines within Chinese text: a browser would draw their break as a blank."""
    source[0] = re.sub(rf"(?<=[{HAN}，。；：、）》”])\n *(?=[{HAN}（《“])", "", source[0])


def hide_own_signatures(*event: Any) -> tuple[str, str] | None:
    """Print no call of a class that takes private names: the package alone makes it."""
    _, what, *_, signature, _ = event
    is_own = what == "class" and re.search(r"[(, ]_\w", signature or "")
    return ("", "") if is_own else None


def setup(app: Any) -> None:
    """Let the search know both languages, and lines of Chinese end where the page ends."""
    app.connect("autodoc-process-signature", hide_own_signatures)
    app.add_search_language(BilingualSearch)
    app.connect("source-read", join_lines)
