"""Is an environment fit for use? Its baseline, its noise, its library, its Gymnasium interface."""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from gymnasium.utils.env_checker import check_env

from executor import Executor, Idea, Outcome
from executor.sandbox import guarantees
from executor.text.outside_text import clean_line
from executor.trial_keys import BASELINE
from gym_envs import ResearchEnv
from ideator_rl.check.card import Card, CheatRow, IdeaRow, this_machine
from ideator_rl.ideators.library import Atom, default_values, idea_text, load_library
from ideator_rl.terminal.progress import counting, progress
from ideator_rl.terminal.terminal import say

if TYPE_CHECKING:
    from gym_envs.cheats.cheat import Cheat


def check_environment(
    executor: Executor, seeds: int, cheats: Collection[Cheat]
) -> tuple[bool, Card]:
    """Runs all checks, prints a line for each; whether every one of them held, and the card.

    The baseline runs with `seeds` seeds; every idea of the library once, with its first values;
    then the cheats, where the sandbox is strict.
    """
    problem = executor.problem
    for promise in _promises(executor):
        say(promise)
    atoms = load_library(problem.library) if problem.library.is_file() else []
    baselines, outcomes = run_library(executor, atoms, seeds)

    checks = [_baseline_completes(baselines), _budget_is_used(executor, baselines)]
    card = _card(executor, baselines, atoms, outcomes)
    if card.mean is not None:
        noise = "unknown with one seed" if card.sd is None else f"{card.sd:.5f} (s.d.)"
        say(f"baseline reward {card.mean:.5f}, noise between {seeds} seeds {noise}\n")
    for atom, outcome in zip(atoms, outcomes, strict=True):
        checks.append(_as_expected(atom, outcome, card))
    checks.append(_bound_is_stated(executor, outcomes))
    checks.append(_gymnasium_accepts(executor))
    if cheats:
        rows = _cheats_gain_nothing(executor, cheats)
        checks += [row.held for row in rows]
        card = replace(card, cheats=rows)
    held = all(checks)
    say(f"\n{problem.name}: {_verdict(checks, attacked=bool(card.cheats))}")
    return held, card


def _verdict(checks: Collection[bool], *, attacked: bool) -> str:
    failed = list(checks).count(False)
    if failed:
        return f"{failed} failed" + ("" if attacked else "; not attacked")
    return "all checks hold" if attacked else "not attacked; the other checks hold"


def _card(
    executor: Executor, baselines: list[Outcome], atoms: list[Atom], outcomes: list[Outcome]
) -> Card:
    problem, completed = executor.problem, [o for o in baselines if o.completed]
    return Card(
        problem=problem.name,
        title=problem.file.title,
        version=problem.version,
        machine=this_machine(),
        slots=executor.slots,
        sandbox=str(executor.sandbox),
        budget_kind=problem.file.budget.kind,
        budget_seconds=problem.file.budget.seconds,
        seeds=len(baselines),
        rewards=[outcome.reward for outcome in completed],
        charged_s=[outcome.charged_s for outcome in completed],
        trial_s=[outcome.duration_s for outcome in completed],
        startup_s=[outcome.startup_s for outcome in completed],
        train_s=[outcome.train_s for outcome in completed],
        examine_s=[outcome.examine_s for outcome in completed],
        guarantees=_promises(executor),
        ideas=[
            IdeaRow(atom.id, o.status, atom.expect, o.reward if o.completed else None)
            for atom, o in zip(atoms, outcomes, strict=True)
        ],
    )


def _promises(executor: Executor) -> list[str]:
    """What holds on this machine, and of an imported problem what cannot hold."""
    promises = [_guarantee(text, holds) for text, holds in guarantees(executor.sandbox)]
    if imported := executor.problem.file.imported:
        text = (
            "code of an idea cannot write its own score: the score is computed in another process"
        )
        promises.append(_guarantee(text, imported.examined))
        counted = imported.examined and imported.exceptions == "rejected"
        text = "no score leaves out calls in which the program raised an exception"
        promises.append(_guarantee(text, counted))
    return promises


def _guarantee(text: str, holds: bool) -> str:
    return f"{'holds' if holds else 'DOES NOT HOLD'}: {text}"


def run_library(
    executor: Executor, atoms: list[Atom], seeds: int
) -> tuple[list[Outcome], list[Outcome]]:
    """The baseline's outcomes for `seeds` seeds, and those of every atom with its first values.

    The baseline's trials are spread evenly among the others, so that their standard deviation holds
    the drift of a shared machine, too.
    """
    ideas = [Idea(atom.id, idea_text([(atom, default_values(atom))])) for atom in atoms]
    unpatched = Idea(BASELINE, "", origin=BASELINE)
    step = len(ideas) / max(1, seeds - 1)
    order = [(seed * step, unpatched, seed) for seed in range(seeds)]
    order += [(place + 0.5, idea, place) for place, idea in enumerate(ideas)]
    order.sort(key=lambda entry: entry[0])
    with progress(len(atoms)) as show:
        futures = [
            executor.submit_baseline(number, priority=0)
            if idea is unpatched
            else executor.submit(idea)
            for _, idea, number in order
        ]
        baselines: list[Outcome] = []
        outcomes: list[Outcome] = []
        for (_, idea, _), future in zip(order, futures, strict=True):
            outcome = future.result()
            (baselines if idea is unpatched else outcomes).append(outcome)
            show(idea, outcome)
    return baselines, outcomes


