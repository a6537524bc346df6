"""verl's trainers, with the recipe's objective, per-step metrics and a record of their stage.

`TaskRunner` is what `verl.trainer.main_ppo.run_ppo` starts on Ray; it runs an `IdeatorTrainer`:
verl's synchronous one, or with a staleness the one that generates while it learns. It is verl's but
for the advantages, for which the estimator OBJECTIVE in verl's registry asks the objective of the
recipe, and for what `step_update.py` adds to an update. It marks stages at the executor, so that a
launcher can tell which one hangs, and writes one line of `metrics.jsonl` a step.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import ray
import torch
import transfer_queue as tq
from omegaconf import DictConfig, OmegaConf
from ray.exceptions import RayActorError
from verl.trainer.ppo.core_algos import register_adv_est
from verl.trainer.ppo.utils import Role
from verl.trainer.ppo.v1 import AgentLoopManagerTQ
from verl.trainer.ppo.v1.trainer_base import PPOTrainer
from verl.trainer.ppo.v1.trainer_colocate_async import PPOTrainerColocateAsync
from verl.trainer.ppo.v1.trainer_sync import PPOTrainerSync
from verl.utils import tensordict_utils

from executor.cluster.remote import RemoteExecutor
from ideator_rl.analysis.metrics_file import append_step
from ideator_rl.ideators.language_model.chat import chat_messages
from ideator_rl.ideators.language_model.marks import mark_breaker
from ideator_rl.rl.imitating_worker import ImitatingWorker
from ideator_rl.rl.objectives.step import Learning
from ideator_rl.rl.problems import LearntProblem, Problems
from ideator_rl.rl.step_metrics import step_times, verl_figures
from ideator_rl.rl.step_update import StepUpdate
from ideator_rl.rl.verl_config import OBJECTIVE

# verl polls every two seconds for a complete batch: on a CPU that is most of a step.
POLL_S = 0.1
_WATCH_S = 1.0


class IdeatorTrainer(PPOTrainer):
    """A trainer of verl's, observed. `metrics_path` is a local file."""

    def __init__(self, config: DictConfig, metrics_path: Path, problems: Problems) -> None:
        super().__init__(config)
        self._problems, self._learning = problems, problems.each[0].learning
        self._update: StepUpdate | None = None
        # Of the batch whose advantages are computed, by the place of an answer.
        self._answers: dict[int, Mapping[str, Any]] = {}
        register_adv_est(OBJECTIVE)(self._estimate)
        self.replay_buffer.poll_interval = POLL_S
        # Of several, any speaks for the actor of all.
        self._executor, self._metrics_path = problems.each[0].executor, metrics_path
        self._sampling_since = 0.0

    def on_init_end(self) -> None:
        without_marks = mark_breaker(self.tokenizer)
        for problem in self._problems.each:
            problem.show_earlier(self._fits, without_marks)
        if self._learning.entropy_hold or self._learning.imitation:
            self._update = self._open_update()
        self._executor.mark("weight sync")
        super().on_init_end()

    def step(self, metrics: dict[str, Any], timing_raw: dict[str, float]) -> Any:
        batch = super().step(metrics, timing_raw)
        limit, step = self._learning.executions, self.global_steps
        if limit is not None and self._problems.executed(step) >= limit:
            if step < self.total_training_steps and step % self.config.trainer.save_freq:
                self._save_checkpoint()
            # verl's loop ends with this step; it keeps a last step only if it knew of it before.
            self.total_training_steps = step
        return batch

    def on_step_begin(self) -> None:
        self._executor.mark("generate and execute")
        self._sampling_since = time.time()
        super().on_step_begin()

    def on_sample_end(self) -> None:
        self._executor.mark("update")
        super().on_sample_end()

    def _init_resource_pool_mgr(self) -> None:
        super()._init_resource_pool_mgr()
        if self._learning.imitation:
            for role in {Role.ActorRollout, Role.ActorRolloutRef} & self.role_worker_mapping.keys():
                self.role_worker_mapping[role] = ray.remote(ImitatingWorker)

    def _open_update(self) -> StepUpdate:
        without_marks = mark_breaker(self.tokenizer)
        template = self.config.data.get("apply_chat_template_kwargs", {})
        imitations = [
            found
            for problem in self._problems.each
            if (found := problem.imitation(self.tokenizer, self._fits, without_marks, template))
        ]
        return StepUpdate(self.config, self._learning, self._problems.run, imitations)

    def _fits(self, text: str) -> bool:
        """Whether a prompt is as short as the recipe wants it."""
        asked = self.tokenizer.apply_chat_template(
            chat_messages(text), add_generation_prompt=True, return_dict=False
        )
        return len(asked) <= self.config.data.max_prompt_length

    def _next_train_batch(self, num_prompts: int | None = None) -> Any:
        batch = super()._next_train_batch(num_prompts)
        step, rows = self.global_steps, [int(row) for row in batch["index"]]
        problems = [self._problems.of_group(step, row) for row in rows]
        asked = [one.prompt(step, row) for one, row in zip(problems, rows, strict=True)]
        fields: dict[str, list[Any]] = {
            "raw_prompt": [chat_messages(prompt.text) for prompt in asked],
            "parents": [list(prompt.parents) for prompt in asked],
            "base": [prompt.base for prompt in asked],
            "problem": [problem.name for problem in problems],
        }
        for name, values in fields.items():
            tensordict_utils.assign_non_tensor_stack(batch, name, values)
        return batch

    def _save_checkpoint(self) -> None:
        self._executor.mark("checkpoint")
        super()._save_checkpoint()

    def on_step_end(self) -> None:
        self._executor.mark("weight sync")
        super().on_step_end()

    def _compute_advantage(self, batch: Any, metrics: dict[str, Any]) -> Any:
        self._answers = dict(zip(_own_rows(batch), _infos(batch), strict=True))
        return super()._compute_advantage(batch, metrics)

    def _estimate(
        self,
        token_level_rewards: torch.Tensor,
        response_mask: torch.Tensor,
        index: np.ndarray,
        **_: Any,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """verl's contract of an estimator: rewards and mask are (B, T), `index` names groups. The
        advantage of an answer is that of each of its tokens; padding rows have none."""
        rows = list(self._answers)
        rewards_B = token_level_rewards.sum(dim=-1).double().numpy()[rows]
        uids = [str(index[row]) for row in rows]
        infos = list(self._answers.values())
        found_B = torch.zeros(len(response_mask))
        found_B[rows] = torch.from_numpy(self._problems.advantages(uids, infos, rewards_B)).float()
        advantages_BT = found_B.unsqueeze(-1) * response_mask
        return advantages_BT, advantages_BT

    def _update_actor(self, batch: Any, metrics: dict[str, Any]) -> Any:
        if self._update is not None:
            unseen = self._problems.unseen(list(self._answers.values()))
            self._update.begin(self.actor_rollout_wg, self.global_steps, unseen)
        return super()._update_actor(batch, metrics)

    def _compute_metrics(
        self,
        batch: Any,
        metrics: dict[str, Any],
        timing_raw: dict[str, float],
        global_steps: int,
        epoch: int,
    ) -> None:
        super()._compute_metrics(batch, metrics, timing_raw, global_steps, epoch)
        infos = _infos(batch)
        first = min(info["generated_at"] for info in infos)
        last = max(info["executed_at"] for info in infos)
        figures = {
            **self._problems.figures(global_steps, infos, self._metrics_path),
            **verl_figures(metrics),
            **step_times(infos, self._sampling_since, timing_raw),
            **(self._update.figures(self.actor_rollout_wg) if self._update else {}),
            "executor/busy": self._executor.busy(first, last),
        }
        metrics.update({f"ideator/{name}": value for name, value in figures.items()})
        append_step(self._metrics_path, global_steps, figures)
        lost = [info["detail"] for info in infos if info["lost"]]
        if len(lost) == len(infos):
            raise RuntimeError(f"every idea of step {global_steps} was lost: {lost[-1]}")


class SyncTrainer(IdeatorTrainer, PPOTrainerSync):
    """A step's ideas are written by the model that learns from them."""


class TurnsTrainer(SyncTrainer):
    """The trials of a step have the trainer's GPUs while its model sleeps; `turns` is the actor."""

    def __init__(self, turns: Any, *observed: Any) -> None:
        super().__init__(*observed)
        self._turns = turns

    def on_sample_begin(self) -> None:
        super().on_sample_begin()
        answers = self.config.data.train_batch_size * self.config.actor_rollout_ref.rollout.n
        ray.get(self._turns.written.remote(self.global_steps, answers))
        self.checkpoint_manager.sleep_replicas()
        self._executor.mark("execute")
        ray.get(self._turns.let_run.remote(self.global_steps))

    def on_sample_end(self) -> None:
        # The model sleeps already, and a second time is an error in CUDA.
        self._executor.mark("update")


class StaleTrainer(IdeatorTrainer, PPOTrainerColocateAsync):
    """The ideas of the next steps are written and executed while a step is learnt from."""


def _own_rows(batch: Any) -> list[int]:
    """The places of the answers; the others are padding."""
    return [row for row, tag in enumerate(batch.tags) if not tag.get("is_padding", False)]


def _infos(batch: Any) -> list[Mapping[str, Any]]:
    """The agent loop's record of each answer."""
    keys = [batch.keys[row] for row in _own_rows(batch)]
    data = tq.kv_batch_get(
        keys=keys, partition_id=batch.partition_id, select_fields=["extra_fields"]
    )
    return [extra["reward_extra_info"] for extra in data["extra_fields"]]


class TaskRunner:
    """verl's driver, an actor on Ray; there is one of `learnings` a problem. `run` returns after
    the last step, when all is written."""

    def __init__(
        self, executor: str, metrics_path: str, learnings: Sequence[Learning], turns: Any | None
    ) -> None:
        self._executor, self._metrics_path = executor, Path(metrics_path)
        self._learnings, self._turns = learnings, turns

    def run(self, config: DictConfig) -> None:
        config.transfer_queue.enable = True
        OmegaConf.resolve(config)
        tq.init(config.transfer_queue)
        try:
            trainer = self._trainer(config)
            trainer.init()
            manager = AgentLoopManagerTQ.create(
                config=config,
                llm_client=trainer.get_llm_client(),
                teacher_client=trainer.get_teacher_client(),
                reward_loop_worker_handles=trainer.get_reward_handles(),
            )
            others = [self._turns] if self._turns is not None else []
            _end_with(
                manager.agent_loop_workers + trainer.llm_server_manager.server_handles + others
            )
            trainer.fit(manager)
            trainer.logger.finish()
        finally:
            tq.close()

    def _trainer(self, config: DictConfig) -> IdeatorTrainer:
        each = [
            LearntProblem(learning, RemoteExecutor.connect(self._executor, learning.run))
            for learning in self._learnings
        ]
        v1, groups = config.trainer.v1, config.data.train_batch_size
        is_sync = v1.trainer_mode == "sync"
        staleness = 0 if is_sync else v1.colocate_async.num_warmup_batches
        observed = (config, self._metrics_path, Problems(each, groups, staleness))
        if self._turns is not None:
            return TurnsTrainer(self._turns, *observed)
        return (SyncTrainer if is_sync else StaleTrainer)(*observed)


def _end_with(actors: list[Any]) -> None:
    """Ends this process when one of `actors` dies: verl would wait for its answers for ever."""

    def watch() -> None:
        while True:
            try:
                ray.get([actor.__ray_ready__.remote() for actor in actors])
            except RayActorError:
                os._exit(1)
            time.sleep(_WATCH_S)

    threading.Thread(target=watch, daemon=True).start()
