"""verl's rollout through plain transformers, for machines without an accelerator.

    actor_rollout_ref.rollout.name: transformers

One server an accelerator of verl's, a Ray actor with a copy of the model. Requests that arrive
together are one batch; each is answered as soon as its own text ends. After every step the training
worker sends its weights through Ray's object store.
"""

from __future__ import annotations

import asyncio
import os
import random
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import Any

import ray
import torch
from omegaconf import DictConfig
from transformers import AutoModelForCausalLM
from verl.utils.config import omega_conf_to_dataclass
from verl.workers.config import RolloutConfig
from verl.workers.rollout.base import BaseRollout
from verl.workers.rollout.replica import RolloutReplica, TokenOutput

from ideator_rl.ideators.language_model.sampling import Asked, sample

# How long a batch waits for its last requests, in seconds.
GATHER_S = 0.05


@dataclass
class _WaitingRequest:
    asked: Asked
    temperature: float
    answer: asyncio.Future[TokenOutput]


class TransformersServer:
    """A model that answers requests; a Ray actor, on one event loop."""

    def __init__(self, config: RolloutConfig, model_config: DictConfig) -> None:
        torch.set_num_threads(len(os.sched_getaffinity(0)))
        self._config = config
        model = omega_conf_to_dataclass(model_config)
        self._model = AutoModelForCausalLM.from_config(
            model.hf_config, attn_implementation="sdpa", dtype=torch.float32
        ).eval()
        tokenizer, ends = model.tokenizer, model.generation_config
        stop = ends.eos_token_id if ends and ends.eos_token_id else tokenizer.eos_token_id
        self._stop = {stop} if isinstance(stop, int) else set(stop)
        self._pad = tokenizer.pad_token_id
        self._seeds = random.Random(config.seed)
        self._steps: int | None = None
        self._waiting: list[_WaitingRequest] = []
        self._serving: asyncio.Task[None] | None = None
        self._model_in_use = asyncio.Lock()

    async def load(self, weights: dict[str, torch.Tensor], global_steps: int | None) -> None:
        """Takes the weights of a step. Raises RuntimeError when they are not this model's."""
        async with self._model_in_use:
            left = self._model.load_state_dict(weights, strict=False)
            # Tied weights come once.
            tied = set(getattr(self._model, "all_tied_weights_keys", ()))
            missing = set(left.missing_keys) - tied
            if left.unexpected_keys or missing:
                raise RuntimeError(
                    f"weight sync: {left.unexpected_keys} unknown, {missing} missing"
                )
            self._steps = global_steps

    async def generate(
        self, prompt_ids: Sequence[int], sampling_params: dict[str, Any], **_: Any
    ) -> TokenOutput:
        """One answer, with the log-probabilities of its tokens."""
        room = self._config.prompt_length + self._config.response_length - len(prompt_ids)
        most = sampling_params.get("max_tokens") or self._config.response_length
        seed = sampling_params.get("seed")
        if seed is None:
            seed = self._seeds.getrandbits(63)
        request = _WaitingRequest(
            Asked(list(prompt_ids), max(1, min(most, room)), seed),
            sampling_params["temperature"],
            asyncio.get_running_loop().create_future(),
        )
        self._waiting.append(request)
        if self._serving is None:
            self._serving = asyncio.create_task(self._serve())
        return await request.answer

    async def _serve(self) -> None:
        while self._waiting:
            await asyncio.sleep(GATHER_S)
            temperature = self._waiting[0].temperature
            batch = [r for r in self._waiting if r.temperature == temperature]
            batch = batch[: self._config.max_num_seqs]
            self._waiting = [r for r in self._waiting if r not in batch]
            async with self._model_in_use:
                try:
                    await asyncio.to_thread(self._run, batch, asyncio.get_running_loop())
                except Exception as error:
                    for request in batch:
                        if not request.answer.done():
                            request.answer.set_exception(error)
        self._serving = None

    def _run(self, batch: list[_WaitingRequest], loop: asyncio.AbstractEventLoop) -> None:
        answers = sample(
            self._model,
            [request.asked for request in batch],
            stop=self._stop,
            pad=self._pad,
            temperature=batch[0].temperature,
        )
        for row, tokens, log_probs in answers:
            output = TokenOutput(
                token_ids=tokens,
                log_probs=log_probs,
                stop_reason="completed",
                extra_fields={"global_steps": self._steps},
            )
            loop.call_soon_threadsafe(batch[row].answer.set_result, output)

    async def idle(self, **_: Any) -> None:
        """Sleeping, waking and dropping caches: there is no device memory to give back."""

    wake_up = sleep = clear_kv_cache = release_kv_cache = resume_kv_cache = idle
    abort_all_requests = resume_generation = start_profile = stop_profile = idle


class TransformersReplica(RolloutReplica):
    """Starts the server of one training worker, on its node."""

    async def launch_servers(self) -> None:
        (worker,) = self.workers
        node = await worker.__ray_call__.remote(lambda _: ray.get_runtime_context().get_node_id())
        strategy = ray.util.scheduling_strategies.NodeAffinitySchedulingStrategy(node, soft=False)
        server = (
            ray.remote(TransformersServer)
            .options(
                name=_server_name(self.replica_rank),
                num_cpus=0,
                max_concurrency=self.max_concurrency,
                scheduling_strategy=strategy,
            )
            .remote(self.config, self.model_config)
        )
        await server.idle.remote()
        self.servers = [server]
        self._server_handle, self._server_address = server, _server_name(self.replica_rank)


class WeightSender(BaseRollout):
    """The training worker's end: sends each step's weights to its server."""

    def __init__(self, config: Any, model_config: Any, device_mesh: Any) -> None:
        super().__init__(config, model_config, device_mesh)
        self._rank = int(os.environ["RANK"])

    async def update_weights(
        self,
        weights: Generator[tuple[str, torch.Tensor], None, None],
        wire_format: str = "named_tensors",
        global_steps: int | None = None,
        **_: Any,
    ) -> None:
        server = ray.get_actor(_server_name(self._rank))
        named = {name: tensor.detach().cpu().float() for name, tensor in weights}
        await server.load.remote(named, global_steps)

    async def resume(self, tags: list[str]) -> None:
        pass

    async def release(self) -> None:
        pass


def _server_name(rank: int) -> str:
    return f"transformers_server_{rank}"
