"""Gymnasium knows the research problems, whichever of the two packages is imported first."""

from __future__ import annotations

import subprocess
import sys

import pytest


def printed(code: str) -> str:
    """What a fresh interpreter prints."""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout


@pytest.mark.parametrize("order", ["gym_envs, gymnasium", "gymnasium, gym_envs"])
def test_importing_registers_in_any_order(order: str) -> None:
    assert printed(f"import {order}; print(gymnasium.spec('research/Digits-v0').id)") == (
        "research/Digits-v0\n"
    )


def test_who_asks_whether_gymnasium_is_there_imports_and_changes_nothing() -> None:
    code = """
import importlib.util, sys, gym_envs
print(importlib.util.find_spec("gymnasium").name, "gymnasium" in sys.modules)
import gymnasium
print("research/Digits-v0" in gymnasium.registry)
print([finder for finder in sys.meta_path if type(finder).__module__.startswith("gym_envs")])
"""
    assert printed(code) == "gymnasium False\nTrue\n[]\n"


def test_a_search_starts_without_what_its_first_trial_does_not_need() -> None:
    code = """
import sys, ideator_rl.cli
ideator_rl.cli.build_parser(["search"])
print(sorted({"anthropic", "gymnasium", "numpy", "openai", "rich", "torch"} & sys.modules.keys()))
"""
    assert printed(code) == "[]\n"
