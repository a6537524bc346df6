"""Training that imitates, holds its entropy and pays for new ideas, with prompts that show some:
killed in its second step it does that step again as if it had not been."""

from __future__ import annotations

import os
import shutil
import signal
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("verl")
pytest.importorskip("ray")

from executor import Executor, Idea, Outcome
from executor.store.runs import RunFolder, Store
from gym_envs import find_problem
from ideator_rl.analysis.metrics_file import read_steps
from ideator_rl.ideators.archive import ShownIdeas
from ideator_rl.ideators.archive_prompts import fitted
from ideator_rl.ideators.ideator import Executed
from ideator_rl.ideators.language_model.chat import style_prompt
from ideator_rl.rl.objectives.entropy_hold import FIRST, HeldEntropy, steered
from ideator_rl.rl.objectives.imitated_run import kept_examples
from tests.ideator_rl.rl.killed_runs import TIMEOUT_S, processes, start, wait_for
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
# What a second run of the same cannot have: times, and what sums of floats in another order move.
SAME = ("reward/mean", "ideas/distinct", "codebases/new", "entropy/coefficient", "imitation/ideas")


def run_of(store: Path) -> RunFolder:
    return Store(store).run("small")


def steps(store: Path) -> dict[int, dict[str, float]]:
    return read_steps(store / "runs/small/metrics.jsonl")


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


def kept(run: RunFolder) -> tuple[dict[int, Any], ...]:
    records = (("entropy", HeldEntropy), ("imitation", ShownIdeas), ("prompts/0002", ShownIdeas))
    return tuple(run.kept_numbered(folder, kind) for folder, kind in records)


@pytest.mark.slow
def test_a_killed_run_does_its_step_again_as_it_was(short_place: Path) -> None:
    teach(short_place / "model", IDEAS, prompts=prompts())
    whole, killed = short_place / "whole", short_place / "killed"
    search(whole)
    shutil.copytree(whole, killed)
    first = start(short_place, *ALL, "--store", str(whole))
    output, _ = first.communicate(timeout=TIMEOUT_S)
    assert first.returncode == 0, output

    second = start(short_place, *ALL, "--store", str(killed))
    wait_for(lambda: 2 in kept(run_of(killed))[1], 300, second)
    os.kill(second.pid, signal.SIGKILL)
    second.communicate()
    wait_for(lambda: not processes(short_place), 60)
    assert 3 not in steps(killed)
    # What the other run has become meanwhile does not matter.
    shutil.rmtree(killed / "runs/searched")
    third = start(short_place, *ALL, "--store", str(killed))
    output, _ = third.communicate(timeout=TIMEOUT_S)
    assert third.returncode == 0, output

    # Step 3 samples from weights that are sums of floats, so that its answers may be others.
    assert list(steps(killed)) == list(steps(whole)) == [1, 2, 3]
    assert kept(run_of(killed))[2] == kept(run_of(whole))[2]
    for ours, others in zip(kept(run_of(killed))[:2], kept(run_of(whole))[:2], strict=True):
        assert (ours[1], ours[2]) == (others[1], others[2])
    for step in (1, 2):
        mine, theirs = steps(killed)[step], steps(whole)[step]
        assert [mine[name] for name in SAME] == [theirs[name] for name in SAME]

    # Each of the three was at work.
    entropies, imitated, _ = kept(run_of(whole))
    assert list(entropies) == list(imitated) == [1, 2, 3]
    before = FIRST
    for held in entropies.values():
        assert held.coefficient == steered(before, held.unseen, 0.6, FIRST)
        before = held.coefficient
    assert before != FIRST
    examples = {entry.idea.id for entry in kept_examples(run_of(whole))}
    assert examples == {"searched/00-1", "searched/00-2"}
    assert all("searched/00-1" in ideas.ideas for ideas in imitated.values())
    codes = [o.content_hash for i in imitated[3].ideas if (o := run_of(whole).outcome(i))]
    assert len(set(codes)) == len(codes) > 0
    ideas = [run_of(whole).idea(name) for name in run_of(whole).trials() if name[:4] == "0002"]
    assert all(idea and len(idea.parents) == 2 for idea in ideas)
    told = [line["imitation/log_likelihood"] for line in steps(whole).values()]
    assert told[0] < told[-1] < 0
