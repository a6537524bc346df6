"""A research problem as a Gymnasium environment: the action is an idea, the reward is measured.

    >>> env = ResearchEnv("digits", store="store", run="first", sandbox="best-effort")
    >>> prompt, info = env.reset(seed=0)
    >>> prompt, reward, terminated, truncated, info = env.step("[Experiment] Think harder.")
    >>> info["status"], reward, terminated
    ('not_implemented', 0.0, True)
    >>> env.close()

`await env.astep(idea)` does the same in async code.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import hashlib
import secrets
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Protocol

import gymnasium

from executor import Executor, Idea, Outcome, Problem
from executor.sandbox import Level
from gym_envs.prompt import history_prompt, problem_prompt, summary
from gym_envs.registration import find_problem
from gym_envs.text_space import UnicodeText

MAX_IDEA_CHARACTERS = 20_000_000
MAX_PROMPT_CHARACTERS = 100_000_000


class IdeaExecutor(Protocol):
    """What an environment needs: an `Executor`, or the handle of one in another process."""

    problem: Problem

    def submit(
        self, idea: Idea, *, seed: int | None = None, priority: int = 0
    ) -> concurrent.futures.Future[Outcome]:
        """Starts one idea, see `Executor.submit`; cancelling the future ends its trial."""

    def close(self) -> None:
        """Ends all trials."""


class ResearchEnv(gymnasium.Env[str, str | Idea]):
    """One idea a step; an episode is `max_turns` ideas (one by default: a bandit).

    Observation: the problem's prompt, followed from the second turn on by the episode's ideas and
    how they ended. Action: an idea's text in any Unicode, or an `Idea`, which may carry its own id
    and lineage. Reward: the outcome's, higher is better; an idea that fails in any way earns
    the problem's failure reward and never raises. An episode ends (`terminated`) after its last
    turn; it is `truncated` when the executor's budget cancelled the idea.

    `info` always has the keys idea_id, status, stage, detail, metrics, seed, duration_s, cached and
    outcome (None after a reset).

    Args:
        problem: a Problem, or what `find_problem` understands.
        executor: an executor to share; without one the environment opens its own with the
            arguments below, and closes it in `close`.
        store: where an executor of its own keeps trials, a folder or a URL; by default a temporary
            folder that goes with the environment (`store` where a `run` is named).
        run: the run's name in the store; by default a new one.
        slots: concurrent trials; by default as many as this machine's cores allow.
        max_turns: ideas an episode.
        trial_seed: the seed that training runs get from an executor of its own.
        sandbox: how code is locked in by an executor of its own; `best-effort` and `none` are for
            code that you trust.
        render_mode: `ansi`, or None.

    Raises:
        ProblemError: the problem is unknown or not valid.
        UserError: an argument or the sandbox is not possible on this machine.
        StoreError: the store cannot be written, or the run is in use or of another problem.
    """

    metadata = {"render_modes": ["ansi"], "render_fps": 1}

    def __init__(
        self,
        problem: Problem | str | Path,
        *,
        executor: IdeaExecutor | None = None,
        store: str | Path | None = None,
        run: str | None = None,
        slots: int | None = None,
        max_turns: int = 1,
        trial_seed: int = 0,
        sandbox: Level = "strict",
        render_mode: str | None = None,
    ) -> None:
        self.problem = problem if isinstance(problem, Problem) else find_problem(problem)
        self._owned = executor is None
        self._temporary: TemporaryDirectory[str] | None = None
        if executor is None and store is None and run is None:
            # An environment that nobody closes may still write while its folder is removed.
            self._temporary = TemporaryDirectory(prefix="gym-", ignore_cleanup_errors=True)
            store = self._temporary.name
        self.executor: IdeaExecutor = executor or Executor(
            self.problem,
            store=store or "store",
            run=run or _new_run(),
            slots=slots,
            seed=trial_seed,
            sandbox=sandbox,
        )
        self.max_turns = max_turns
        self.render_mode = render_mode
        self.observation_space = UnicodeText(MAX_PROMPT_CHARACTERS)
        self.action_space = UnicodeText(MAX_IDEA_CHARACTERS)
        self._prompt = problem_prompt(self.problem)
        self._history: list[tuple[str, Outcome]] = []

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[str, dict[str, Any]]:
        """Starts an episode.

        Args:
            seed: for Gymnasium's own generator; trials use `trial_seed`.
            options: ignored.

        Returns:
            The prompt, and `info` without an outcome.
        """
        super().reset(seed=seed)
        self._history = []
        return self._observation(), outcome_info(None)

    async def astep(self, action: str | Idea) -> tuple[str, float, bool, bool, dict[str, Any]]:
        """Executes one idea. Many environments may await theirs at once on a shared executor.

        Gymnasium's wrappers hide it: `env = gymnasium.make(…).unwrapped`.

        Args:
            action: an idea's text in any Unicode, or an `Idea`.

        Returns:
            The next prompt, the reward, terminated, truncated, and `info`.

        Raises:
            TypeError: the action is neither.
            UserError: the id of an `Idea` is not valid.
            StoreError: the outcome cannot be stored.
        """
        idea = as_idea(action)
        outcome = await asyncio.wrap_future(self.executor.submit(idea))
        return self._advance(idea, outcome)

    def step(self, action: str | Idea) -> tuple[str, float, bool, bool, dict[str, Any]]:
        """`astep` for code that is not async; also inside a running event loop (a notebook).

        Args:
            action: an idea's text in any Unicode, or an `Idea`.

        Returns:
            The next prompt, the reward, terminated, truncated, and `info`.

        Raises:
            TypeError, UserError, StoreError: as `astep`.
        """
        idea = as_idea(action)
        outcome = self.executor.submit(idea).result()
        return self._advance(idea, outcome)

    def _advance(
        self, idea: Idea, outcome: Outcome
    ) -> tuple[str, float, bool, bool, dict[str, Any]]:
        self._history.append((idea.text, outcome))
        terminated = len(self._history) >= self.max_turns
        truncated = outcome.status == "cancelled"
        info = outcome_info(outcome)
        return self._observation(), outcome.reward, terminated, truncated, info

    def _observation(self) -> str:
        if not self._history:
            return self._prompt
        return f"{self._prompt}\n\n## Tried so far\n{history_prompt(self._history)}"

    def render(self) -> str | None:
        """Shows how the episode stands.

        Returns:
            In mode `ansi` one line on the last outcome, or the problem's title before the first;
            None in other modes.
        """
        if self.render_mode != "ansi":
            return None
        return summary(self._history[-1][1]) if self._history else self.problem.file.title

    def close(self) -> None:
        """Closes an executor of its own and removes its temporary store; a shared one stays."""
        if self._owned:
            self.executor.close()
        if self._temporary:
            self._temporary.cleanup()


def _new_run() -> str:
    return f"gym-{time.strftime('%Y%m%d-%H%M%S')}-{secrets.token_hex(3)}"


def as_idea(action: str | Idea) -> Idea:
    """An action as an idea; a bare text is named by its hash, so that the same text is one idea.

    Raises TypeError for anything else.
    """
    if isinstance(action, Idea):
        return action
    if not isinstance(action, str):
        raise TypeError(f"an action is an idea's text or an Idea, not {type(action).__name__}")
    digest = hashlib.sha256(action.encode(errors="surrogatepass")).hexdigest()
    return Idea(f"text-{digest[:16]}", action)


def outcome_info(outcome: Outcome | None) -> dict[str, Any]:
    """The info dictionary of an outcome; the same keys, empty, where there is none yet."""
    shown = outcome or Outcome("", "cancelled", 0.0)
    return {
        "idea_id": shown.idea_id,
        "status": shown.status if outcome else "",
        "stage": shown.stage if outcome else "",
        "detail": shown.detail,
        "metrics": dict(shown.metrics),
        "seed": shown.seed,
        "duration_s": shown.duration_s,
        "cached": shown.cached,
        "outcome": outcome,
    }
