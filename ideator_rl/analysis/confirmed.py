"""What fresh seeds say about the winners of a search: a pure function of the plan and its trials.

    found = judge(Plan(("000-004",), seeds=(7, 8, 9)), {"000-004": 0.46}, trials)
    found.ideas[0].gain, found.ideas[0].survives

`trials` maps (idea id or BASELINE, seed) to what ended. The first measurement of a winner is too
high on the average, since it was chosen for it: the winner's curse. Fresh seeds are free of it, but
not of what a search has learnt of the held-out data that it was measured on. The final part, which
no search touches, is free of both: what an idea gains less there is overfitting of the examination.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Literal

from executor.records import Outcome
from executor.store.decisions import StrictRecord
from executor.store.runs import RunFolder
from executor.trial_keys import BASELINE
from ideator_rl.analysis.gain import Gain, welch
from ideator_rl.linked_runs import link, linked, linked_from

FOLDER = "confirmations"
# In a run whose winners were confirmed as another problem: where that was. In the other run: whose.
ELSEWHERE, WINNERS_OF = "confirmed_as", "winners_of.json"
VERDICTS = {True: "survives", False: "does not survive", None: "undecided"}


@dataclass(frozen=True)
class Plan(StrictRecord):
    """Which ideas, the best first, run again on which seeds; `executed` is of how many."""

    ideas: tuple[str, ...]
    seeds: tuple[int, ...]
    executed: int = 0

    def order(self) -> Iterator[tuple[str, int]]:
        """Seed by seed, the baseline and the ideas side by side.

        Their order rotates from seed to seed, so that a machine that slows down or speeds up
        favours nobody.
        """
        contenders = (BASELINE, *self.ideas) if self.ideas else ()
        for block, seed in enumerate(self.seeds):
            first = block % len(contenders) if contenders else 0
            for name in contenders[first:] + contenders[:first]:
                yield name, seed


@dataclass(frozen=True)
class ConfirmedIdea:
    """One idea on fresh seeds.

    `first` is the reward for which it was chosen, None where that was on another problem. `rewards`
    are by seed, a failed trial with the failure reward; `failures` names each of those, and
    `winners_curse` is first - mean. `gain` is
    None where no baseline completed, and has no interval after a failure, which is no normal value.
    `final_gain` is the gain on the final part of the held-out data and `overfit` how much larger
    `gain` is, both None for a problem without such a part or after a failure.
    `survives` is None where nothing can be said: one seed has no spread.
    """

    idea_id: str
    first: float | None
    rewards: tuple[float, ...]
    mean: float
    winners_curse: float | None
    gain: Gain | None
    failures: tuple[str, ...]
    survives: bool | None
    final_gain: Gain | None = None
    overfit: Gain | None = None

    @property
    def verdict(self) -> str:
        return VERDICTS[self.survives]

    @property
    def reason(self) -> str:
        """Which trials failed; empty when all completed."""
        return ", ".join(self.failures)


@dataclass(frozen=True)
class Confirmation:
    """What a confirmation found; `missing` trials have not ended, and without them no verdicts.

    `baseline` are the rewards of its fresh trials that completed.
    """

    plan: Plan
    missing: int
    baseline: tuple[float, ...]
    ideas: tuple[ConfirmedIdea, ...]

    @property
    def state(self) -> Literal["nothing to confirm", "incomplete", "done"]:
        if not self.plan.ideas:
            return "nothing to confirm"
        return "incomplete" if self.missing else "done"

    @property
    def survivors(self) -> int:
        return sum(idea.survives is True for idea in self.ideas)

    def of(self, idea_id: str) -> ConfirmedIdea | None:
        return next((idea for idea in self.ideas if idea.idea_id == idea_id), None)

    def figures(self) -> dict[str, float]:
        """For a tracker: how many ideas survive, and what became of the best one's gain."""
        found: dict[str, float] = {"confirmed/ideas": len(self.ideas)}
        found["confirmed/survivors"] = self.survivors
        for idea in self.ideas[:1]:
            if idea.winners_curse is not None:
                found["confirmed/winners_curse"] = idea.winners_curse
            gains = {"gain": idea.gain, "final_gain": idea.final_gain, "overfit": idea.overfit}
            for kind, gain in gains.items():
                for name, value in asdict(gain).items() if gain else ():
                    if value is not None:
                        found[f"confirmed/{kind}_{name}"] = value
        return found

    def __str__(self) -> str:
        """All of it in one or two sentences."""
        plan = self.plan
        if self.state == "nothing to confirm":
            return "nothing to confirm: no idea was measured above the baseline"
        if self.state == "incomplete":
            trials = len(list(plan.order()))
            return (
                f"not confirmed: {self.missing} of {trials} trials on fresh seeds have not ended; "
                "the same command runs them (with a larger budget.seconds if that was used up)"
            )
        winners = _count(len(plan.ideas), "winner")
        seeds = f"on {_count(len(plan.seeds), 'fresh seed')} each, side by side with the baseline"
        if failed := len(plan.seeds) - len(self.baseline):
            seeds += f" (which failed on {failed} of them)"
        if len(self.baseline) < 2:
            return f"{winners} ran again {seeds}: too few for an interval"
        return (
            f"{self.survivors} of {winners} survive{'s' if self.survivors == 1 else ''} {seeds}: "
            f"a 95 % interval above 0 (Welch's\u00a0t{_correction(len(plan.ideas))})"
            + self._overfit()
        )

    def _overfit(self) -> str:
        """What the final part says of the best idea, as the end of a sentence."""
        best = self.ideas[0]
        if best.final_gain is None or best.overfit is None:
            return ""
        text = "; on held-out data that no search has touched the best one gains "
        text += f"{best.final_gain.value:+.4f}, so {best.overfit.value:+.4f} is overfitting of the "
        return text + "examination" + _interval(best.overfit)


