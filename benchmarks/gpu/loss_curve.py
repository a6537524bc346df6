"""The loss curve of a short trial of nanogpt-1gpu, and what its examination says of the model."""

from __future__ import annotations

import importlib.util
import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np

from executor.data.prepared import PreparedData

from gpu import trials
from gpu.setting import Figure, Section, Setting

# A short examination: as many windows as answer in seconds.
_WINDOWS = 128
# Every step says its loss; and in a short run the first one, which compiles, ends nothing.
_CHANGES = {
    "    before, progress = progress, budget_progress()\n": (
        "    before, progress = progress, budget_progress()\n"
        "    if rank == 0:\n"
        "        spent = clock() - started\n"
        '        print(f"curve {spent:.3f} {step} {float(mean_loss):.4f}", flush=True)\n'
    ),
    "    step_share = progress - before\n": (
        "    step_share = progress - before if step > 1 else 0.0\n"
    ),
}
# A small run takes this many steps, however slow the machine is.
_LOOP = "while progress + step_share < 1.0:  # as long as one more step fits\n"
_TINY = _CHANGES | {_LOOP: "while step < 20:\n"}
_LINE = re.compile(r"^curve ([0-9.]+) (\d+) ([0-9.]+)$", re.MULTILINE)


def measure(at: Setting, data: PreparedData) -> Section:
    problem = trials.nanogpt(at, warmup_steps=4 if at.tiny else 20)
    seconds = at.left() if at.tiny else max(30.0, min(240.0, at.left() - 45.0))
    changes = _TINY if at.tiny else _CHANGES
    files = {"train.py": trials.changed(problem.codebase["train.py"], changes)}
    few = few_windows(data, at.work / "few_windows", 8 if at.tiny else _WINDOWS)
    trial = trials.run(at, trials.spec_of(at, problem, few, files, seconds), "loss_curve")
    curve = [[float(s), int(step), float(loss)] for s, step, loss in _LINE.findall(trial.log)]
    (at.out / "loss_curve.json").write_text(json.dumps(curve))
    trials.expect(trial, "loss_curve")
    first, last = curve[0], curve[-1]
    figures = [
        Figure("training loss, first step and last", f"{first[2]:.3f} -> {last[2]:.3f}", "falls"),
        Figure("held-out loss, examined", f"{trial.metrics['loss']:.3f}"),
        Figure("steps", f"{last[1]}"),
        Figure("first step of the trial, compiling", f"{first[0]:.1f} s"),
        Figure("most memory of the host", f"{trial.memory_mib / 1024:.1f} GiB"),
    ]
    length = f"{last[1]} steps" if at.tiny else f"{seconds:.0f} s of the budget's 1,500 s"
    remarks = [f"{length}, on tokens made by the benchmark"]
    if importlib.util.find_spec("matplotlib"):
        draw(curve, at.out / "loss_curve.svg")
    else:
        remarks.append("no picture: matplotlib is not installed")
    return Section(figures, remarks, {**trial.metrics, "curve": curve})


def few_windows(data: PreparedData, folder: Path, windows: int) -> PreparedData:
    """The same data with the first `windows` windows to be examined."""
    assert data.held_out
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(data.held_out, folder)
    np.save(folder / "starts.npy", np.load(folder / "starts.npy")[:windows])
    return replace(data, held_out=folder)


def draw(curve: list[list[float]], path: Path) -> None:
    import matplotlib

    matplotlib.use("svg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(7, 3.5))
    axes.plot([point[0] for point in curve], [point[2] for point in curve])
    axes.set(xlabel="seconds of the budget", ylabel="training loss, nats a token")
    axes.grid(alpha=0.3)
    figure.savefig(path, bbox_inches="tight")
    pyplot.close(figure)
