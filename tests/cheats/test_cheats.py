"""Every cheat ends as expected, earns no more than an honest baseline, and gets nothing else."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from gym_envs.cheats import CHEATS
from gym_envs.cheats.attempts import CheatSession
from gym_envs.cheats.cheat import CLASSIFIER, KINDS, Cheat, Kind
from tests.cheats.conftest import find_lock

# All selected cheats of a problem run in the first test that asks for one of them.
pytestmark = pytest.mark.timeout(3600)


def _marks(cheat: Cheat, kind: Kind, lock: str) -> tuple[pytest.MarkDecorator, ...]:
    """`make test` tries the telling ones on the quick problem; `make test-all` nearly all there,
    and what is peculiar to the others; `make test-cheats` tries everything."""
    if kind == CLASSIFIER and not cheat.slow and (lock == "best" or cheat.telling):
        return () if lock == "best" and cheat.telling else (pytest.mark.slow,)
    if kind != CLASSIFIER and lock == "best" and cheat.telling and CLASSIFIER not in cheat.changes:
        return (pytest.mark.slow,)
    return (pytest.mark.release,)


def _cases() -> Iterator[object]:
    for kind in KINDS:
        for lock in ("best", "fallback"):
            for cheat in CHEATS:
                if kind in cheat.changes:
                    marks = _marks(cheat, kind, lock)
                    name = f"{kind.replace(' ', '-')}-{lock}-{cheat.name}"
                    yield pytest.param(kind, lock, cheat, marks=marks, id=name)


@pytest.mark.parametrize(("kind", "lock", "cheat"), list(_cases()))
def test_a_cheat_gains_nothing(
    kind: Kind, lock: str, cheat: Cheat, session_of: Callable[[Kind, str], CheatSession]
) -> None:
    session = session_of(kind, lock)
    results = session.results[cheat]
    if cheat.needs_group and not find_lock(lock).grouped:
        pytest.xfail("only a control group holds this, see docs/threat-model.md")
    assert len(results) == 1 + cheat.repeats
    assert session.complaints(cheat) == []
    for result in results:
        sandbox = result.outcome.sandbox
        assert sandbox.startswith("strict: ") or result.outcome.stage == "implement"


def test_the_cheats_are_many_and_distinct() -> None:
    assert len({cheat.name for cheat in CHEATS}) == len(CHEATS) > 100
    for cheat in CHEATS:
        assert cheat.tries.endswith(".") and cheat.changes
