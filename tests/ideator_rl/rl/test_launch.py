"""A training that is refused at its start."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.ideator_rl.command_line import in_process, make_workplace

pytest.importorskip("verl")


def test_what_is_refused_leaves_no_run(tmp_path: Path) -> None:
    make_workplace(tmp_path)
    recipe = Path("recipes/digits/grpo/config_qwen3_tiny.yaml").absolute()
    words = ["--env", f"{tmp_path}/tiny", "--executor.sandbox", "best-effort", "--run", "first"]
    for earlier in (False, True):
        if earlier:
            (tmp_path / "store/runs/first").mkdir()
        told = in_process(
            tmp_path, "train", "--config", str(recipe), *words, "--imitation.from", "nowhere"
        )
        assert told.code == 2 and "imitation.from: " in told.err.splitlines()[-1]
        assert (tmp_path / "store/runs/first").exists() is earlier
