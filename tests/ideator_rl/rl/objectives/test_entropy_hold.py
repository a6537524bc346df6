"""The entropy coefficient by the share of unseen ideas, and that a resumed run steers on."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from executor import Store
from executor.errors import DamagedRecord
from ideator_rl.rl.objectives.entropy_hold import (
    FACTOR,
    LEAST,
    MOST,
    EntropyHold,
    EntropyHoldSettings,
    steered,
)

shares = st.lists(st.none() | st.floats(0, 1), max_size=60)


def test_too_few_unseen_ideas_raise_it_and_enough_lower_it() -> None:
    assert steered(0.01, 0.59, wanted=0.6, first=0.01) == pytest.approx(0.013)
    assert steered(0.01, 0.6, wanted=0.6, first=0.01) == pytest.approx(0.01 / 1.3)
    assert steered(0.01, None, wanted=0.6, first=0.01) == 0.01


@given(shares, st.floats(0, 1))
def test_it_moves_by_its_factor_within_its_bounds(
    unseen: list[float | None], wanted: float
) -> None:
    coefficient = 0.003
    for share in unseen:
        after = steered(coefficient, share, wanted, first=0.003)
        assert 0.003 * LEAST <= after <= 0.003 * MOST
        assert after / coefficient <= FACTOR + 1e-9 and coefficient / after <= FACTOR + 1e-9
        if share is not None and share < wanted:
            assert after >= coefficient
        coefficient = after


def test_it_turns_round_within_ten_steps_of_plenty() -> None:
    coefficient = 0.003
    for _ in range(100):
        coefficient = steered(coefficient, 1.0, 0.6, first=0.003)
    for _ in range(10):
        coefficient = steered(coefficient, 0.0, 0.6, first=0.003)
    assert coefficient > 0.003


def test_a_resumed_run_has_the_same_coefficients(tmp_path: Path) -> None:
    run, settings = Store(tmp_path).run("first"), EntropyHoldSettings(unseen=0.5)
    shares = [1.0, 0.2, None, 0.1, 0.9]
    hold = EntropyHold(settings, run, 0.003)
    found = [hold.coefficient(step, share) for step, share in enumerate(shares, 1)]
    factors = [1 / 1.3, 1, 1, 1.3, 1]
    assert found == pytest.approx([0.003 * factor for factor in factors])
    # Killed in step 5, the last checkpoint is that of step 3: what is done again is as it was.
    again = EntropyHold(settings, run, 0.003)
    assert [again.coefficient(step, 0.0) for step in (4, 5)] == found[3:]
    assert again.coefficient(6, 0.0) == pytest.approx(0.003 * 1.3)


def test_a_damaged_record_is_one_line(tmp_path: Path) -> None:
    run = Store(tmp_path).run("first")
    EntropyHold(EntropyHoldSettings(), run, 0.003).coefficient(1, 0.5)
    (tmp_path / "runs/first/entropy/001.json").write_text('{"coefficient": "high"}\n')
    with pytest.raises(DamagedRecord, match=r"entropy/001.json is damaged"):
        EntropyHold(EntropyHoldSettings(), run, 0.003)
