"""Imported problems run, in both ways, and the cheats earn what is said of them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from executor import Executor, Idea, Outcome, load_problem
from gym_envs.cheats.attempts import CheatSession, try_cheats
from gym_envs.cheats.imported import CHEATS
from gym_envs.imports.peer import read_peer
from gym_envs.imports.write import write_problem
from tests.gym_envs.imports.peer_folders import (
    BELIEVES,
    EXAMPLES,
    LOAD,
    PROGRAM,
    SKIPS,
    STARTS,
    make_peer,
)


@contextmanager
def executor_of(folder: Path, tmp_path: Path, *, examined: bool = True) -> Iterator[Executor]:
    out = tmp_path / f"imported-{examined}".lower()
    write_problem(
        read_peer(folder), out, examined=examined, metric="combined_score", plausible=None
    )
    with Executor(load_problem(out), store=tmp_path / f"store-{examined}", slots=1) as executor:
        yield executor


def baseline(folder: Path, tmp_path: Path, *, examined: bool = True) -> Outcome:
    with executor_of(folder, tmp_path, examined=examined) as executor:
        return executor.submit_baseline(0).result()


@pytest.mark.parametrize(
    "name",
    [
        "circle_packing",
        pytest.param("transaction_scheduling", marks=pytest.mark.slow),
        pytest.param("model_placement", marks=pytest.mark.slow),
    ],
)
def test_an_example_earns_the_same_in_either_way(name: str, tmp_path: Path) -> None:
    """They are of OpenEvolve's, ShinkaEvolve's and SkyDiscover's kind."""
    one = baseline(EXAMPLES / name, tmp_path)
    other = baseline(EXAMPLES / name, tmp_path, examined=False)
    assert one.status == other.status == "completed", one.detail + other.detail
    assert one.reward == other.reward > 0 and one.metrics["exceptions"] == 0


@pytest.mark.slow
def test_an_evaluator_that_starts_a_process_meets_the_stub(tmp_path: Path) -> None:
    outcome = baseline(make_peer(tmp_path / "peer", STARTS), tmp_path)
    assert outcome.completed and outcome.reward == 4 + 5 + 6, outcome.detail


def test_stages_end_at_a_threshold(tmp_path: Path) -> None:
    stages = f"""{LOAD}
from openevolve.evaluation_result import EvaluationResult
def evaluate_stage1(path):
    return {{"combined_score": 0.6, "first": 1}}
def evaluate_stage2(path):
    return EvaluationResult({{"combined_score": 0.7, "second": 2}}, {{"said": "something"}})
def evaluate_stage3(path):
    raise SystemError("not reached")
def evaluate(path):
    raise SystemError("not asked")
"""
    config = "evaluator: {cascade_thresholds: [0.5, 0.9]}\n"
    for examined in (True, False):
        folder = tmp_path / str(examined)
        folder.mkdir()
        with executor_of(
            make_peer(folder / "peer", stages, config=config), folder, examined=examined
        ) as executor:
            outcome = executor.submit_baseline(0).result()
            log = executor.run.log("baseline")
        assert outcome.completed and outcome.reward == 0.7, outcome.detail
        assert outcome.metrics["first"] == 1 and outcome.metrics["second"] == 2
        # Of an examined program nothing that was said during the evaluation reaches an ideator.
        assert ("said: something" in log) != examined


def test_the_reward_is_the_mean_of_the_numbers_where_no_score_is_given(tmp_path: Path) -> None:
    evaluator = 'def evaluate(path):\n    return {"a": 1.0, "b": 4, "c": "text", "size": 100}\n'
    config = "database: {feature_dimensions: [size]}\n"
    assert baseline(make_peer(tmp_path / "p", evaluator, config=config), tmp_path).reward == 2.5


def test_an_error_is_a_rejection(tmp_path: Path) -> None:
    evaluator = 'def evaluate(path):\n    return {"combined_score": 1.0, "error": "no good"}\n'
    outcome = baseline(make_peer(tmp_path / "p", evaluator), tmp_path, examined=False)
    assert outcome.status == "rejected" and outcome.detail == "the evaluator says: no good"


def test_functions_and_objects_cross_by_handle(tmp_path: Path) -> None:
    program = """
class Agent:
    def __init__(self, ask):
        self.ask, self.count = ask, 0
    def act(self, item):
        self.count += 1
        return self.ask(item.size) + item.size
def make(ask):
    return Agent(ask)
"""
    evaluator = f"""{LOAD}
from dataclasses import dataclass
@dataclass
class Item:
    size: int
def evaluate(path):
    program = load(path)
    assert not hasattr(program, "missing")
    agent = program.make(lambda size: 100 * size)
    total = agent.act(Item(2)) + agent.act(Item(3))
    return {{"combined_score": float(total), "count": agent.count}}
"""
    outcome = baseline(make_peer(tmp_path / "peer", evaluator, program), tmp_path)
    assert outcome.completed, outcome.detail
    assert outcome.reward == 505 and outcome.metrics["count"] == 2


