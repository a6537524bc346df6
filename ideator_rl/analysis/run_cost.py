"""What a run has cost, stage by stage: money, requests, tokens, and time of slots.

    found = run_cost(data)                       # None where there is nothing to tell
    found.stages["trials"].slot_s, found.total.money
    found.each["improvement"]                    # (how many there are, Cost of one)

Stages are summed up from the journal of requests, which has cancelled and failed attempts, too, and
from the trials that this run has executed itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ideator_rl.analysis.cost import NOTHING, Cost, total
from ideator_rl.analysis.run_data import RunData

PURPOSES: Mapping[str, str] = {
    "ideate": "ideation",
    "implement": "first answers",
    "revise": "revisions",
    "repair": "repairs",
}
STAGES = (*PURPOSES.values(), "baseline", "trials", "confirmation")


@dataclass(frozen=True)
class RunCost:
    """`stages` are those with a cost, in their order; `each` is what one of a kind of success has
    cost on average, everything of the run included; `gpus` are those of a slot."""

    stages: Mapping[str, Cost]
    total: Cost
    each: Mapping[str, tuple[int, Cost]]
    gpus: int

    @property
    def asked(self) -> bool:
        """Whether a language model was asked."""
        return self.total.calls > 0


def run_cost(data: RunData) -> RunCost | None:
    """None for a run that has neither asked a language model nor executed anything."""
    stages = dict.fromkeys(STAGES, NOTHING)
    for request in data.requests:
        stages[PURPOSES[request.purpose]] += request.cost
    fresh = data.confirmation_seeds
    for seed, slot_s in data.baseline_s.items():
        stages["confirmation" if seed in fresh else "baseline"] += Cost(slot_s=slot_s)
    for trial in data.trials:
        repeated = trial.key != trial.idea_id and trial.seed in fresh
        stages["confirmation" if repeated else "trials"] += Cost(slot_s=trial.slot_s)
    spent = {name: cost for name, cost in stages.items() if cost != NOTHING}
    if not spent:
        return None
    whole = total(spent.values())
    each = {name: (n, whole.times(1 / n)) for name, n in _successes(data).items() if n}
    return RunCost(spent, whole, each, data.gpus)


def _successes(data: RunData) -> dict[str, int]:
    """How many ideas came how far. A new best beats the baseline and every idea before it."""
    baselines = data.search_baseline
    mean = sum(baselines) / len(baselines) if baselines else None
    measured = [trial.reward for trial in data.ideas if trial.measured]
    found = {"idea": len(data.ideas), "completed idea": len(measured)}
    if mean is None:
        return found
    best, bests = mean, 0
    for reward in measured:
        if reward > best:
            best, bests = reward, bests + 1
    improvements = sum(reward > mean for reward in measured)
    return found | {"improvement": improvements, "new best": bests}
