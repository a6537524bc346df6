"""CUDA and torch.compile inside the sandbox: what starts, how long the first step takes, cold and
with what an earlier process of the trial has cached, and which system calls the box refused."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from executor.data.prepared import PreparedData
from executor.text.outside_text import clean_line

from gpu import trials
from gpu.refused_calls import refused_calls
from gpu.setting import Figure, Section, Setting

_FIRST_STEPS = Path(__file__).with_name("first_steps.py")
MODEL = "torch.compile of the model, first step"
_LINE = re.compile(r"^stage (\{.*\})$", re.MULTILINE)
# The training of the trial: the same stages twice, the second time with the caches of the first.
_TWICE = """
import os, subprocess, sys
for kind in ("cold", "warm"):
    print("round", kind, flush=True)
    done = subprocess.run([sys.executable, "first_steps.py"], env={**os.environ, **ENV})
    print("ended with", done.returncode, flush=True)
os.mkdir("candidate")
"""


def measure(at: Setting) -> Section:
    tiny = {"compile": True, "n_layer": 1} if at.tiny else {}
    problem = trials.nanogpt(at, **tiny)
    env = {"DEVICE": "cuda" if at.cuda else "cpu", "STAGES": "all"}
    # To compile for a processor takes longer than all the rest of a dry run.
    env["BACKEND"] = "eager" if at.tiny else "inductor"
    steps = _FIRST_STEPS.read_text()
    files = {"train.py": f"ENV = {env!r}\n{_TWICE}", "first_steps.py": steps}
    # Nothing is imported beforehand: what a stage takes is all of it.
    spec = trials.spec_of(at, problem, PreparedData(None, None, ""), files, 0.8 * at.left())
    trial = trials.run(at, trials.without_examination(spec, at.work), "box")
    rounds = {
        text.split("\n", 1)[0].strip(): stages_of(text) for text in trial.log.split("round ")[1:]
    }
    figures, remarks = [], []
    if trial.status != "completed":
        remarks.append(f"FAILED: {clean_line(trial.detail, 300)} (logs/box.log)")
    for kind, stages in rounds.items():
        remarks += [
            f"FAILED, {kind}: {name}: {s['failure']}" for name, s in stages.items() if s["failure"]
        ]
        figures += in_figures(stages, kind)
    if not rounds.get("cold"):
        raise RuntimeError(f"nothing started in the box: {clean_line(trial.log[-300:], 300)}")
    data: dict[str, Any] = {"rounds": rounds, "sandbox": str(at.sandbox)}
    if any(remark.startswith("FAILED") for remark in remarks):
        outside = outside_the_box(at, {**problem.codebase, **files}, env)
        data["outside"] = outside
        failed = [name for name, found in outside.items() if found["failure"]]
        remarks.append(
            f"outside the box these fail: {', '.join(failed) or 'none'} (logs/outside.log)"
        )
    calls = refused_calls(at, steps, {**env, "STAGES": "start" if at.tiny else "few"})
    data["refused_calls"] = calls
    if calls is not None:
        told = ", ".join(f"{name} ({count})" for name, count in sorted(calls.items())) or "none"
        until = "CUDA" if at.tiny else "torch.compile"
        remarks.append(f"system calls that the box refused, {until} included: {told}")
    return Section(figures, remarks, data)


def stages_of(log: str) -> dict[str, dict[str, Any]]:
    """What each stage told, by its name."""
    found = [json.loads(text) for text in _LINE.findall(log)]
    return {line["stage"]: line for line in found}


def in_figures(stages: dict[str, dict[str, Any]], kind: str) -> list[Figure]:
    figures = []
    if kind == "cold":
        started = {name: s for name, s in stages.items() if name != MODEL}
        for name, found in started.items():
            value = "FAILED" if found["failure"] else f"{found['seconds']:.1f} s"
            figures.append(Figure(f"in the box: {name}", value))
    if (model := stages.get(MODEL)) and not model["failure"]:
        told = model["told"]
        figures.append(
            Figure(f"in the box: compiled first step, {kind}", f"{told['first_step_s']:.1f} s")
        )
        figures.append(
            Figure(f"in the box: from start to first step, {kind}", f"{model['since_start']:.1f} s")
        )
    elif model:
        figures.append(Figure(f"in the box: compiled first step, {kind}", "FAILED"))
    return figures


def outside_the_box(at: Setting, files: dict[str, str], env: dict[str, str]) -> dict[str, Any]:
    """The same stages without a sandbox: what fails there, too, is not the box's doing."""
    with tempfile.TemporaryDirectory() as name:
        for file, text in files.items():
            (Path(name) / file).write_text(text)
        told = {**os.environ, **env, "TMPDIR": name}
        try:
            done = subprocess.run(
                [sys.executable, "first_steps.py"],
                cwd=name,
                env=told,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                timeout=max(10.0, 0.5 * at.left()),
            )
            log = done.stdout
        except subprocess.TimeoutExpired as error:
            log = (error.stdout or b"").decode(errors="replace")
    at.log("outside", log)
    return stages_of(log)
