"""The tables and the picture of the study, from the lines of its runs.

write(Path("docs/objectives"))        # <env>.md and <env>.svg for each <env>.jsonl
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from pathlib import Path

from objectives.arms import ARMS, CHOSEN, TUNING_ENV
from objectives.figures import Figures
from objectives.paired import Difference, compare, holm
from objectives.picture import draw
from objectives.results import Results

# What every arm is tested against, and what it is only shown beside.
AGAINST, BESIDE = ("grpo", "best_of_n"), "evolution"
POLICY_K = (1, 16, 64)
SHARES = ("completed", "distinct", "algorithms")
POLICY_COLUMNS = (
    *("arm", "steps", "executions", "mean reward", *SHARES, "characters"),
    *(f"best@{k}" for k in POLICY_K),
)


def write(folder: Path) -> None:
    for lines in sorted(folder.glob("*.jsonl")):
        if lines.stem.endswith("-tuning"):
            continue
        runs = Results(lines).all()
        tuning = Results(folder / f"{lines.stem}-tuning.jsonl").all()
        draw(runs, folder / f"{lines.stem}.svg")
        (folder / f"{lines.stem}.md").write_text(page(lines.stem, runs, tuning))


def page(env: str, runs: Sequence[Figures], tuning: Sequence[Figures]) -> str:
    arms = [name for name in ARMS if any(run.arm == name for run in runs)]
    hours = sum(run.seconds for run in [*runs, *tuning]) / 3600
    baseline = statistics.fmean(run.confirmed.baseline for run in runs)
    beside = f", and {len(tuning)} that chose the learning rates" if tuning else ""
    return f"""# The study on `{env}`

{len(runs)} runs{beside}, {hours:.1f} hours in all (the
last session alone of a run that was interrupted). The plan, and what follows from these figures, is
in [objectives.md](../objectives.md). Written by `python benchmarks/objectives.py write`.

![The best reward by executions]({env}.svg)

## The maximum

The best idea of a run, measured on eight fresh seeds: the mean over runs ± its standard error. The
baseline earns {baseline:.4f} there. *Final* is the same on the final part of the held-out data. A
difference is the mean over the seeds that both arms have, with its 95 % interval and the p of the
paired t-test after Holm's correction, over {CHOSEN} alone (two tests) and over all other arms. That
to evolution is not tested.

| arm | runs | confirmed | final | minus grpo | minus best_of_n | minus evolution |
| --- | --- | --- | --- | --- | --- | --- |
{maxima(arms, runs)}
## What became of the ideators

The first and the last 64 ideas of a run; *distinct* codebases among those of the last that became
code; *algorithms* are the ideas that change more of the baseline than settings. The last columns
are best@k of 64 ideas of the trained model on fresh seeds.

| {" | ".join(POLICY_COLUMNS)} |
{"| --- " * len(POLICY_COLUMNS)}|
{policies(arms, runs)}
## Learning rates

{rates(tuning)}
"""


def maxima(arms: Sequence[str], runs: Sequence[Figures]) -> str:
    gaps = {
        (name, other): compare(confirmed(runs, name), confirmed(runs, other))
        for name in arms
        for other in (*AGAINST, BESIDE)
        if name != other
    }
    corrected: dict[tuple[str, str], float] = {}
    for family in ([CHOSEN], [name for name in arms if name != CHOSEN]):
        tested = [pair for pair in gaps if pair[0] in family and pair[1] in AGAINST]
        asked = [(pair, gap) for pair in tested if (gap := gaps[pair])]
        ps = holm([gap.p for _, gap in asked])
        corrected |= {pair: p for (pair, _), p in zip(asked, ps, strict=True)}
    table = ""
    for name in arms:
        own = [run for run in runs if run.arm == name]
        cells = [
            mean_error([run.confirmed.reward for run in own]),
            mean_error([run.confirmed.final for run in own]),
            *(difference(gaps.get((name, o)), corrected.get((name, o))) for o in AGAINST),
            difference(gaps.get((name, BESIDE))),
        ]
        table += f"| {name} | {len(own)} | {' | '.join(cells)} |\n"
    return table


def policies(arms: Sequence[str], runs: Sequence[Figures]) -> str:
    table = ""
    for name in arms:
        own = [run for run in runs if run.arm == name]
        before, after = (statistics.fmean(run.length[i] for run in own) for i in (0, 1))
        cells = [
            f"{mean(own, 'steps'):.0f}" if any(run.steps for run in own) else "",
            f"{mean(own, 'executions'):.0f}",
            f"{mean(own, 'first_mean'):.3f} → {mean(own, 'last_mean'):.3f}",
            *(f"{100 * mean(own, share):.0f} %" for share in SHARES),
            f"{before:.0f} → {after:.0f}",
        ]
        is_trained = all(run.policy for run in own)
        for k in POLICY_K:
            best = f"{statistics.fmean(run.policy[k] for run in own):.4f}" if is_trained else ""
            cells.append(best)
        table += f"| {name} | {' | '.join(cells)} |\n"
    return table


def mean(runs: Sequence[Figures], key: str) -> float:
    return statistics.fmean(getattr(run, key) for run in runs)


def rates(tuning: Sequence[Figures]) -> str:
    """The mean of the confirmed ideas over the seeds of the tuning."""
    if not tuning:
        return f"Those of {TUNING_ENV}."
    table = "| arm and rate | runs | confirmed |\n| --- | --- | --- |\n"
    for name in dict.fromkeys(run.arm for run in tuning):
        found = [run.confirmed.reward for run in tuning if run.arm == name]
        table += f"| {name} | {len(found)} | {statistics.fmean(found):.4f} |\n"
    return table


def confirmed(runs: Sequence[Figures], arm: str) -> dict[int, float]:
    return {run.seed: run.confirmed.reward for run in runs if run.arm == arm}


def mean_error(values: Sequence[float]) -> str:
    if len(values) == 1:
        return f"{values[0]:.4f}"
    error = statistics.stdev(values) / len(values) ** 0.5
    return f"{statistics.fmean(values):.4f} ± {error:.4f}"


def difference(gap: Difference | None, p: float | None = None) -> str:
    if gap is None:
        return ""
    interval = f"{gap.mean:+.4f} ({gap.low:+.4f} to {gap.high:+.4f})"
    if p is None:
        return interval
    return f"{interval}, {'p < 0.0001' if p < 0.0001 else f'p = {p:.4f}'}"
