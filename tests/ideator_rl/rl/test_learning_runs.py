"""Training that imitates, holds its entropy and pays for new ideas, with prompts that show some:
a step in which it is killed is done again with the same answers."""

from __future__ import annotations

import os
import shutil
import signal
from pathlib import Path

import pytest

pytest.importorskip("verl")
pytest.importorskip("ray")

from executor import Executor, Idea, Outcome
from executor.store.decisions import StrictRecord
from executor.store.runs import RunFolder
from gym_envs import find_problem
from ideator_rl.analysis.metrics_file import read_steps
from ideator_rl.ideators.archive import ShownIdeas
from ideator_rl.ideators.archive_prompts import fitted
from ideator_rl.ideators.ideator import Executed
from ideator_rl.ideators.language_model.chat import style_prompt
from ideator_rl.rl.objectives.entropy_hold import FIRST, HeldEntropy, steered
from ideator_rl.rl.objectives.imitated_run import kept_examples
from tests.ideator_rl.rl.killed_runs import TIMEOUT_S, processes, run_of, start, wait_for
from tests.models import teach

pytestmark = pytest.mark.timeout(900)
IDEAS = [
    f"<think>Try {rate}.</think>[Experiment] A step size of {rate}.\n[Code Changes]\n"
    f"learning_rate: 0.005 -> {rate}"
    for rate in (0.05, 0.02, 0.0001)
]
ALL = (
    *("--signal.duplicates", "bonus"),
    *("--entropy_hold.unseen", "0.6"),
    *("--imitation.best", "4", "--imitation.from", "searched"),
    *("--prompts.kind", "best", "--prompts.shown", "2", "--answer.max_prompt_tokens", "1024"),
    *("--answer.max_answer_tokens", "96", "--steps", "3", "--grpo.mini_batches", "2"),
)


def search(store: Path) -> None:
    """A run with two ideas to imitate, one of which the model does not know."""
    with Executor(
        find_problem("digits"), store=store, run="searched", slots=2, sandbox="best-effort"
    ) as executor:
        text = "[Experiment] A wider layer.\n[Code Changes]\nhidden_size: 32 -> 64"
        known = IDEAS[0].partition("</think>")[2]
        for name, idea in (("00-1", text), ("00-2", known)):
            assert executor.submit(Idea(name, idea)).result().completed


def prompts() -> list[str]:
    """As groups will be asked: with nothing, and with ideas and outcomes."""
    brief = style_prompt(find_problem("digits"), "brief")
    texts = [idea.partition("</think>")[2] for idea in IDEAS]
    told = [
        Executed(Idea(f"{i}", text, 1), Outcome(f"{i}", "completed", 0.6 + i / 7))
        for i, text in enumerate([*texts, *texts])
    ]
    shown = [told[0:2], told[1:3], told[2:4], told[4:5]]
    return [brief, *(fitted(brief, each, lambda _: True).text for each in shown)]


def kept(run: RunFolder) -> dict[str, dict[int, StrictRecord]]:
    """What the run says that it learnt from: what steers its entropy, and what it imitated."""
    kinds = {"entropy": HeldEntropy, "imitation": ShownIdeas, "prompts/0002": ShownIdeas}
    return {folder: run.kept_numbered(folder, kind) for folder, kind in kinds.items()}


def asked(run: RunFolder, step: int) -> dict[str, Idea | None]:
    return {key: run.idea(key) for key in run.trials() if key.startswith(f"{step:04d}")}


@pytest.mark.slow
def test_a_killed_step_is_done_again_with_the_same_answers(short_place: Path) -> None:
    teach(short_place / "model", IDEAS, prompts=prompts())
    search(short_place / "store")
    run, metrics = run_of(short_place), short_place / "store/runs/small/metrics.jsonl"
    first = start(short_place, *ALL)
    wait_for(lambda: 2 in kept(run)["imitation"], 300, first)
    os.kill(first.pid, signal.SIGKILL)
    first.communicate()
    wait_for(lambda: not processes(short_place), 60)
    before, ideas, figures = kept(run), asked(run, 2), read_steps(metrics)
    assert list(figures) == [1] and list(before["imitation"]) == [1, 2]
    # What the other run has become meanwhile does not matter.
    shutil.rmtree(short_place / "store/runs/searched")
    second = start(short_place, *ALL)
    output, _ = second.communicate(timeout=TIMEOUT_S)
    assert second.returncode == 0, output

    after = kept(run)
    for folder, records in before.items():
        assert {number: after[folder][number] for number in records} == records
    assert asked(run, 2) == ideas
    assert read_steps(metrics)[1] == figures[1]

    # Each of the three was at work.
    entropies, imitated = after["entropy"], after["imitation"]
    assert list(entropies) == list(imitated) == list(read_steps(metrics)) == [1, 2, 3]
    coefficient = FIRST
    for held in entropies.values():
        assert isinstance(held, HeldEntropy)
        assert held.coefficient == steered(coefficient, held.unseen, 0.6, FIRST)
        coefficient = held.coefficient
    assert coefficient != FIRST
    examples = {entry.idea.id for entry in kept_examples(run)}
    assert examples == {"searched/00-1", "searched/00-2"}
    for shown in imitated.values():
        assert isinstance(shown, ShownIdeas) and "searched/00-1" in shown.ideas
        codes = [o.content_hash for name in shown.ideas if (o := run.outcome(name))]
        assert len(set(codes)) == len(codes)
    assert any(run.outcome(name) for name in imitated[3].ideas)
    assert all(idea and len(idea.parents) == 2 for idea in ideas.values())
    told = [line["imitation/log_likelihood"] for line in read_steps(metrics).values()]
    assert told[0] < told[-1] < 0
