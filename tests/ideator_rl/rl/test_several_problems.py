"""Real training on two problems at once: each group of a step is about one of them."""

from __future__ import annotations

import os
import signal
from collections import Counter
from pathlib import Path

import pytest

pytest.importorskip("verl")
pytest.importorskip("ray")

import yaml

from executor.store.runs import RunFolder, Store
from gym_envs import find_problem
from ideator_rl.analysis.metrics_file import read_steps
from ideator_rl.ideators.archive import ShownIdeas
from ideator_rl.ideators.language_model.chat import style_prompt
from ideator_rl.rl.objectives.entropy_hold import HeldEntropy
from ideator_rl.run_parts import on_problem, parts_of, whole_of
from tests.executor.runs import most_at_once, trials
from tests.ideator_rl.rl.killed_runs import TIMEOUT_S, last_step, processes, start, wait_for
from tests.models import teach_each
from tests.tiny_problem import larger, make_problem

pytestmark = pytest.mark.timeout(900)
DIGITS = [
    "[Experiment] Larger steps.\n[Code Changes]\nlearning_rate: 0.005 -> 0.05",
    "[Experiment] A wider layer.\n[Code Changes]\nhidden_size: 32 -> 64",
]


@pytest.fixture
def place(short_place: Path) -> Path:
    """A folder with a recipe for digits and the tiny problem; the model has ideas for both."""
    tiny = make_problem(short_place / "tiny")
    answers = {"digits": DIGITS, str(tiny): [larger(12), larger(13)]}
    teach_each(
        short_place / "model",
        {style_prompt(find_problem(env), "brief"): texts for env, texts in answers.items()},
    )
    path = short_place / "config_small.yaml"
    recipe = yaml.safe_load(path.read_text())
    del recipe["env"]
    recipe["envs"] = ["digits", {"env": str(tiny), "unit": 0.5}]
    recipe["executor"]["baseline_seeds"] = 2
    recipe["objective"] = {"kind": "grpo", "normalize": False}
    path.write_text(yaml.safe_dump(recipe))
    return short_place


def run_of(place: Path, problem: str = "") -> RunFolder:
    return Store(place / "store").run(f"small.{problem}" if problem else "small")


def statuses(place: Path, problem: str) -> Counter[str]:
    run = run_of(place, problem)
    keys = [key for key in run.trials() if not key.startswith("baseline")]
    return Counter(outcome.status for outcome in run.outcomes(keys).values())


@pytest.mark.slow
def test_a_killed_run_on_two_problems_goes_on_and_each_has_its_own_trials_and_figures(
    place: Path,
) -> None:
    first = start(place)
    wait_for(lambda: last_step(place) >= 1, 300, first)
    os.kill(first.pid, signal.SIGKILL)
    first.communicate()
    wait_for(lambda: not processes(place), 60)
    finished = {p: p.read_bytes() for p in (place / "store").rglob("outcome.json")}
    before = read_steps(place / "store/runs/small/metrics.jsonl")
    output, _ = (second := start(place)).communicate(timeout=TIMEOUT_S)
    assert second.returncode == 0, output
    assert {path: path.read_bytes() for path in finished} == finished
    steps = read_steps(place / "store/runs/small/metrics.jsonl")
    assert list(steps) == [1, 2] and steps[1] == before[1]

    # Of two groups a step, one is about each problem.
    for figures in steps.values():
        assert figures["digits/ideas/count"] == figures["tiny/ideas/count"] == 4
        assert figures["digits/reward/max"] < 1 <= figures["tiny/reward/max"]
        assert figures["gain/best"] >= figures["gain/max"] >= figures["gain/mean"] >= -10
        assert "reward/mean" not in figures
    assert "digits 0." in output and "tiny 1" in output

    # The trials of each are in a run of its own, none ran twice, and the training has none.
    assert [run.name for run in parts_of(run_of(place))] == ["small.digits", "small.tiny"]
    assert run_of(place).trials() == []
    for problem in ("digits", "tiny"):
        run = run_of(place, problem)
        assert on_problem(run_of(place), problem).name == run.name
        assert (whole := whole_of(run)) and whole.name == "small"
        assert statuses(place, problem)["completed"] >= 1
        keys = [event["key"] for event in run.events() if event["event"] == "trial"]
        assert set(Counter(run.outcome(key).content_hash for key in keys).values()) == {1}
    assert (place / "store/runs/small/model/model.safetensors").is_file()
    assert (place / "store/runs/small/report.html").is_file()


@pytest.mark.slow
def test_all_that_steers_a_step_goes_with_several_problems(place: Path) -> None:
    steers = (
        *("--grpo.staleness", "1", "--grpo.deadline_s", "60", "--grpo.mini_batches", "2"),
        *("--signal.failures", "floor", "--signal.duplicates", "bonus"),
        *("--signal.similarity", "0.1", "--signal.length", "0.1"),
        *("--entropy_hold.unseen", "0.6", "--imitation.best", "2"),
        *("--objective.kind", "max_at_k", "--objective.k", "2", "--steps", "3"),
    )
    recipe = yaml.safe_load((place / "config_small.yaml").read_text())
    del recipe["objective"]["normalize"]
    (place / "config_small.yaml").write_text(yaml.safe_dump(recipe))
    output, _ = (training := start(place, *steers)).communicate(timeout=TIMEOUT_S)
    assert training.returncode == 0, output
    steps = read_steps(place / "store/runs/small/metrics.jsonl")
    assert list(steps) == [1, 2, 3]
    # The entropy is held for all answers together, and each problem has its own best.
    assert list(run_of(place).kept_numbered("entropy", HeldEntropy)) == [1, 2, 3]
    imitated = {
        problem: run_of(place, problem).kept_numbered("imitation", ShownIdeas)[3].ideas
        for problem in ("digits", "tiny")
    }
    assert steps[3]["imitation/ideas"] == sum(map(len, imitated.values()))
    assert steps[3]["imitation/log_likelihood"] < 0
    for problem, ideas in imitated.items():
        assert 1 <= len(ideas) <= 2
        assert all(run_of(place, problem).outcome(key).completed for key in ideas)
        # Each is asked for ideas in every step.
        asked = {key[:4] for key in run_of(place, problem).trials() if key[:4].isdecimal()}
        assert asked == {"0001", "0002", "0003"}


@pytest.mark.release
def test_problems_share_the_slots_of_a_machine_by_turns_and_show_their_own_ideas(
    place: Path,
) -> None:
    by_turns = ("--executor.workers.kind", "local", "--executor.slots", "1")
    shows = ("--prompts.kind", "best", "--prompts.shown", "2", "--answer.max_prompt_tokens", "1024")
    output, _ = (training := start(place, *by_turns, *shows)).communicate(timeout=TIMEOUT_S)
    assert training.returncode == 0, output
    runs = [run_of(place, problem) for problem in ("digits", "tiny")]
    assert all(trials(run) for run in runs)
    assert most_at_once([event for run in runs for event in trials(run)]) == 1
    for run in runs:
        # Each group of the second step is shown what the first step found on its problem.
        [shown] = run.kept_numbered("prompts/0002", ShownIdeas).values()
        assert shown.ideas and set(shown.ideas) <= set(run.trials())
        ideas = [idea for key in run.trials() if key[:4] == "0002" and (idea := run.idea(key))]
        assert ideas and all(set(idea.parents) == set(shown.ideas) for idea in ideas)
