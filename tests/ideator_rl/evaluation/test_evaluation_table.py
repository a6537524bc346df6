"""The table that ends an evaluation: names of models stay readable in narrow columns."""

from __future__ import annotations

import pytest

from ideator_rl.evaluation.table import NAME_WIDTH, broken


@pytest.mark.parametrize(
    "name",
    ["digits-grpo-qwen3_tiny-seed0", "org/Some-Model-1.5B-Instruct", "short", "", "x" * 50],
)
def test_a_models_name_breaks_behind_separators_only(name: str) -> None:
    lines = broken(name).split("\n")
    assert "".join(lines) == name
    assert all(line[-1] in "-/_. " for line in lines[:-1])
    assert all(len(line) <= NAME_WIDTH for line in lines) or set(name) == {"x"}