def _say(held: bool, text: str) -> bool:
    say(f"{'ok  ' if held else 'FAIL'}  {text}")
    return held


def _quoted(text: str) -> str:
    """What a trial or an exception said, in a line of ours."""
    return clean_line(text, 200)


def _baseline_completes(baselines: list[Outcome]) -> bool:
    failed = [outcome for outcome in baselines if not outcome.completed]
    if failed:
        return _say(False, f"the baseline: {failed[0].status}: {_quoted(failed[0].detail)}")
    return _say(True, f"the baseline completes with {len(baselines)} seeds")


def _budget_is_used(executor: Executor, baselines: list[Outcome]) -> bool:
    budget = executor.problem.file.budget
    most = max(outcome.charged_s for outcome in baselines)
    text = f"the baseline uses up to {most:.2f} of {budget.seconds:g} {budget.kind} seconds"
    return _say(most <= budget.seconds, text)


def _bound_is_stated(executor: Executor, outcomes: list[Outcome]) -> bool:
    most = executor.problem.file.reward.plausible
    if most is None:
        return _say(False, "reward.plausible is not set: a reward that no honest run can pass")
    best = max((o.reward for o in outcomes if o.completed), default=0.0)
    return _say(True, f"rewards above {most:g} are rejected; the best idea here has {best:.5f}")


def _as_expected(atom: Atom, outcome: Outcome, card: Card) -> bool:
    text = f"{atom.id:24} {outcome.status:15}"
    if outcome.completed:
        text += f" reward {outcome.reward:.5f}"
        if card.mean is not None:
            gain = outcome.reward - card.mean
            text += f" ({gain:+.5f}" + (f", {gain / card.sd:+.1f} s.d.)" if card.sd else ")")
    else:
        text += f" {clean_line(outcome.detail, 90)}"
    if outcome.status != atom.expect:
        text += f"  <- expected {atom.expect}"
    return _say(outcome.status == atom.expect, text)


def _cheats_gain_nothing(executor: Executor, cheats: Collection[Cheat]) -> list[CheatRow]:
    if executor.sandbox.level != "strict":
        say("the cheats are not tried: without a strict sandbox they would harm this machine")
        return []
    # Attacks are imported where they are tried, and nowhere else.
    from gym_envs.cheats.attempts import UNKNOWN, applicable, try_cheats, why_not
    from gym_envs.cheats.traps import Traps

    # A store of their own: what they reach for on this machine is part of their text.
    with (
        tempfile.TemporaryDirectory(prefix="ideator-rl-cheats-") as folder,
        Traps(Path(folder)) as traps,
        Executor(
            executor.problem,
            store=Path(folder) / "store",
            slots=executor.slots,
            sandbox=executor.sandbox,
        ) as attacked,
    ):
        facts = traps.facts(executor.problem, Path(folder) / "store")
        kind, tried = applicable(attacked, cheats)
        with counting(len(tried), "cheats tried") as show:
            session = try_cheats(attacked, cheats, facts, show)
    rows = []
    for cheat, results in session.results.items():
        outcome, found = results[-1].outcome, session.complaints(cheat)
        if found:
            _say(False, f"cheat {cheat.name}: {_quoted('; '.join(found))}")
        expected = " or ".join(sorted(cheat.ends_on(kind))) if kind not in UNKNOWN else "any"
        rows.append(CheatRow(cheat.name, expected, outcome.status, outcome.reward, not found))
    if not rows:
        say(f"no cheat was tried: {why_not(executor.problem) or 'none knows this problem'}")
    elif all(row.held for row in rows):
        _say(True, f"{len(rows)} cheats gained nothing")
    for visit in traps.visits:
        _say(False, f"a cheat came out of its box: {_quoted(visit)}")
    return rows


def _gymnasium_accepts(executor: Executor) -> bool:
    env = ResearchEnv(executor.problem, executor=executor)
    try:
        with warnings.catch_warnings():
            # Recommendations on observation ranges and seeds do not apply to text.
            warnings.simplefilter("ignore")
            check_env(env, skip_render_check=True)
    except Exception as error:  # whatever an assertion in the checker raises
        return _say(False, f"gymnasium's check_env: {_quoted(str(error))}")
    return _say(True, "gymnasium's check_env accepts the environment")
