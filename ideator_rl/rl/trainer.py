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
from collections.abc import Mapping
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

from executor import Store
from executor.cluster.remote import RemoteExecutor
from ideator_rl.analysis.metrics_file import append_step, best_before
from ideator_rl.ideators.archive import Archive
from ideator_rl.ideators.language_model.chat import chat_messages
from ideator_rl.ideators.language_model.marks import mark_breaker
from ideator_rl.rl.imitated_answers import AnswerMaker
from ideator_rl.rl.imitating_worker import ImitatingWorker
from ideator_rl.rl.objectives.step import Learning, StepAdvantages
from ideator_rl.rl.step_kinds import step_kinds
from ideator_rl.rl.step_metrics import step_metrics, step_times, verl_figures
from ideator_rl.rl.step_prompts import StepPrompts
from ideator_rl.rl.step_update import StepUpdate
from ideator_rl.rl.verl_config import OBJECTIVE

# verl polls every two seconds for a complete batch: on a CPU that is most of a step.
POLL_S = 0.1
_WATCH_S = 1.0


class IdeatorTrainer(PPOTrainer):
    """A trainer of verl's, observed. `executor` is the run's, `metrics_path` a local file."""

    def __init__(
        self, config: DictConfig, executor: RemoteExecutor, metrics_path: Path, learning: Learning
    ) -> None:
        super().__init__(config)
        self._step, self._learning = StepAdvantages(learning, executor), learning
        self._prompts: StepPrompts | None = None
        self._update: StepUpdate | None = None
        # Of the batch whose advantages are computed, by the place of an answer.
        self._answers: dict[int, Mapping[str, Any]] = {}
        register_adv_est(OBJECTIVE)(self._estimate)
        self.replay_buffer.poll_interval = POLL_S
        self._executor, self._metrics_path = executor, metrics_path
        self._run = Store(learning.store).run(learning.run)
        self._sampling_since = 0.0

    def on_init_end(self) -> None:
        if self._learning.prompts.kind != "fixed":
            self._prompts = self._open_prompts()
        if self._learning.entropy_hold or self._learning.imitation:
            self._update = self._open_update()
        self._executor.mark("weight sync")
        super().on_init_end()

    def step(self, metrics: dict[str, Any], timing_raw: dict[str, float]) -> Any:
        batch = super().step(metrics, timing_raw)
        limit, step = self._learning.executions, self.global_steps
        if limit is not None and self._step.executed(step) >= limit:
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

    def _open_prompts(self) -> StepPrompts:
        learning, without_marks = self._learning, mark_breaker(self.tokenizer)
        return StepPrompts(
            learning.prompts, self._run, learning.seeds[0], self._fits, without_marks
        )

    def _open_update(self) -> StepUpdate:
        learning, archive = self._learning, Archive(self._run)
        if self._prompts is not None:
            archive = self._prompts.archive
        maker = AnswerMaker(
            self.tokenizer,
            learning.first_prompt,
            archive.ideas,
            self._fits,
            mark_breaker(self.tokenizer),
            learning.longest,
            **self.config.data.get("apply_chat_template_kwargs", {}),
        )
        return StepUpdate(self.config, learning, self._run, archive, maker)

    def _fits(self, text: str) -> bool:
        """Whether a prompt is as short as the recipe wants it."""
        asked = self.tokenizer.apply_chat_template(
            chat_messages(text), add_generation_prompt=True, return_dict=False
        )
        return len(asked) <= self.config.data.max_prompt_length

    def _next_train_batch(self, num_prompts: int | None = None) -> Any:
        batch = super()._next_train_batch(num_prompts)
        if self._prompts is None:
            return batch
        firsts = [messages[0]["content"] for messages in batch["raw_prompt"]]
        asked = [
            self._prompts.prompt(self.global_steps, int(index), first)
            for index, first in zip(batch["index"], firsts, strict=True)
        ]
        messages = [chat_messages(prompt.text) for prompt in asked]
        tensordict_utils.assign_non_tensor_stack(batch, "raw_prompt", messages)
        shown = [list(prompt.shown) for prompt in asked]
        tensordict_utils.assign_non_tensor_stack(batch, "shown", shown)
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
        found_B[rows] = torch.from_numpy(self._step.advantages(uids, infos, rewards_B)).float()
        advantages_BT = found_B.unsqueeze(-1) * response_mask
        return advantages_BT, advantages_BT

    def _update_actor(self, batch: Any, metrics: dict[str, Any]) -> Any:
        if self._update is not None:
            unseen = self._step.unseen(list(self._answers.values()))
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
            **step_metrics(infos, best_before(self._metrics_path, global_steps)),
            **step_kinds(self._run, self._executor.problem.codebase, infos),
            **verl_figures(metrics),
            **step_times(infos, self._sampling_since, timing_raw),
            **(self._update.figures(self.actor_rollout_wg) if self._update else {}),
            "codebases/new": self._step.new(infos),
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
    """verl's driver, an actor on Ray. `run` returns after the last step, when all is written."""

    def __init__(
        self, executor: str, metrics_path: str, learning: Learning, turns: Any | None
    ) -> None:
        self._executor, self._metrics_path = executor, Path(metrics_path)
        self._learning, self._turns = learning, turns

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
        executor = RemoteExecutor.connect(self._executor)
        observed = (config, executor, self._metrics_path, self._learning)
        if self._turns is not None:
            return TurnsTrainer(self._turns, *observed)
        is_sync = config.trainer.v1.trainer_mode == "sync"
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
