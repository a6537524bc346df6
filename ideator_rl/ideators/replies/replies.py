"""The ideas in a language model's reply, however it wrote them down.

    >>> reply = "Sure!\\n[Experiment] Steps are small.\\n[Code Changes] Double them.\\n[End]"
    >>> [draft.text for draft in read_ideas(reply)]
    ['[Experiment] Steps are small.\\n[Code Changes]\\nDouble them.']

Labels may stand in brackets, as Markdown headings, in bold or before a colon, and ideas may be
numbered; or the reply is a plain numbered list, or JSON; thinking and other words may stand around.
An idea that lacks a part, or whose parts are placeholders, is none.

The form is asked for in words. A JSON schema (`response_format`) would not do: servers of open
models that know it drop the thinking or break the JSON (vLLM issues 47027 and 48228), others ignore
it.
"""

from __future__ import annotations

import re

from ideator_rl.ideators.replies.draft import Draft
from ideator_rl.ideators.replies.json_ideas import first_value, read_json
from ideator_rl.ideators.replies.labelled_ideas import read_labelled, read_list
from ideator_rl.ideators.replies.labels import first_label

# What stands behind so many characters, ten ideas of the longest, is not read.
LONGEST_REPLY = 200_000

_OPENED = re.compile(r"\s*<(think|thinking|reasoning)>", re.IGNORECASE)
# Where a chat template opened the thinking, the reply has its end only, on a line of its own. Words
# about such marks, as ideas on training reasoners have them, end nothing.
_CLOSED = re.compile(r"^[ \t]*</(?:think|thinking|reasoning)>[ \t]*$", re.IGNORECASE | re.MULTILINE)
_WRAPPED = re.compile(
    r"^(```|~~~)(?:markdown|md|te?xt)?[ \t]*\n(?P<inner>.*)\n\1", re.DOTALL | re.MULTILINE
)


def read_ideas(reply: str, *, cut: bool = False) -> list[Draft]:
    """The ideas of a reply in order, none for a reply that holds none; never raises.

    `cut` says that the reply ended at its bound: an idea that may go on is left out.
    """
    # A lone surrogate could be neither sent to a provider again nor written to a file.
    text = _after_thinking(reply.encode(errors="replace").decode())
    cut = cut or len(text) > LONGEST_REPLY
    text = text[:LONGEST_REPLY]
    wrapped = _WRAPPED.search(text)
    return _read(text, cut) or (_read(wrapped["inner"], cut) if wrapped else [])


def _read(text: str, cut: bool) -> list[Draft]:
    # Labels may stand in JSON, and JSON in the code of a labelled idea: the outer form decides.
    if first_value(text) < first_label(text):
        found = read_json(text) or read_labelled(text, cut=cut)
    else:
        found = read_labelled(text, cut=cut) or read_json(text)
    return found or read_list(text, cut=cut)


def _after_thinking(text: str) -> str:
    if opened := _OPENED.match(text):
        return text[opened.end() :].partition(f"</{opened[1]}>")[2]
    if (closed := _CLOSED.search(text)) and "<think" not in text[: closed.start()]:
        return text[closed.end() :]
    return text
