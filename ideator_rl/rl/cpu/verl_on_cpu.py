"""verl 0.9 on machines without an accelerator: the one place that knows verl's insides.

verl imports this module in every process when VERL_USE_EXTERNAL_MODULES names it, which a launcher
sees to (`hardware.VERL_ON_CPU`) and nobody else should. What it adds to verl:

- a platform `cpu` (verl's public registry), with gloo for communication and no device memory,
- the rollout `transformers` (verl's public registry of replicas, and its table of adapters),
- gloo alone where verl would ask for it twice, and host memory that is not pinned,
- what vLLM's build for processors needs, see `vllm_on_cpu.py`.

`SEAMS` lists what is touched; a test checks each against the verl that is installed.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

import torch
from torch.distributed.fsdp import CPUOffloadPolicy
from verl.plugin.platform import PlatformBase, PlatformRegistry

from ideator_rl.rl.cpu import vllm_on_cpu

# Module and attribute of verl that this module replaces or fills.
SEAMS = (
    ("verl.utils.distributed", "initialize_global_process_group_ray"),
    ("verl.workers.engine.fsdp.transformer_impl", "CPUOffloadPolicy"),
    ("verl.workers.rollout.base", "_ROLLOUT_REGISTRY"),
    ("verl.workers.rollout.replica", "RolloutReplicaRegistry"),
)


class _CpuDevice(ModuleType):
    """What verl asks of `torch.cuda`, answered for a processor: it has no memory of its own."""

    Event = torch.Event
    Stream = torch.cpu.Stream
    stream = staticmethod(torch.cpu.stream)
    current_stream = staticmethod(torch.cpu.current_stream)
    synchronize = staticmethod(torch.cpu.synchronize)
    manual_seed = manual_seed_all = staticmethod(torch.manual_seed)
    get_rng_state = staticmethod(torch.get_rng_state)
    set_rng_state = staticmethod(torch.set_rng_state)

    @staticmethod
    def is_available() -> bool:
        return True

    @staticmethod
    def device_count() -> int:
        return 1

    @staticmethod
    def current_device() -> str:
        return "cpu"

    @staticmethod
    def set_device(_device: object) -> None:
        pass

    @staticmethod
    def empty_cache() -> None:
        pass

    @staticmethod
    def get_device_name(_device: object = None) -> str:
        return "cpu"

    @staticmethod
    def memory_allocated(_device: object = None) -> int:
        return 0

    memory_reserved = max_memory_allocated = max_memory_reserved = memory_allocated

    @staticmethod
    def mem_get_info(_device: object = None) -> tuple[int, int]:
        return 0, 1


@PlatformRegistry.register(platform="cpu")
class CpuPlatform(PlatformBase):
    """Host processors as verl's accelerator; one a Ray node, counted as one logical GPU."""

    device_name = "cpu"
    vendor_name = "cpu"
    device_module = _CpuDevice("cpu")

    def is_available(self) -> bool:
        return True

    def current_device(self) -> str:  # type: ignore[override]
        # verl calls tensor.to(current_device()): an index would mean an accelerator.
        return "cpu"

    def device_count(self) -> int:
        return 1

    def set_device(self, device_index: int) -> None:
        pass

    def synchronize(self, device_index: int | None = None) -> None:
        pass

    def manual_seed(self, seed: int) -> None:
        torch.manual_seed(seed)

    def manual_seed_all(self, seed: int) -> None:
        torch.manual_seed(seed)

    def set_allocator_settings(self, settings: str) -> None:
        pass

    def empty_cache(self) -> None:
        pass

    def get_device_capability(self, device_index: int = 0) -> tuple[int | None, int | None]:
        return None, None

    def communication_backend_name(self) -> str:
        return "gloo"

    def visible_devices_envvar(self) -> str:
        return "CUDA_VISIBLE_DEVICES"

    @contextmanager
    def nvtx_range(self, msg: str) -> Iterator[None]:
        yield

    def profiler_start(self) -> None:
        pass

    def profiler_stop(self) -> None:
        pass

    def ray_resource_name(self) -> str:
        # verl counts accelerators under this name alone; the launcher gives Ray a logical one.
        return "GPU"

    def ray_noset_envvars(self) -> list[str]:
        return []

    def is_ipc_supported(self) -> bool:
        return False

    def cudart(self) -> Any:
        return None


def _start_one_gloo(start: Callable[..., None]) -> Callable[..., None]:
    """verl would ask torch for "cpu:gloo,cpu:gloo", which is refused; it takes the one to use."""

    def started(timeout_second: int | None = None, backend: str | None = None) -> None:
        # The first thing that a training worker does, before it builds engines: pinned host memory
        # needs an accelerator to be pinned for.
        engine: Any = importlib.import_module("verl.workers.engine.fsdp.transformer_impl")
        engine.CPUOffloadPolicy = lambda pin_memory: CPUOffloadPolicy(pin_memory=False)
        start(timeout_second=timeout_second, backend="cpu:gloo")

    return started


def _install() -> None:
    distributed: Any = importlib.import_module("verl.utils.distributed")
    distributed.initialize_global_process_group_ray = _start_one_gloo(
        distributed.initialize_global_process_group_ray
    )
    rollout = "ideator_rl.rl.cpu.transformers_rollout"
    base = importlib.import_module("verl.workers.rollout.base")
    base._ROLLOUT_REGISTRY["transformers", "async"] = f"{rollout}.WeightSender"
    replica = importlib.import_module("verl.workers.rollout.replica")
    replica.RolloutReplicaRegistry.register(
        "transformers", lambda: importlib.import_module(rollout).TransformersReplica
    )
    vllm_on_cpu.install()


_install()