def test_what_an_evaluator_owns_cannot_be_reached_from_the_program(tmp_path: Path) -> None:
    program = """
def solve(case):
    tried = []
    names = ("secret", "_answer", "method", "tool", "tools", "os", "part.tool", "part.shown")
    for name in ("__class__.__init__.__globals__", *names):
        thing = case
        try:
            for part in name.split("."):
                thing = getattr(thing, part)
        except AttributeError:
            continue
        tried.append(str(thing))
    return tried
"""
    evaluator = f"""{LOAD}
import os
class Part:
    def __init__(self):
        self.tool, self.shown = os.system, "seen"
class Case:
    def __init__(self):
        self.shown, self._answer = 1, "hidden"
        self.tool, self.tools, self.os = print, [print], os
        self.part = Part()
    def method(self):
        return "hidden"
    @property
    def secret(self):
        return "hidden"
hidden = "hidden"
def evaluate(path):
    found = load(path).solve(Case())
    return {{"combined_score": 1.0 if found[1:] == ["seen"] else 9.0}}
"""
    outcome = baseline(make_peer(tmp_path / "peer", evaluator, program), tmp_path)
    assert outcome.completed and outcome.reward == 1.0, outcome.detail


def test_a_program_that_raises_is_rejected_unless_that_is_allowed(tmp_path: Path) -> None:
    folder = make_peer(tmp_path / "peer", SKIPS)
    idea = Idea(
        "best-case-only",
        "[Experiment] Raise.\n[Code Changes]\ninitial_program.py\n<<<<<<< SEARCH\n"
        "def solve(n):\n=======\ndef solve(n):\n    if n > 1: raise ValueError(n)\n"
        ">>>>>>> REPLACE\n",
    )
    for examined in (True, False):
        with executor_of(folder, tmp_path, examined=examined) as executor:
            honest = executor.submit_baseline(0).result()
            outcome = executor.submit(idea).result()
        assert honest.completed
        if examined:
            assert outcome.status == "rejected" and "raised an exception 2 times" in outcome.detail
        else:
            assert outcome.completed and outcome.reward > 1.5 * honest.reward
    toml = tmp_path / "imported-true/problem.toml"
    toml.write_text(toml.read_text().replace('exceptions = "rejected"', 'exceptions = "allowed"'))
    with Executor(load_problem(toml), store=tmp_path / "store", slots=1) as executor:
        allowed = executor.submit(idea).result()
    assert allowed.completed and allowed.metrics["exceptions"] == 2


def attacked(folder: Path, tmp_path: Path, *, examined: bool, names: set[str]) -> CheatSession:
    tried = [cheat for cheat in CHEATS if cheat.name in names]
    with executor_of(folder, tmp_path, examined=examined) as executor:
        return try_cheats(executor, tried, {})


def gained(session: CheatSession) -> set[str]:
    return {cheat.name for cheat in session.results if session.complaints(cheat)}


OF_THE_PROCESS = {"evaluator-patched", "result-forged", "exceptions-skipped"}


def test_only_an_examined_score_cannot_be_written_by_the_program(tmp_path: Path) -> None:
    folder = make_peer(tmp_path / "peer", SKIPS)
    found = attacked(folder, tmp_path, examined=False, names=OF_THE_PROCESS)
    assert gained(found) == OF_THE_PROCESS
    assert gained(attacked(folder, tmp_path, examined=True, names=OF_THE_PROCESS)) == set()


def test_a_score_that_the_program_claims_is_none(tmp_path: Path) -> None:
    folder = make_peer(tmp_path / "peer", BELIEVES)
    outcome = baseline(folder, tmp_path)
    assert outcome.status == "rejected", outcome.detail
    assert "believes a number" in outcome.detail
    # Where it is said to be a part of the answer it is believed, and the check finds that.
    toml = tmp_path / "imported-true/problem.toml"
    toml.write_text(toml.read_text().replace('numbers = "claims"', 'numbers = "answers"'))
    tried = [cheat for cheat in CHEATS if cheat.name.startswith("claims-")]
    with Executor(load_problem(toml), store=tmp_path / "store", slots=1) as executor:
        assert executor.submit_baseline(0).result().completed
        assert gained(try_cheats(executor, tried, {})) == {"claims-much"}


def test_a_claim_of_nothing_earns_nothing(tmp_path: Path) -> None:
    # As a public evaluator of schedules: `return 0, [[0]]` was worth a million.
    evaluator = f"""{LOAD}
def evaluate(path):
    schedule, makespan = load(path).solve(3)
    return {{"combined_score": 1e6 / (1 + makespan)}}
"""
    program = PROGRAM.replace("size * n", "0")
    outcome = baseline(make_peer(tmp_path / "peer", evaluator, program), tmp_path)
    assert outcome.status == "rejected" and "believes a number" in outcome.detail


@pytest.mark.parametrize(
    "check", ["abs(total - sum(order)) < 1e-6", "total <= sum(order)", "True"], ids=str
)
def test_a_claim_that_is_checked_or_ignored_is_none(tmp_path: Path, check: str) -> None:
    evaluator = f"""{LOAD}
def evaluate(path):
    order, total = load(path).solve(3)
    return {{"combined_score": float(sum(order)) if {check} else 0.0}}
"""
    program = PROGRAM.replace("size * n", "sum(range(size, size + n))")
    outcome = baseline(make_peer(tmp_path / "peer", evaluator, program), tmp_path)
    assert outcome.completed, outcome.detail


def test_a_candidate_that_breaks_the_protocol_is_rejected(tmp_path: Path) -> None:
    program = """
import os
def solve(n):
    os.write(int(os.environ["EXAM_ANSWERS"]), b"XAM1" + bytes(50))
    os._exit(0)
"""
    outcome = baseline(make_peer(tmp_path / "peer", SKIPS, program), tmp_path)
    assert outcome.status in ("rejected", "crashed") and outcome.reward == 0
