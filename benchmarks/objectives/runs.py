"""One run of the study: trains or searches by the commands that users have, then measures.

figures = Study("demand", "store/objectives", slots=2).run("grpo", ARMS["grpo"], seed=0)
"""

from __future__ import annotations

import json
import re
import statistics
import time
from pathlib import Path
from typing import Any

from executor import Store
from executor.errors import UserError
from ideator_rl.analysis import load_run
from objectives.arms import EXECUTIONS, RATES, STEPS, TUNING_ENV, Arm
from objectives.command import call
from objectives.confirm import confirm
from objectives.figures import Figures, figures_of, first_executions
from objectives.results import Results

ROOT = Path(__file__).resolve().parents[2]
POLICY_IDEAS = 64


def search_keys(arm: Arm, model: str | None) -> dict[str, Any]:
    """The keys of a search: of the library's ideas, or of those that a model writes."""
    keys: dict[str, Any] = {"confirm.top": 0}
    if model is not None:
        keys |= {"search.method": "best_of_n", "search.pipeline": "continuous"}
        keys |= {"ideator.kind": "checkpoint", "ideator.model": model}
    return {**keys, **arm.keys}


class Study:
    """The runs on one problem, in a folder of their own below `store`."""

    def __init__(self, env: str, store: str, slots: int | None) -> None:
        self._env, self._store = env, str(Path(store, env).absolute())
        self._slots = {"executor.slots": str(slots)} if slots else {}
        self._recipes = ROOT / "recipes" / env.replace("-", "_")

    def rate(self, docs: Path, arm: Arm) -> float | None:
        """The learning rate of an arm: with the best confirmed ideas in the tuning. Raises
        UserError where there is none yet."""
        if arm.kind != "train":
            return None
        tuned = Results(docs / f"{TUNING_ENV}-tuning.jsonl").all()
        found = {
            rate: [one.confirmed.reward for one in tuned if one.arm == f"{arm.like} {rate:g}"]
            for rate in RATES
        }
        if not all(found.values()):
            raise UserError(f"the learning rates come first: run --env {TUNING_ENV} --tune")
        return max(RATES, key=lambda rate: statistics.fmean(found[rate]))

    def run(self, name: str, arm: Arm, seed: int) -> Figures:
        """Raises UserError where a command fails."""
        began = time.monotonic()
        run = re.sub(r"[^a-z0-9.]+", "-", f"{name.lower()}-seed{seed}")
        print(f"{self._env}/{run}", flush=True)
        policy: dict[int, float] = {}
        if arm.kind == "train":
            self._train(run, arm, seed)
            policy = self._policy(run, seed)
        else:
            self._search(run, arm, seed)
        data = load_run(Store(self._store).run(run))
        executed = first_executions(data)[:EXECUTIONS]
        confirmed = confirm(self._env, self._store, run, executed)
        figures = figures_of(
            name, seed, data, executed, confirmed, policy, time.monotonic() - began
        )
        print(f"  best {figures.best:.4f}, confirmed {confirmed.reward:.4f}", flush=True)
        return figures

    def _train(self, run: str, arm: Arm, seed: int) -> None:
        keys: dict[str, Any] = {"steps": STEPS, "executions": EXECUTIONS, **arm.keys}
        keys["checkpoint.every"] = STEPS
        model = {"model.path": self._warm_start(), "model.warm_start": "null"}
        self._command("train", "grpo", run, seed, keys | model)

    def _search(self, run: str, arm: Arm, seed: int) -> None:
        """Some ideas become no code, or a codebase that ran before: as many more are asked for."""
        model = self._warm_start() if arm.kind == "sample" else None
        keys = search_keys(arm, model)
        ideas, executed = self._so_far(run)
        while executed < EXECUTIONS:
            asked = ideas + max(64, EXECUTIONS - executed)
            self._command("search", "search", run, seed, keys | {"budget.ideas": asked})
            before, (ideas, executed) = ideas, self._so_far(run)
            if ideas == before:
                return

    def _so_far(self, run: str) -> tuple[int, int]:
        """The ideas of a run, an interrupted one's too, and how many codebases of them ran."""
        store = Store(self._store)
        if run not in store.runs():
            return 0, 0
        data = load_run(store.run(run))
        return len(data.ideas) + data.unfinished, len(first_executions(data))

    def _policy(self, run: str, seed: int) -> dict[int, float]:
        """best@k of what a training has made, on seeds that it never saw."""
        out = f"{self._store}/runs/{run}-policy"
        words = ["evaluate", "--env", self._env, "--model", f"{self._store}/runs/{run}/model"]
        words += ["--out", out, "-n", str(POLICY_IDEAS), "--seed", str(seed), "--json"]
        slots = [word for key, value in self._slots.items() for word in (f"--{key}", value)]
        found = json.loads(call("ideator_rl", *words, *slots))
        return {int(k): value for k, value in found["rows"][0]["best_at_k"].items()}

    def _warm_start(self) -> str:
        """The model that all arms start from, made once."""
        recipe = self._recipes / "sft" / "config_long.yaml"
        keys = ("--run", "warm-start", "--store", self._store)
        call("ideator_rl.sft.warm_start", "--config", str(recipe), *keys)
        return f"{self._store}/runs/warm-start/model"

    def _command(self, command: str, kind: str, run: str, seed: int, keys: dict[str, Any]) -> None:
        name = "config_long.yaml" if kind == "grpo" else "config_evolution.yaml"
        recipe = self._recipes / kind / name
        own = {"run": run, "store": self._store, "seed": seed, **self._slots, **keys}
        words = [word for key, value in own.items() for word in (f"--{key}", str(value))]
        call("ideator_rl", command, "--config", str(recipe), *words)