def read_plans(run: RunFolder) -> list[Plan]:
    """Those of the confirmations that began, the last one last. Raises StoreError."""
    return list(run.kept_numbered(FOLDER, Plan).values())


def keep_link(searched: RunFolder, confirming: RunFolder) -> None:
    """Notes in both runs that the winners of the first are confirmed in the second, as another
    problem."""
    link(searched, ELSEWHERE, confirming, WINNERS_OF)


def confirmed_elsewhere(run: RunFolder) -> list[RunFolder]:
    """The runs that confirmed a run's winners as other problems. Raises StoreError."""
    return linked(run, ELSEWHERE)


def winners_of(run: RunFolder) -> str:
    """The name of the run whose winners a run confirms; empty for any other. Raises StoreError."""
    searched = linked_from(run, WINNERS_OF)
    return searched.name if searched else ""


def keep_plan(run: RunFolder, plan: Plan) -> None:
    """Makes a plan the run's last one."""
    kept = run.kept_numbered(FOLDER, Plan)
    last = max(kept, default=-1)
    if kept.get(last) != plan:
        run.keep_numbered(FOLDER, last + 1, plan)


def judge(
    plan: Plan, first: Mapping[str, float] | None, trials: Mapping[tuple[str, int], Outcome]
) -> Confirmation:
    """The verdicts on a plan's ideas; `first` are the rewards for which they were chosen, None
    where that was on another problem.

    An idea survives when all its fresh trials completed and the 95 % interval of its gain over the
    baseline's fresh trials lies above 0, on the final part of the held-out data, too, where there
    is one. The intervals are Bonferroni-corrected over the ideas:
    "these k are better" is one claim, and this is the correction that gives intervals, and that
    holds although the ideas share their baseline. A failed trial of an idea counts with the failure
    reward; one of the baseline is left out, since it would only flatter the ideas.
    """
    ended = {at: t for at, t in trials.items() if t.status != "cancelled"}
    missing = sum(at not in ended for at in plan.order())
    missing += sum(name not in first for name in plan.ideas) if first is not None else 0
    if missing or not plan.ideas:
        return Confirmation(plan, missing, (), ())
    baseline = [ended[BASELINE, seed] for seed in plan.seeds]
    completed = [trial for trial in baseline if trial.status == "completed"]
    ideas = tuple(
        _judge_one(
            name,
            None if first is None else first[name],
            [ended[name, seed] for seed in plan.seeds],
            completed,
            plan,
        )
        for name in plan.ideas
    )
    return Confirmation(plan, 0, tuple(trial.reward for trial in completed), ideas)


def _judge_one(
    name: str,
    first: float | None,
    trials: Sequence[Outcome],
    baseline: Sequence[Outcome],
    plan: Plan,
) -> ConfirmedIdea:
    rewards = tuple(trial.reward for trial in trials)
    comparisons = len(plan.ideas)
    failures = tuple(
        f"{trial.status.replace('_', ' ')} with seed {seed}"
        for seed, trial in zip(plan.seeds, trials, strict=True)
        if trial.status != "completed"
    )
    theirs = [trial.reward for trial in baseline]
    gain = welch(rewards, theirs, comparisons=comparisons) if theirs else None
    final_gain = overfit = None
    survives: bool | None = None
    if failures:
        survives = False
        gain = gain and Gain(gain.value)
    elif gain:
        ours, final = _rewards(trials)
        theirs, final_theirs = _rewards(baseline)
        if final and final_theirs:
            final_gain = welch(final, final_theirs, comparisons=comparisons)
            more = [a - b for a, b in zip(ours, final, strict=True)]
            more_theirs = [a - b for a, b in zip(theirs, final_theirs, strict=True)]
            overfit = welch(more, more_theirs, comparisons=comparisons)
        lows = [found.low for found in (gain, final_gain) if found and found.low is not None]
        survives = min(lows) > 0 if lows else None
    mean = statistics.mean(rewards)
    return ConfirmedIdea(
        name,
        first,
        rewards,
        mean,
        None if first is None else first - mean,
        gain,
        failures,
        survives,
        final_gain,
        overfit,
    )


def _rewards(trials: Sequence[Outcome]) -> tuple[list[float], list[float]]:
    """The rewards of trials with a final part, and those on it."""
    both = [(t.reward, t.final_reward) for t in trials if t.final_reward is not None]
    return [reward for reward, _ in both], [final for _, final in both]


def _interval(gain: Gain) -> str:
    return "" if gain.low is None else f" (95 %: {gain.low:+.4f} to {gain.high:+.4f})"


def _count(number: int, name: str) -> str:
    return f"{number} {name}{'' if number == 1 else 's'}"


def _correction(ideas: int) -> str:
    return f", Bonferroni-corrected for {ideas}" if ideas > 1 else ""
