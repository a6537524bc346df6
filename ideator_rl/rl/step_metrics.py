"""Per-step metrics of GRPO, from the agent loop's record of each answer.

    figures = step_metrics(infos, best_before=0.95)
    figures["reward/mean"], figures["ideas/distinct"]

Shares are of all answers, lengths are in tokens. `SECTIONS` of verl's own figures are renamed by
`verl_figures`; times are in wall seconds.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from ideator_rl.analysis.diversity import distinct, mean_similarity

# verl's metrics that are reported, and under which name.
_VERL = {
    "actor/entropy": "actor/entropy",
    "actor/kl_loss": "actor/kl",
    "actor/ppo_kl": "actor/ppo_kl",
    "actor/pg_clipfrac": "actor/clipped",
    "actor/grad_norm": "actor/grad_norm",
    "actor/lr": "actor/learning_rate",
    "training/rollout_probs_diff_mean": "rollout/probability_gap",
    "training/rollout_actor_probs_pearson_corr": "rollout/probability_correlation",
}


def step_metrics(infos: Sequence[Mapping[str, Any]], best_before: float) -> dict[str, float]:
    """Figures of the rewards and of the ideas. `best_before` is -inf in the first step."""
    rewards = [info["reward"] for info in infos]
    ideas = [info["idea"] for info in infos]
    n = len(infos)
    stopped = {
        f"stopped/{stage}": sum(not i["completed"] and i["stage"] == stage for i in infos) / n
        for stage in ("implement", "train", "examine")
    }
    return {
        "reward/mean": statistics.fmean(rewards),
        "reward/sd": statistics.pstdev(rewards),
        "reward/max": max(rewards),
        "reward/best": max(best_before, *rewards),
        "completed": sum(info["completed"] for info in infos) / n,
        **stopped,
        "lost": sum(info["lost"] for info in infos),
        "ideas/count": n,
        "ideas/distinct": distinct(ideas),
        "ideas/similarity": mean_similarity(ideas),
        "codebases/distinct": len({i["content_hash"] for i in infos if i["content_hash"]}),
        "length/thinking": statistics.fmean(info["thinking_tokens"] for info in infos),
        "length/idea": statistics.fmean(info["idea_tokens"] for info in infos),
    }


def several_metrics(
    infos: Sequence[Mapping[str, Any]], gains: Sequence[float], best_before: float
) -> dict[str, float]:
    """The same of answers on several problems together, where their rewards do not compare: in
    place of them how many units each lies above the baseline, see `objectives/comparable.py`."""
    found = step_metrics(infos, best_before)
    together = {
        name: value
        for name, value in found.items()
        if not name.startswith("reward/") and name != "ideas/similarity"
    }
    return {
        "gain/mean": statistics.fmean(gains),
        "gain/sd": statistics.pstdev(gains),
        "gain/max": max(gains),
        "gain/best": max(best_before, *gains),
        **together,
    }


def verl_figures(metrics: Mapping[str, Any]) -> dict[str, float]:
    """verl's metrics that are reported, where they are finite numbers."""
    return {
        name: float(metrics[key])
        for key, name in _VERL.items()
        if key in metrics and math.isfinite(metrics[key])
    }


def step_times(
    infos: Sequence[Mapping[str, Any]], began: float, timing: Mapping[str, float]
) -> dict[str, float]:
    """How a step spent its time. Generating ends with the last answer; executing is what is waited
    for after that, until the last outcome; updating is everything that trains or moves weights.
    What was there when the step `began` was not waited for. The trainer is idle while it waits."""
    generated = max(began, *(info["generated_at"] for info in infos))
    executed = max(generated, *(info["executed_at"] for info in infos))
    update = ("old_log_prob", "ref", "adv", "update_actor", "update_weights")
    return {
        "time/generate": generated - began,
        "time/execute": executed - generated,
        "time/update": sum(timing.get(name, 0.0) for name in update),
        "time/checkpoint": timing.get("save_checkpoint", 0.0),
        "time/step": timing["step"],
        "trainer/idle": timing.get("gen", 0.0) / timing["step"],
    }
