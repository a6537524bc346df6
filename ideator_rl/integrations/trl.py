"""Execution as a reward function of TRL: `GRPOTrainer(reward_funcs=trl_reward("digits"), …)`.

    reward = trl_reward("digits", slots=4)
    trainer = GRPOTrainer(model, reward_funcs=reward, train_dataset=trl_prompts("digits", 1000))
    trainer.train()
    reward.close()

Every completion is read as an answer of an ideator (what follows `</think>` is the idea) and
executed in the sandbox; all of a batch run at once, as many as there are slots. TRL's logs show the
mean, and `reward.outcomes` how each of the last batch ended.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from executor import Outcome
from executor.sandbox import Level
from gym_envs import ResearchEnv, find_problem
from gym_envs.research_env import as_idea
from ideator_rl.ideators.language_model.chat import (
    PromptStyle,
    chat_messages,
    read_answer,
    style_prompt,
)

if TYPE_CHECKING:
    from datasets import Dataset

# A completion of TRL: a text, or the messages that follow the prompt.
Completion = str | Sequence[Mapping[str, Any]]


def trl_reward(
    env: str,
    *,
    store: str | None = None,
    run: str | None = None,
    slots: int | None = None,
    sandbox: Level = "strict",
) -> TrlReward:
    """A reward function on a problem; each process of a training has an executor of its own.

    Args:
        env: a problem's name, id or folder.
        store: where trials are kept, a folder or a URL; by default nowhere.
        run: the run's name in the store; by default a new one.
        slots: trials at a time; by default as many as this machine's cores allow.
        sandbox: how the ideas' code is locked in.

    Raises:
        UserError: the problem is unknown, or the sandbox or the store cannot be had.
    """
    return TrlReward(ResearchEnv(env, store=store, run=run, slots=slots, sandbox=sandbox))


class TrlReward:
    """What `trl_reward` makes; a context manager that ends its trials."""

    __name__ = "execution"  # under which TRL logs it

    def __init__(self, env: ResearchEnv) -> None:
        self._env = env
        self.outcomes: list[Outcome] = []

    def __call__(self, completions: Sequence[Completion], **_: Any) -> list[float]:
        """Executes a batch.

        Args:
            completions: texts, or conversations whose last message is the answer; TRL's other
                arguments are not needed.

        Returns:
            One reward each, higher is better; an idea that fails has the problem's failure reward.

        Raises:
            UserError: the executor cannot go on.
        """
        ideas = [as_idea(read_answer(_text(completion)).idea) for completion in completions]
        futures = [self._env.executor.submit(idea) for idea in ideas]
        self.outcomes = [future.result() for future in futures]
        return [outcome.reward for outcome in self.outcomes]

    def close(self) -> None:
        """Ends all trials."""
        self._env.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def trl_prompts(env: str, rows: int, style: PromptStyle = "full") -> Dataset:
    """The problem's prompt as a data set of so many equal rows, for TRL's `train_dataset`.

    Args:
        env: a problem's name, id or folder.
        rows: as many prompts as the training takes.
        style: how much of the problem is shown, see `ideators.language_model.chat`.

    Raises:
        UserError: the problem is unknown.
    """
    from datasets import Dataset

    messages = chat_messages(style_prompt(find_problem(env), style))
    return Dataset.from_list([{"prompt": messages}] * rows)


def _text(completion: Completion) -> str:
    if isinstance(completion, str):
        return completion
    content = completion[-1].get("content") if completion else ""
    return content if isinstance(content, str) else ""
