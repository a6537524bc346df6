"""Kinds of ideas: what is a setting and what an algorithm, on real ideas and on any text."""

from __future__ import annotations

import ast
import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from executor.edits import canonical_diff
from executor.problem.problem import load_problem
from ideator_rl.analysis.idea_kinds import KINDS, Change, change_of
from tests.gym_envs.problem_files import with_idea

ENVS = Path(__file__).parents[3] / "gym_envs"
DIGITS = load_problem(ENVS / "digits")
BASELINE = DIGITS.codebase
# By problem, what a person says of ideas of its library.
EXPECTED = {
    "digits/problem.toml": {
        "setting": "learning-rate hidden-size weight-decay second-hidden-layer endless-training",
        "algorithm": "momentum adam cosine-schedule gelu binarise-inputs ensemble dropout mixup",
    },
    "nanogpt/problem-tiny.toml": {
        "setting": "weight-decay beta2 gradient-clip dropout mlp-width initial-scale",
        "algorithm": "muon sgd rope no-positions qk-norm relu-squared zero-init-projections z-loss",
    },
    "grpo/problem-tiny.toml": {
        "setting": "group-size epochs clip-higher temperature more-rollouts",
        "algorithm": "muon no-std token-mean kl-penalty positive-only linear-decay",
    },
}
CODE = """\
'''What it does.'''
import numpy as np

rate: float = 0.1
decay = 0.0


class Config:
    width: int = 32
    depth: int = 2


def gelu(x):
    return x


def relu(x):
    return max(x, 0)


def train(config, act=gelu, momentum=0.9):
    '''Trains.'''
    h = act(config.width, scale=rate, shift=-1)
    return h + relu(momentum) - config.depth
"""


def kind(after: str, before: str = CODE) -> str:
    return change_of({"train.py": before}, {"train.py": after}).kind


def edited(*edits: tuple[str, str]) -> str:
    text = CODE
    for old, new in edits:
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    return text


@pytest.mark.parametrize("toml", EXPECTED)
def test_ideas_of_the_libraries_are_what_a_person_says(toml: str) -> None:
    problem = load_problem(ENVS / toml)
    ideas = {idea["id"]: idea for idea in yaml.safe_load(problem.library.read_text())}
    found = {
        name: change_of(problem.codebase, with_idea(problem, problem.codebase, ideas[name])).kind
        for names in EXPECTED[toml].values()
        for name in names.split()
    }
    assert found == {name: said for said, names in EXPECTED[toml].items() for name in names.split()}


@pytest.mark.parametrize(
    "edit",
    [
        ("rate: float = 0.1", "rate: float = 1e-3"),
        ("shift=-1", "shift=2**3"),
        ("width: int = 32", "width: int = (32, 64)"),
        ("act=gelu", "act=relu"),
        ("scale=rate", "scale=0.5"),
        ("- config.depth", "- config.width"),
        ("scale=rate, shift=-1", "shift=rate, scale=-1"),
        ("rate: float = 0.1", "rate: int = 1"),
    ],
)
def test_another_literal_option_or_keyword_is_a_setting(edit: tuple[str, str]) -> None:
    assert kind(edited(edit)) == "setting"


@pytest.mark.parametrize(
    "edit",
    [
        ("depth: int = 2", "depth: int = 2\n    dropout: float = 0.1"),  # a new option
        ("depth: int = 2", ""),
        ("max(x, 0)", "min(x, 0)"),  # no option of the baseline
        ("act=gelu", "act=np.tanh"),
        ("- config.depth", "- config.height"),
        ("h + relu", "h * relu"),  # an operator
        ("return h +", "return act +"),  # a variable
        ("scale=rate", "spread=rate"),
        ("scale=rate", "scale=2 * rate"),
        ("import numpy", "import torch"),
        ("def gelu", "def gelu2"),
    ],
)
def test_anything_else_is_an_algorithm(edit: tuple[str, str]) -> None:
    assert kind(edited(edit)) == "algorithm"


@pytest.mark.parametrize(
    "edit",
    [
        ("'''Trains.'''", "'''Trains, and well.'''"),
        ("    '''Trains.'''\n", ""),
        ("rate: float", "rate: int"),
        ("0.1\n", "1e-1  # a tenth\n"),
        ("decay = 0.0\n", "decay = (\n    0.0\n)\n\n"),
    ],
)
def test_words_annotations_and_formatting_are_no_change(edit: tuple[str, str]) -> None:
    assert kind(edited(edit)) == "unchanged"


def test_one_algorithm_among_settings_is_an_algorithm() -> None:
    assert kind(edited(("0.1", "0.2"), ("h + relu", "h - relu"))) == "algorithm"
    files = {"a.py": CODE, "b.py": CODE}
    one = files | {"a.py": edited(("0.1", "0.2"))}
    assert change_of(files, one).kind == "setting"
    assert change_of(files, one | {"b.py": edited(("h + relu", "h - relu"))}).kind == "algorithm"
    assert change_of(files, one | {"b.py": "def"}).kind == "unreadable"


def test_new_and_removed_files_are_algorithms() -> None:
    assert change_of({"a.py": CODE}, {"a.py": CODE, "b.py": "x = 1\n"}) == Change("algorithm", 1, 0)
    assert change_of({"a.py": CODE, "n.json": "{}"}, {"a.py": CODE}).kind == "algorithm"
    assert change_of({"a.py": CODE}, {"a.py": CODE, "run.sh": "true\n"}).kind == "algorithm"
    assert change_of({"run.sh": "sleep 1\n"}, {"run.sh": "sleep 2\n"}).kind == "algorithm"


