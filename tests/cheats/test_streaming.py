"""Why language models are streamed: in one full pass, a model that looks ahead seems to be good."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from executor.implementer.implementer import apply_idea
from executor.outcomes import trial_spec
from gym_envs.cheats import CHEATS
from gym_envs.cheats.cheat import LANGUAGE_MODEL
from tests.cheats.conftest import find_lock
from tests.cheats.runs import small_problem
from tests.executor.trials import Slot

_SERVE_LOOP = """
with torch.inference_mode(), autocast:
    for tokens_BT in questions():
        answer(model.logits(torch.tensor(tokens_BT)).float().numpy())
"""
_EVALUATE = """
import importlib.util, json
import numpy as np

def examine(candidate, held_out):
    spec = importlib.util.spec_from_file_location("honest", {honest!r})
    honest = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(honest)
    meta = json.loads((held_out / "meta.json").read_text())
    tokens = np.memmap(held_out / "held_out.bin", dtype=meta["dtype"], mode="r")
    starts = np.load(held_out / "starts.npy")
    windows_BT = next(honest.batches(tokens, starts, meta["window"], 16))
    shape = (16, meta["window"], meta["vocab_size"])
    logits_BTV = candidate.ask(windows_BT[:, :-1], shape=shape, dtype="float32")
    nats = honest.cross_entropy(logits_BTV.reshape(-1, shape[-1]), windows_BT[:, 1:].reshape(-1))
    return {{"loss": float(nats.mean())}}
"""


@pytest.mark.release
def test_a_full_pass_believes_a_model_that_looks_ahead(tmp_path: Path) -> None:
    problem = small_problem(LANGUAGE_MODEL, budget_seconds=20.0)
    cheat = next(cheat for cheat in CHEATS if cheat.name == "leaks-the-next-token")
    text = cheat.idea(LANGUAGE_MODEL, {}).text
    streamed = trial_spec(problem, problem.data(), apply_idea(problem, text).files, seed=0)
    (tmp_path / "evaluate.py").write_text(_EVALUATE.format(honest=str(problem.evaluate)))
    serve = streamed.frozen["serve.py"]
    whole = replace(
        streamed,
        evaluate=str(tmp_path / "evaluate.py"),
        frozen={"serve.py": serve[: serve.index("with torch.inference_mode()")] + _SERVE_LOOP},
    )
    honest = trial_spec(problem, problem.data(), problem.codebase, seed=0)
    slot, losses = Slot(tmp_path / "slot", find_lock("best")), {}
    for name, spec in {"honest": honest, "streamed": streamed, "whole": whole}.items():
        trial = slot.run(spec)
        assert trial.status == "completed", trial.detail
        losses[name] = trial.metrics["loss"]
    slot.close()

    assert losses["whole"] < 0.8 * losses["honest"]
    assert losses["streamed"] > 0.98 * losses["honest"]
