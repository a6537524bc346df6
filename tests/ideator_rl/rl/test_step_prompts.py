"""What the groups of a step are shown, out of a real store."""

from __future__ import annotations

from pathlib import Path

import pytest

from executor import Idea, Outcome, Store
from executor.errors import UserError
from executor.store.runs import RunFolder
from gym_envs import find_problem
from ideator_rl.ideators.archive_prompts import Prompt
from ideator_rl.rl.prompt_room import check_prompts
from ideator_rl.rl.step_prompts import StepPrompts, StepPromptsSettings
from ideator_rl.rl.train_recipe import read_train_recipe


def add(run: RunFolder, step: int, name: str, reward: float, shown: tuple[str, ...] = ()) -> str:
    key = f"{step:04d}-{name}"
    run.write_idea(key, Idea(key, f"idea {name}", step, parents=shown))
    run.write_outcome(key, Outcome(key, "completed", reward, content_hash=name))
    return key


def prompts(
    run: RunFolder, kind: str, shown: int = 2, base: str = "baseline", longest: int = 5000
) -> StepPrompts:
    settings = StepPromptsSettings(kind, shown, base)  # type: ignore[arg-type]
    return StepPrompts(settings, run, 0, first, lambda text: len(text) < longest, str)


def first(base: str) -> str:
    return f"first, with the code of {base}" if base else "first"


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    return Store(tmp_path).run("first")


def test_a_step_is_shown_earlier_steps_and_a_resumed_one_asks_the_same(run: RunFolder) -> None:
    asks = prompts(run, "best")
    assert asks.prompt(1, 0) == Prompt("first")
    keys = [add(run, 1, name, reward) for name, reward in (("a", 0.5), ("b", 0.9), ("c", 0.7))]
    asked = asks.prompt(2, 0)
    assert asked.shown == (keys[1], keys[2]) and "idea b" in asked.text
    # Killed in the step: what it has executed since changes nothing.
    add(run, 2, "d", 3.0)
    assert prompts(run, "best").prompt(2, 0) == asked
    # Nor does an earlier step that comes late, for a group that was asked before.
    add(run, 1, "e", 2.0)
    assert prompts(run, "best").prompt(2, 0) == asked
    assert prompts(run, "best").prompt(2, 1).shown[-1] == "0001-e"
    assert prompts(run, "best").prompt(3, 0).shown == ("0001-e", "0002-d")


def test_groups_of_a_step_are_shown_different_random_ideas(run: RunFolder) -> None:
    for number in range(30):
        add(run, 1, f"n{number}", number)
    asked = [prompts(run, "random").prompt(2, index).shown for index in range(4)]
    assert len(set(asked)) == 4


def test_puct_takes_turns_where_nothing_comes_of_what_is_shown(run: RunFolder) -> None:
    for name, reward in (("a", 0.5), ("b", 0.6), ("c", 0.55)):
        add(run, 1, name, reward)
    asked = prompts(run, "puct", shown=1)
    shown = [asked.prompt(2, index).shown for index in range(6)]
    assert shown[0] == ("0001-b",) and len(set(shown)) > 1
    # A resumed step counts what was shown before.
    again = prompts(run, "puct", shown=1)
    assert [again.prompt(2, index).shown for index in range(6)] == shown


def test_ideas_change_the_code_of_the_best_of_those_that_are_shown(run: RunFolder) -> None:
    asks = prompts(run, "best", base="parent")
    assert asks.prompt(1, 0) == Prompt("first")
    rewards = {"a": 0.1, "b": 0.9, "c": 0.7}
    old, best, other = (add(run, 1, name, reward) for name, reward in rewards.items())
    asked = asks.prompt(2, 0)
    assert asked.text.startswith(f"first, with the code of {best}\n\n## Tried so far\n")
    assert (asked.shown, asked.base, asked.parents) == ((best, other), best, (best, other))
    assert "The code to change is that of idea 1." in asked.text and old not in asked.shown
    # What has no room is left out, the idea whose code is shown at last.
    less = prompts(run, "best", base="parent", longest=len(asked.text))
    assert less.prompt(2, 0)[1:] == ((best,), best)
    least = prompts(run, "best", base="parent", longest=60)
    assert least.prompt(2, 0) == Prompt(first(best), (), best)
    assert least.prompt(2, 0).parents == (best,)
    # Where its code has no room either, that of the baseline is changed.
    assert prompts(run, "best", base="parent", longest=6).prompt(2, 0) == Prompt("first")


def test_what_failed_lends_no_code(run: RunFolder) -> None:
    key = "0001-x"
    run.write_idea(key, Idea(key, "idea x", 1))
    run.write_outcome(key, Outcome(key, "crashed", 0.0, content_hash="x"))
    asked = prompts(run, "random", base="parent").prompt(2, 0)
    assert (asked.shown, asked.base) == ((key,), "") and asked.text.startswith("first\n")


def test_an_idea_that_is_gone_is_one_line(run: RunFolder, tmp_path: Path) -> None:
    key = add(run, 1, "a", 0.5)
    prompts(run, "best").prompt(2, 0)
    (tmp_path / f"runs/first/ideas/{key}/idea.json").unlink()
    with pytest.raises(UserError, match=f"{key} is gone, which step 2 was shown"):
        prompts(run, "best").prompt(2, 0)


def test_it_is_said_before_a_run_where_no_idea_will_fit(tiny_model: Path) -> None:
    pytest.importorskip("transformers")
    path = Path(__file__).parents[3] / "recipes/digits/grpo/config_qwen3_tiny.yaml"
    problem = find_problem("digits")

    def told(**overrides: str) -> str:
        given = {name.replace("__", "."): value for name, value in overrides.items()}
        return check_prompts(read_train_recipe(path, given), problem, tiny_model)

    assert told() == ""
    assert "and 64 are free (answer.max_prompt_tokens" in told(prompts__kind="best")
    assert told(prompts__kind="best", answer__max_prompt_tokens="1500") == ""
    assert "\n" not in told(prompts__kind="puct", answer__max_answer_tokens="2000")
    assert told(prompts__kind="puct", prompts__base="parent") == ""
