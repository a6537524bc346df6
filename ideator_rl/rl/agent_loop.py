"""verl's agent loop over a research environment: the model writes an idea, its execution is the
reward.

An answer is generated, what follows its thinking is executed through `ResearchEnv.astep`, and the
reward goes back to verl together with a report of the answer. An environment of several turns goes
on with the outcome as the user's next message; the reward is then the sum over the turns.

Every failure of an idea is a reward with a status. If the executor is lost, the idea is submitted
again; if it stays lost, the idea's status is `lost`: an exception would make verl drop its group.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Coroutine, Mapping
from functools import cache
from typing import Any
from uuid import uuid4

from verl.experimental.agent_loop.agent_loop import AgentLoopBase, AgentLoopMetrics, AgentLoopOutput

from executor import Idea, Outcome
from executor.cluster.remote import RemoteExecutor
from executor.errors import UserError
from executor.llm.records import LLMError
from gym_envs import ResearchEnv
from gym_envs.prompt import summary
from ideator_rl.ideators.language_model.chat import Answer, read_answer, write_answer
from ideator_rl.rl.turns import connect as connect_turns

TRIES, LLM_PAUSE_S = 3, 30.0
_MASK_63 = (1 << 63) - 1


class IdeaAgentLoop(AgentLoopBase):
    """One episode of one environment; verl makes one for every answer that it wants.

    `executor` is the name of the executors' actor, see `executor.cluster.remote`, and `runs` are
    its runs by the name of their problem; `seed` makes answers repeatable where the rollout honours
    seeds. An outcome is waited for `deadline_s` wall seconds, without a limit where that is None.
    `turns` names the run whose trials wait for their turn on the GPUs, see `turns.py`.
    """

    def __init__(
        self,
        *args: Any,
        executor: str,
        runs: Mapping[str, str],
        max_turns: int,
        seed: int,
        deadline_s: float | None = None,
        turns: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        self._executor, self._runs = executor, runs
        self._max_turns, self._seed = max_turns, seed
        self._deadline_s, self._turns = deadline_s, turns
        self._tokenizer: Any = self.tokenizer

    async def run(self, sampling_params: dict[str, Any], **sample: Any) -> AgentLoopOutput:
        """`sample` has verl's fields of a prompt: raw_prompt, global_steps, index, session_id; and
        the trainer's: the name of the `problem`, the ids of the ideas that an answer builds on
        (`parents`), and of the one whose code it changes (`base`, or an empty name)."""
        messages: list[Any] = list(sample["raw_prompt"])
        place = (self._seed, sample["global_steps"], sample["index"], sample["session_id"])
        executor = _connect(self._executor, self._runs[sample["problem"]])
        env = ResearchEnv(executor.problem, executor=executor, max_turns=self._max_turns)
        env.reset()

        tokens = await self.ct_build_initial_tokens(messages)
        prompt_tokens = len(tokens)
        mask: list[int] = []
        log_probs: list[float] = []
        extra: dict[str, Any] = {}
        metrics = AgentLoopMetrics(generate_sequences=0.0, tool_calls=0.0)
        total, over = 0.0, False
        for turn in range(self._max_turns):
            begun = time.time()
            output = await self.server_manager.generate(
                request_id=uuid4().hex,
                prompt_ids=tokens,
                sampling_params={**sampling_params, "seed": _seed_of(*place, turn)},
            )
            generated = time.time()
            merged, mask, log_probs = await self.ct_merge_assistant_token(
                tokens, output.token_ids, mask, log_probs, assistant_logprobs=output.log_probs
            )
            tokens = merged.token_ids
            text = self._tokenizer.decode(output.token_ids, skip_special_tokens=True)
            answer = read_answer(text)
            idea = _idea(text, answer, sample)
            if self._turns is not None:
                await connect_turns(self._turns).begin_trial.remote(int(sample["global_steps"]))
            outcome, over = await self._in_time(_execute(env, idea), idea, env)
            total += outcome.reward
            metrics.generate_sequences += generated - begun
            metrics.tool_calls += time.time() - generated
            extra = {
                **output.extra_fields,
                **extra,
                "max_global_steps": output.extra_fields.get("max_global_steps"),
            }
            info = self._info(answer, outcome, generated) | {"problem": sample["problem"]}
            if over or len(mask) >= self.rollout_config.response_length:
                break
            before = [*messages, {"role": "assistant", "content": text}]
            messages = [*before, {"role": "user", "content": f"{summary(outcome)}. Another idea."}]
            merged, mask, log_probs = await self.ct_merge_context_msg(
                before, messages, tokens, mask, log_probs
            )
            tokens = merged.token_ids

        most = self.rollout_config.response_length
        return AgentLoopOutput(
            prompt_ids=tokens[:prompt_tokens],
            response_ids=tokens[prompt_tokens:][:most],
            response_mask=mask[:most],
            response_logprobs=log_probs[:most],
            reward_score=total,
            num_turns=2 * (turn + 1),
            metrics=metrics,
            extra_fields={**extra, "reward_extra_info": info | {"reward": total}},
        )

    async def _in_time(
        self, executing: Coroutine[Any, Any, tuple[Outcome, bool]], idea: Idea, env: ResearchEnv
    ) -> tuple[Outcome, bool]:
        """What is executed, or after the deadline a timeout: its trial is cancelled then."""
        try:
            return await asyncio.wait_for(executing, self._deadline_s)
        except TimeoutError:
            detail = f"no outcome within {self._deadline_s:g} s (grpo.deadline_s)"
            failure = env.problem.file.reward.failure
            return Outcome(idea.id, "timeout", failure, "train", detail=detail), True

    def _info(self, answer: Answer, outcome: Outcome, generated: float) -> dict[str, Any]:
        """What is reported of the last turn, always all fields. Lengths in tokens, Unix times."""

        def length(text: str) -> int:
            return len(self._tokenizer.encode(text, add_special_tokens=False))

        return {
            "idea": answer.idea,
            "idea_id": outcome.idea_id,
            "status": outcome.status,
            "stage": outcome.stage,
            "detail": outcome.detail,
            "metrics": dict(outcome.metrics),
            "completed": outcome.completed,
            "lost": outcome.status == "cancelled",
            "content_hash": outcome.content_hash,
            "thinking_tokens": length(answer.thinking),
            "idea_tokens": length(answer.idea),
            "generated_at": generated,
            "executed_at": time.time(),
        }


@cache
def _connect(name: str, run: str) -> RemoteExecutor:
    return RemoteExecutor.connect(name, run)


def _seed_of(*place: int) -> int:
    digest = hashlib.sha256(repr(tuple(map(int, place))).encode()).digest()
    return int.from_bytes(digest[:8]) & _MASK_63


def _idea(text: str, answer: Answer, sample: Mapping[str, Any]) -> Idea:
    """Named by step, text and base: the same text in a step is one idea, and a resumed step finds
    it."""
    step, base = int(sample["global_steps"]), str(sample["base"])
    named = f"{base}\0{answer.idea}" if base else answer.idea
    digest = hashlib.sha256(named.encode(errors="surrogatepass")).hexdigest()
    meta = {"thinking": answer.thinking}
    if text != write_answer(answer.thinking, answer.idea):
        # As it was written, for those who imitate it.
        meta["answer"] = text
    name = f"{step:04d}-{digest[:12]}"
    parents = tuple(sample["parents"])
    return Idea(name, answer.idea, epoch=step, origin="grpo", parents=parents, base=base, meta=meta)


async def _execute(env: ResearchEnv, idea: Idea) -> tuple[Outcome, bool]:
    """The idea's outcome, and whether the episode is over."""
    attempt = 0
    while attempt < TRIES:
        try:
            *_, terminated, truncated, info = await env.astep(idea)
            return info["outcome"], terminated or truncated
        except LLMError:
            # The run's watcher ends the run for it: no answer of this step counts any more.
            await asyncio.sleep(LLM_PAUSE_S)
        except UserError as error:
            # Not caused by the idea: the store does not answer, or the executor is gone.
            lost = f"{error}"
            await asyncio.sleep(2**attempt)
            attempt += 1
    failure = env.problem.file.reward.failure
    return Outcome(idea.id, "cancelled", failure, "implement", detail=lost), True