@pytest.mark.parametrize(
    ("path", "before", "same", "setting", "algorithm", "broken"),
    [
        ("a.toml", "[a]\nx = 1", "[a]\nx=1 # one", "[a]\nx = [2, 3]", "[a]\ny = 1", "[a"),
        ("a.json", '{"x": [1]}', '{ "x":[1] }', '{"x": [1, 2]}', '{"x": [{}]}', '{"x": '),
        ("a.yaml", "a: {x: 1}", "a:\n  x: 1", "a: {x: two}", "a: {x: 1, y: 2}", "a: {x"),
    ],
)
def test_configuration_files_are_compared_by_what_they_say(
    path: str, before: str, same: str, setting: str, algorithm: str, broken: str
) -> None:
    found = [change_of({path: before}, {path: text}).kind for text in (before, same, setting)]
    assert found == ["unchanged", "unchanged", "setting"]
    assert change_of({path: before}, {path: algorithm}).kind == "algorithm"
    assert change_of({path: before}, {path: broken}).kind == "unreadable"


HOSTILE = (
    "(" * 5000,
    "x = " + "-" * 50_000 + "1",
    "x" + ".a" * 20_000,
    "x = " + "1+" * 20_000 + "1",
    "x = " + "9" * 5000,
    "\0",
    "\ud800",
    "if 1:\n" * 200,
)


@pytest.mark.parametrize("text", HOSTILE)
def test_what_nobody_can_parse_is_unreadable(text: str) -> None:
    assert kind(text) == "unreadable"


@pytest.mark.parametrize(
    "text",
    ["[" * 100_000, '{"a":' * 3000, "x: &a [*a]", "9" * 5000, "- &a 1\n- *a", "!!python/x 1"],
)
def test_configuration_that_nobody_can_read_ends(text: str) -> None:
    for path in ("a.json", "a.yaml", "a.toml"):
        assert change_of({path: "x: 1"}, {path: text}).kind in ("unreadable", "algorithm")


@given(st.text(), st.text(), st.sampled_from(["a.py", "a.toml", "a.json", "a.yaml", "a.txt"]))
def test_any_two_texts_have_a_kind(before: str, after: str, path: str) -> None:
    assert change_of({path: before}, {path: after}).kind in KINDS
    assert change_of({path: before}, {path: before}) == Change("unchanged", 0, 0)


LINES = st.sampled_from([n for n, line in enumerate(BASELINE["train.py"].split("\n")) if line])


@given(LINES, st.text("abc #=()'\"é", max_size=20))
def test_a_comment_or_white_space_is_no_change(number: int, words: str) -> None:
    lines = BASELINE["train.py"].split("\n")
    lines[number] += f"  # {words}"
    after = "\n".join(lines)
    try:
        same = ast.dump(ast.parse(after)) == ast.dump(ast.parse(BASELINE["train.py"]))
    except SyntaxError:
        same = False
    if same:  # not in the middle of a text
        found = change_of(BASELINE, {**BASELINE, "train.py": after})
        assert found == Change("unchanged", 1, 1)


NUMBERS = [
    node
    for node in ast.walk(ast.parse(BASELINE["train.py"]))
    if isinstance(node, ast.Constant) and isinstance(node.value, int | float)
]


@given(st.sampled_from(NUMBERS), st.integers(1, 10**6) | st.floats(0.001, 1e6))
def test_another_number_is_a_setting(node: ast.Constant, number: float) -> None:
    lines = BASELINE["train.py"].encode().split(b"\n")
    at = node.lineno - 1
    line = lines[at]
    lines[at] = line[: node.col_offset] + repr(number).encode() + line[node.end_col_offset :]
    after = b"\n".join(lines).decode()
    same = repr(node.value) == repr(number)
    assert kind(after, BASELINE["train.py"]) == ("unchanged" if same else "setting")


@given(LINES)
def test_an_added_statement_is_an_algorithm(number: int) -> None:
    lines = BASELINE["train.py"].split("\n")
    indent = lines[number][: len(lines[number]) - len(lines[number].lstrip())]
    after = "\n".join([*lines[:number], f"{indent}print()", *lines[number:]])
    try:
        calls = ast.dump(ast.parse(after)).count("Name(id='print'")
    except SyntaxError:
        return
    if calls > 1:  # not in the middle of a text
        assert kind(after, BASELINE["train.py"]) == "algorithm"


@given(st.lists(st.sampled_from(["a", "b", "c"])), st.lists(st.sampled_from(["a", "b", "c"])))
def test_the_size_is_that_of_the_diff(before: list[str], after: list[str]) -> None:
    old, new = ({"x.txt": "".join(f"{line}\n" for line in lines)} for lines in (before, after))
    found = change_of(old, new)
    rows = canonical_diff(old, new).split("\n")
    body = rows[next((n for n, row in enumerate(rows) if row.startswith("@@")), len(rows)) :]
    assert found.added == sum(row.startswith("+") for row in body)
    assert found.removed == sum(row.startswith("-") for row in body)


def test_endless_aliases_end() -> None:
    bomb: Any = "a: &a [x]\n" + "".join(
        f"{one}: &{one} [{', '.join(['*' + other] * 9)}]\n"
        for other, one in zip("abcdefgh", "bcdefghi", strict=True)
    )
    assert change_of({"a.yaml": "a: 1"}, {"a.yaml": bomb}).kind == "unreadable"
    assert change_of({"a.json": json.dumps({"a": 1})}, {"a.json": bomb}).kind == "unreadable"
