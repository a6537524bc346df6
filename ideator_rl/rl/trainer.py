"""verl's synchronous trainer, unchanged, with per-step metrics and a record of its stage.

`TaskRunner` is what `verl.trainer.main_ppo.run_ppo` starts on Ray; it runs `IdeatorTrainer`, which
adds nothing to the algorithm: it marks stages at the executor, so that a launcher can tell which
one hangs, and writes one line of `metrics.jsonl` a step.
"""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path
from typing import Any

import ray
import transfer_queue as tq
from omegaconf import DictConfig, OmegaConf
from ray.exceptions import RayActorError
from verl.trainer.ppo.v1 import AgentLoopManagerTQ
from verl.trainer.ppo.v1.trainer_sync import PPOTrainerSync

from executor.cluster.remote import RemoteExecutor
from ideator_rl.analysis.metrics_file import append_step, best_before
from ideator_rl.rl.step_metrics import step_metrics, step_times, verl_figures

# verl polls every two seconds for a complete batch: on a CPU that is most of a step.
POLL_S = 0.1
_WATCH_S = 1.0


class IdeatorTrainer(PPOTrainerSync):
    """PPOTrainerSync, observed. `executor` is the run's, `metrics_path` a local file."""

    def __init__(self, config: DictConfig, executor: RemoteExecutor, metrics_path: Path) -> None:
        super().__init__(config)
        self.replay_buffer.poll_interval = POLL_S
        self._executor, self._metrics_path = executor, metrics_path
        self._sampling_since = 0.0

    def on_init_end(self) -> None:
        self._executor.mark("weight sync")
        super().on_init_end()

    def on_step_begin(self) -> None:
        self._executor.mark("generate and execute")
        self._sampling_since = time.time()
        super().on_step_begin()

    def on_sample_end(self) -> None:
        self._executor.mark("update")
        super().on_sample_end()

    def _save_checkpoint(self) -> None:
        self._executor.mark("checkpoint")
        super()._save_checkpoint()

    def on_step_end(self) -> None:
        self._executor.mark("weight sync")
        super().on_step_end()

    def _compute_metrics(
        self,
        batch: Any,
        metrics: dict[str, Any],
        timing_raw: dict[str, float],
        global_steps: int,
        epoch: int,
    ) -> None:
        super()._compute_metrics(batch, metrics, timing_raw, global_steps, epoch)
        own = [
            key
            for key, tag in zip(batch.keys, batch.tags, strict=True)
            if not tag.get("is_padding", False)
        ]
        data = tq.kv_batch_get(
            keys=own, partition_id=batch.partition_id, select_fields=["extra_fields"]
        )
        infos = [extra["reward_extra_info"] for extra in data["extra_fields"]]
        first = min(info["generated_at"] for info in infos)
        last = max(info["executed_at"] for info in infos)
        figures = {
            **step_metrics(infos, best_before(self._metrics_path, global_steps)),
            **verl_figures(metrics),
            **step_times(infos, self._sampling_since, timing_raw),
            "executor/busy": self._executor.busy(first, last),
        }
        metrics.update({f"ideator/{name}": value for name, value in figures.items()})
        append_step(self._metrics_path, global_steps, figures)
        lost = [info["detail"] for info in infos if info["lost"]]
        if len(lost) == len(infos):
            raise RuntimeError(f"every idea of step {global_steps} was lost: {lost[-1]}")


class TaskRunner:
    """verl's driver, an actor on Ray. `run` returns after the last step, when all is written."""

    def __init__(self, executor: str, metrics_path: str) -> None:
        self._executor, self._metrics_path = executor, Path(metrics_path)

    def run(self, config: DictConfig) -> None:
        config.transfer_queue.enable = True
        OmegaConf.resolve(config)
        tq.init(config.transfer_queue)
        try:
            trainer = IdeatorTrainer(
                config, RemoteExecutor.connect(self._executor), self._metrics_path
            )
            trainer.init()
            manager = AgentLoopManagerTQ.create(
                config=config,
                llm_client=trainer.get_llm_client(),
                teacher_client=trainer.get_teacher_client(),
                reward_loop_worker_handles=trainer.get_reward_handles(),
            )
            _end_with(manager.agent_loop_workers + trainer.llm_server_manager.server_handles)
            trainer.fit(manager)
            trainer.logger.finish()
        finally:
            tq.close()


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
