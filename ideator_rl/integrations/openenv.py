"""A research problem behind OpenEnv's HTTP and WebSocket protocol.

The action is an idea, the observation a prompt and how the idea ended, the reward is measured. A
session of a client is an episode of its own on one shared executor; the plain HTTP calls keep no
state between them, which a problem of one step does not need. Needs the package `openenv`.
"""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from openenv.core.env_server.http_server import create_fastapi_app
from openenv.core.env_server.interfaces import Environment
from openenv.core.env_server.types import Action, EnvironmentMetadata, Observation, State
from pydantic import Field

from executor import Executor
from executor.text.outside_text import clean_text
from gym_envs import ResearchEnv

LONGEST_IDEA, LONGEST_DETAIL = 1_000_000, 2000
# Clients that are connected at once; how many trials run is the executor's business.
MOST_SESSIONS = 1024


class IdeaAction(Action):
    """An idea, in the form that the prompt asks for."""

    idea: str = Field(max_length=LONGEST_IDEA, description="[Experiment] … [Code Changes] …")


class OutcomeObservation(Observation):
    """What to answer next, and how the last idea ended; empty after a reset."""

    prompt: str = Field(description="the problem, and what was tried in this episode")
    status: str = Field("", description="completed, not_implemented, crashed, timeout, rejected")
    stage: str = Field("", description="implement, train, examine or done")
    detail: str = Field("", description="the reason of the status")
    metrics: dict[str, float] = Field(default_factory=dict, description="of the examination")


class IdeaEnvironment(Environment):
    """One client's episodes."""

    SUPPORTS_CONCURRENT_SESSIONS = True

    def __init__(self, executor: Executor) -> None:
        super().__init__()
        self._env = ResearchEnv(executor.problem, executor=executor)
        self._env.reset()
        self._state = State(episode_id=uuid4().hex)

    def reset(
        self, seed: int | None = None, episode_id: str | None = None, **_: Any
    ) -> OutcomeObservation:
        """Starts an episode."""
        prompt, _info = self._env.reset(seed=seed)
        self._state = State(episode_id=episode_id or uuid4().hex)
        return OutcomeObservation(prompt=prompt)

    def step(self, action: IdeaAction, timeout_s: float | None = None, **_: Any) -> Observation:
        """Not used: a server prefers `step_async`, which holds no thread while a trial runs."""
        raise NotImplementedError

    async def step_async(
        self, action: IdeaAction, timeout_s: float | None = None, **_: Any
    ) -> OutcomeObservation:
        """Executes an idea."""
        prompt, reward, terminated, truncated, info = await self._env.astep(action.idea)
        self._state.step_count += 1
        return OutcomeObservation(
            prompt=prompt,
            reward=reward,
            done=terminated or truncated,
            status=info["status"],
            stage=info["stage"],
            detail=clean_text(info["detail"], LONGEST_DETAIL),
            metrics=info["metrics"],
        )

    @property
    def state(self) -> State:
        """The episode's id and its steps so far."""
        return self._state

    def get_metadata(self) -> EnvironmentMetadata:
        """The problem's name and task."""
        file = self._env.problem.file
        return EnvironmentMetadata(name=file.name, description=f"{file.title}. {file.task.strip()}")

    def close(self) -> None:
        """Leaves the shared executor as it is."""


def make_app(executor: Executor) -> Any:
    """The ASGI application whose sessions share an executor."""
    app = create_fastapi_app(
        lambda: IdeaEnvironment(executor),
        IdeaAction,
        OutcomeObservation,
        max_concurrent_envs=MOST_SESSIONS,
        env_name=executor.problem.name,
    )

    async def without_browsers(scope: Any, receive: Any, send: Any) -> None:
        # Any page in a browser of this machine could ask; only browsers name an origin.
        if any(name == b"origin" for name, _ in scope.get("headers", ())):
            await _refuse(scope["type"], send)
        else:
            await app(scope, receive, send)

    return without_browsers


async def _refuse(kind: str, send: Any) -> None:
    if kind == "websocket":
        await send({"type": "websocket.close"})
        return
    await send({"type": "http.response.start", "status": 403})
    await send({"type": "http.response.body", "body": b"not for pages of a browser"})
