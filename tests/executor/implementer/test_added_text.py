"""What an idea may carry: any code, but no data, whoever makes the tree, however it is packed."""

from __future__ import annotations

import asyncio
import base64
import inspect
import random
import zlib
from argparse import ArgumentParser
from pathlib import Path

import pytest
import yaml

from executor import Executor, Idea, Problem, load_problem
from executor.edits import apply_edits
from executor.implementer.added_text import added_bytes, too_much_added
from executor.implementer.implementer import DirectImplementer
from executor.implementer.llm import read_answer
from executor.llm.records import Response, Usage
from tests.tiny_problem import make_problem

ENVS = Path(__file__).parents[3] / "gym_envs"
SECRETS = random.Random(0).randbytes(40_000)


def new_file(text: str) -> str:
    return f"settings.py\n<<<<<<< SEARCH\nbonus = 0\n=======\n{text}\n>>>>>>> REPLACE\n"


@pytest.fixture
def problem(tmp_path: Path) -> Problem:
    return load_problem(make_problem(tmp_path / "tiny"))


PACKED = {
    "base85": lambda data: repr(base64.b85encode(data).decode()),
    "hexadecimal": lambda data: repr(data.hex()),
    "numbers": lambda data: repr(list(data)),
    "compressed": lambda data: repr(base64.b64encode(zlib.compress(data)).decode()),
    "letters of many alphabets": lambda data: repr("".join(chr(0x4E00 + byte) for byte in data)),
    "names": lambda data: "\n".join(f"x{data[n : n + 20].hex()} = 0" for n in range(0, 40_000, 20)),
}


@pytest.mark.parametrize("packing", PACKED)
def test_an_idea_that_carries_data_is_rejected(problem: Problem, packing: str) -> None:
    idea = Idea("a", new_file(f"table = {PACKED[packing](SECRETS)}"))
    made = asyncio.run(DirectImplementer(problem).implement(idea))
    assert (made.status, made.files, made.diff) == ("rejected", {}, "")
    assert "this problem allows 16: an idea says what to change" in made.detail
    # Whatever the packing, no less than the data themselves.
    assert int(made.detail.split()[3]) >= len(SECRETS) // 1024


def test_data_in_the_names_of_files_counts() -> None:
    problem = load_problem(ENVS / "nanogpt" / "problem-tiny.toml")
    names = (SECRETS[n : n + 100].hex() for n in range(0, len(SECRETS), 100))
    tree = {**problem.codebase, **{f"{name}.py": "" for name in names}}
    assert "the edits add 4" in too_much_added(problem, tree)


def test_a_writer_of_code_is_told_that_it_carries_too_much(problem: Problem) -> None:
    text = new_file(f"table = {PACKED['base85'](SECRETS)}")
    made = read_answer(problem, Response(text, "", Usage(), "model", "end", 0.0, 0.0))
    assert made.status == "rejected" and "KiB of compressed text" in made.detail


def test_a_codebase_that_is_submitted_as_it_is_may_carry_no_more(
    problem: Problem, tmp_path: Path
) -> None:
    tree = {**problem.codebase, "table.py": PACKED["base85"](SECRETS)}
    with Executor(problem, store=tmp_path / "store", slots=1, sandbox="none") as executor:
        outcome = executor.submit_codebase(Idea("a", "A table."), tree).result()
    assert (outcome.status, outcome.stage) == ("rejected", "implement")
    assert "KiB of compressed text" in outcome.detail


def test_a_problem_may_allow_more_or_nothing(tmp_path: Path) -> None:
    folder = make_problem(tmp_path / "tiny")
    idea = new_file(f"table = {PACKED['base85'](SECRETS)}")
    status = {}
    for allowed in (0, 16, 100):
        problem = load_problem(folder, {"files.added_kib": allowed})
        status[allowed] = asyncio.run(DirectImplementer(problem).implement(Idea("a", idea))).status
    assert status == {0: "rejected", 16: "rejected", 100: "completed"}


def test_frozen_files_count_for_nothing() -> None:
    problem = load_problem(ENVS / "nanogpt" / "problem-tiny.toml")
    assert problem.is_frozen("serve.py")
    assert added_bytes(problem, {**problem.codebase, "serve.py": SECRETS.hex()}) == 0


def test_what_is_taken_away_makes_room_for_no_more_than_itself() -> None:
    problem = load_problem(ENVS / "nanogpt" / "problem-tiny.toml")
    less = {path: text for path, text in problem.codebase.items() if path != "model.py"}
    assert -len(problem.codebase["model.py"]) < added_bytes(problem, less) < 0


@pytest.mark.parametrize(
    "toml", ["digits/problem.toml", "nanogpt/problem-tiny.toml", "grpo/problem-tiny.toml"]
)
def test_honest_ideas_are_far_below_the_bound(toml: str) -> None:
    problem = load_problem(ENVS / toml)
    allowed = problem.file.files
    for entry in yaml.safe_load(problem.library.read_text()):
        changes = entry["changes"]
        for name, values in entry.get("params", {}).items():
            changes = changes.replace(f"{{{name}}}", str(values[0]))
        if entry.get("expect", "completed") == "completed":
            after = apply_edits(
                problem.codebase, changes, editable=allowed.editable, frozen=allowed.frozen
            )
            assert added_bytes(problem, after) < 1024, entry["id"]


def test_another_codebase_written_from_scratch_is_no_data() -> None:
    problem = load_problem(ENVS / "nanogpt" / "problem-tiny.toml")
    others = load_problem(ENVS / "grpo" / "problem-tiny.toml").codebase
    assert (
        too_much_added(problem, {**problem.codebase, **{f"new/{p}": others[p] for p in others}})
        == ""
    )
    rewritten = {**problem.codebase, "model.py": inspect.getsource(ArgumentParser)}
    assert too_much_added(problem, rewritten) == ""
