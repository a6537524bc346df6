"""Replies in the styles of current models, against the real codebase of nanogpt: each applies to
exactly the tree of its label in replies/labels.yaml, or is refused for the reason given there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from executor.implementer.llm import read_answer
from executor.llm.records import Response, Usage
from executor.problem.problem import load_problem
from executor.records import Implementation

HERE = Path(__file__).parent / "replies"
LABELS: dict[str, Any] = yaml.safe_load((HERE / "labels.yaml").read_text())
PROBLEM = load_problem(Path(__file__).parents[3] / "gym_envs" / "nanogpt" / "problem-tiny.toml")
MODEL = PROBLEM.codebase["model.py"]
OLD, NEW = "        hidden = F.gelu(hidden)\n", "        hidden = F.relu(hidden).square()\n"


def made_of(text: str) -> Implementation:
    return read_answer(PROBLEM, Response(text, "", Usage(), "model", "end", 0.0, 0.0))


def tree_after(effect: dict[str, Any]) -> dict[str, str]:
    tree = dict(PROBLEM.codebase)
    for path, change in effect.items():
        if isinstance(change, str):
            tree[path] = change
            continue
        for old, new in change.items():
            assert tree[path].count(old) == 1
            tree[path] = tree[path].replace(old, new)
    return tree


def test_every_reply_is_labelled() -> None:
    assert {path.stem for path in HERE.glob("*.txt")} == set(LABELS["replies"])


@pytest.mark.parametrize("name", LABELS["replies"])
def test_a_reply_has_its_labelled_result(name: str) -> None:
    label = LABELS["replies"][name]
    text = (HERE / f"{name}.txt").read_text()
    made = made_of(text.replace("\n", "\r\n") if label.get("crlf") else text)
    if "effect" in label:
        assert (made.status, made.detail) == ("completed", "")
        assert made.files == tree_after(LABELS["effects"][label["effect"]])
    else:
        status = "rejected" if "rejected" in label else "not_implemented"
        assert (made.status, made.files, made.diff) == (status, {}, "")
        assert label.get("rejected", label.get("refused")) in made.detail


# --- files that are written out as a whole --------------------------------------------------------

CHANGED = MODEL.replace(OLD, NEW)
WHOLE = {
    "name above": f"model.py\n```python\n{CHANGED}```",
    "name in bold": f"**model.py**\n\n```python\n{CHANGED}```\n\nOnly the activation changed.",
    "name in a heading": f"### `model.py`\n\n```python\n{CHANGED}```",
    "name in a sentence": f"Here is the complete new `model.py`:\n```python\n{CHANGED}```",
    "name in the fence": f"```python model.py\n{CHANGED}```",
    "tildes": f"model.py\n~~~\n{CHANGED}~~~",
    "other files as they are": "".join(
        f"{path}\n```python\n{CHANGED if path == 'model.py' else text}```\n\n"
        for path, text in PROBLEM.codebase.items()
    ),
    "CRLF": f"model.py\n```python\n{CHANGED}```".replace("\n", "\r\n"),
    "behind its diff": f"--- a/model.py\n+++ b/model.py\n@@\n-{OLD}+{NEW}\nThe new `model.py`:\n"
    f"```python\n{CHANGED}```",
}


@pytest.mark.parametrize("style", WHOLE)
def test_a_whole_file_takes_the_place_of_the_old_one(style: str) -> None:
    made = made_of(WHOLE[style])
    assert made.detail == ""
    assert made.files == {**PROBLEM.codebase, "model.py": CHANGED}


def test_a_rewritten_file_counts_as_whole_when_it_is_as_long() -> None:
    head, _, rest = MODEL.partition("class MLP")
    rewritten = head + "".join(
        f"{line}  # {n}\n" for n, line in enumerate(f"class MLP{rest}".splitlines())
    )
    assert made_of(f"model.py\n```python\n{rewritten}```").files["model.py"] == rewritten


NOT_WHOLE = {
    "nothing new": (f"model.py\n```python\n{MODEL}```", "leave the codebase unchanged"),
    "cut off": (f"model.py\n```python\n{CHANGED[: len(CHANGED) * 9 // 10]}", "cut off"),
    "half of it": (f"model.py\n```python\n{CHANGED[: len(CHANGED) // 3]}```", "only a part"),
    "parts left out": (
        "model.py\n```python\n"
        + CHANGED.replace("class Block", "# ... rest of the code unchanged ...\nclass Block")
        + "```",
        "stands for code that was left out",
    ),
    "a frozen file": (
        "serve.py\n```python\n" + PROBLEM.codebase["serve.py"].replace(".eval()", "") + "```",
        "serve.py is frozen",
    ),
    "no name": (f"```python\n{CHANGED}```", "no code edit found"),
}


@pytest.mark.parametrize("style", NOT_WHOLE)
def test_a_text_that_is_no_whole_file_replaces_nothing(style: str) -> None:
    text, reason = NOT_WHOLE[style]
    made = made_of(text)
    assert made.files == {}
    assert reason in made.detail


def test_an_answer_of_a_megabyte_is_read_or_refused() -> None:
    assert "no code edit found" in made_of("word " * 200_000).detail
    assert "characters, more than" in made_of("word " * 200_001).detail
    block = f"model.py\n<<<<<<< SEARCH\n{OLD}=======\n{NEW}>>>>>>> REPLACE\n"
    assert made_of("word " * 190_000 + "\n" + block).files["model.py"] == CHANGED


@pytest.mark.parametrize("stop", ["length", "refusal"])
def test_an_edit_in_an_answer_that_did_not_end_by_itself_is_not_taken(stop: Any) -> None:
    text = f"model.py\n<<<<<<< SEARCH\n{OLD}=======\n{NEW}>>>>>>> REPLACE\n"
    made = read_answer(PROBLEM, Response(text, "", Usage(), "model", stop, 0.0, 0.0))
    assert made.status == "not_implemented"
    assert {"length": "cut off", "refusal": "refused"}[stop] in made.detail
