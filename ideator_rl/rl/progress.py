"""One line a step of a GRPO run, as its metrics arrive."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ideator_rl.analysis.metrics_file import problems_of, read_steps
from ideator_rl.terminal.terminal import say


class StepLines:
    """Prints the steps that `metrics.jsonl` has and that were not printed yet."""

    def __init__(self, path: Path, steps: int) -> None:
        self._path, self._steps = path, steps
        self._shown = {step: line["time"] for step, line in read_steps(path).items()}

    def show(self) -> None:
        for step, line in read_steps(self._path).items():
            if self._shown.get(step) != line["time"]:
                self._shown[step] = line["time"]
                say(step_line(line, self._steps))


def step_line(line: Mapping[str, Any], steps: int) -> str:
    """One line of metrics.jsonl for people."""
    return (
        f"step {line['step']:>3}/{steps}  {_rewards(line)}  completed "
        f"{100 * line['completed']:3.0f} %  distinct {line['ideas/distinct']:.0f}/"
        f"{line['ideas/count']:.0f}  {line['time/step']:.1f} s (generate "
        f"{line['time/generate']:.1f}, execute {line['time/execute']:.1f}, update "
        f"{line['time/update']:.1f})"
        + (
            f"  {line['lost']:.0f} ideas LOST: store or workers did not answer"
            if line["lost"]
            else ""
        )
    )


def _rewards(line: Mapping[str, Any]) -> str:
    """Of several problems the gains of all, and what each earned."""
    kind, form = ("gain", "+.2f") if "gain/mean" in line else ("reward", ".4f")
    mean, most, best = (format(line[f"{kind}/{of}"], form) for of in ("mean", "max", "best"))
    told = f"{kind} {mean}  max {most}  best {best}"
    for name in problems_of(line):
        of_one = [line[f"{name}/reward/{of}"] for of in ("mean", "max")]
        told += f"  {name} {of_one[0]:.4f} to {of_one[1]:.4f}"
    return told
