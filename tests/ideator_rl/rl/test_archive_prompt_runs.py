"""Training whose prompts show the best ideas so far: kill -9 in the second step, and the same
command again."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

pytest.importorskip("verl")
pytest.importorskip("ray")

from ideator_rl.ideators.archive import ShownIdeas
from tests.ideator_rl.rl.killed_runs import (
    TIMEOUT_S,
    last_step,
    processes,
    run_of,
    start,
    wait_for,
)
from tests.models import teach

pytestmark = pytest.mark.timeout(900)
IDEAS = [
    "[Experiment] Larger steps.\n[Code Changes]\nlearning_rate: 0.005 -> 0.05",
    "[Experiment] A wider layer.\n[Code Changes]\nhidden_size: 32 -> 64",
]
WORDS = ("--prompts.kind", "best", "--prompts.shown", "2", "--answer.max_prompt_tokens", "1024")


def shown(place: Path, step: int) -> dict[int, ShownIdeas]:
    return run_of(place).kept_numbered(f"prompts/{step:04d}", ShownIdeas)


@pytest.mark.release
@pytest.mark.parametrize("base", ["baseline", "parent"])
def test_a_resumed_step_shows_its_groups_the_same_ideas(short_place: Path, base: str) -> None:
    words = (*WORDS, "--prompts.base", base)
    teach(short_place / "model", IDEAS)
    first = start(short_place, *words)
    wait_for(lambda: last_step(short_place) >= 1 and len(shown(short_place, 2)) == 2, 300, first)
    os.kill(first.pid, signal.SIGKILL)
    first.communicate()
    wait_for(lambda: not processes(short_place), 60)
    asked = shown(short_place, 2)

    output, _ = (second := start(short_place, *words)).communicate(timeout=TIMEOUT_S)
    assert second.returncode == 0, output
    assert last_step(short_place) == 2 and shown(short_place, 2) == asked
    assert shown(short_place, 1) == {0: ShownIdeas(()), 1: ShownIdeas(())}

    # Both groups are shown the best two codebases of step 1, and their ideas say so.
    run = run_of(short_place)
    done = [o for key in run.trials() if key.startswith("0001") and (o := run.outcome(key))]
    best = sorted({o.content_hash: o.reward for o in done if o.completed}.values())[-2:]
    for group in asked.values():
        rewards = [outcome.reward for name in group.ideas if (outcome := run.outcome(name))]
        assert sorted(rewards) == best and len(best) == 2
    ideas = [idea for key in run.trials() if key.startswith("0002") and (idea := run.idea(key))]
    assert ideas and {frozenset(idea.parents) for idea in ideas} == {frozenset(asked[0].ideas)}
    # What was shown first is the better one of the two.
    changed = {asked[0].ideas[0]} if base == "parent" else {""}
    assert {idea.base for idea in ideas} == changed
