"""A research problem as a taskset of verifiers: its prompt is the task, its execution the reward.

A module of yours names it, whose name `vf-eval` and prime-rl then take:

    # digits_ideas.py
    from ideator_rl.integrations.verifiers import IdeaTaskset

    __all__ = ["IdeaTaskset"]

Needs the package `verifiers`, in an environment without the extra `llm`: both ask for another
version of the client for OpenAI's protocol.
"""

from __future__ import annotations

import asyncio
import atexit
from collections.abc import Iterator
from functools import cache

import verifiers.v1 as vf

from executor.sandbox import Level
from gym_envs import ResearchEnv, find_problem
from gym_envs.research_env import as_idea
from ideator_rl.ideators.language_model.chat import PromptStyle, read_answer, style_prompt

__all__ = ["IdeaTaskset"]


class IdeaTaskConfig(vf.TaskConfig):
    """How ideas are executed: trials at a time in each process, by default as many as its machine's
    cores allow, and how their code is locked in."""

    slots: int | None = None
    sandbox: Level = "strict"


class IdeaTasksetConfig(vf.TasksetConfig):
    """Which problem, how much of it is shown, and how often it is asked."""

    problem: str = "digits"
    style: PromptStyle = "full"
    num_tasks: int = 64
    task: IdeaTaskConfig = IdeaTaskConfig()


class IdeaData(vf.TaskData):
    """A task: the problem whose prompt it is."""

    problem: str


class IdeaTask(vf.Task[IdeaData, vf.State, IdeaTaskConfig]):
    """Executes the idea of the last reply."""

    @vf.reward(weight=1.0)
    async def execution(self, trace: vf.Trace) -> float:
        """The measured reward; an idea that fails has the problem's failure reward."""
        env = _environment(self.data.problem, self.config.slots, self.config.sandbox)
        idea = as_idea(read_answer(trace.last_reply).idea)
        outcome = await asyncio.wrap_future(env.executor.submit(idea))
        trace.record_metrics({"completed": float(outcome.completed), **outcome.metrics})
        return outcome.reward


class IdeaTaskset(vf.Taskset[IdeaTask, IdeaTasksetConfig]):
    """The same task, `num_tasks` times: an ideator's answers differ, not its question."""

    def load(self) -> Iterator[IdeaTask]:
        """One task after the other."""
        config = self.config
        prompt = style_prompt(find_problem(config.problem), config.style)
        for number in range(config.num_tasks):
            name = f"{config.problem}-{number}"
            yield IdeaTask(IdeaData(name=name, prompt=prompt, problem=config.problem), config.task)


@cache
def _environment(problem: str, slots: int | None, sandbox: Level) -> ResearchEnv:
    """One executor a process, which ends with it."""
    env = ResearchEnv(problem, slots=slots, sandbox=sandbox)
    atexit.register(env.close)
    return env
