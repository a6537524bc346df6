"""The tables that end a search, as wide as a narrow terminal."""

from __future__ import annotations

import pytest

from executor import Outcome
from ideator_rl.analysis.confirmed import Confirmation, ConfirmedIdea, Plan
from ideator_rl.analysis.gain import Gain
from ideator_rl.search.loop import SearchResult
from ideator_rl.search.result_table import print_confirmation, print_result
from ideator_rl.terminal import terminal


def test_a_confirmation_keeps_its_digits_in_eighty_columns(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(terminal, "PLAIN_WIDTH", 80)
    gain = Gain(0.0284, 0.0121, 0.0447)
    good = ConfirmedIdea(
        "003-007", 0.912, (0.91, 0.9), 0.9086, 0.0034, gain, (), True, gain, Gain(-0.0002)
    )
    bad = ConfirmedIdea(
        "baseline-like-idea", 0.9, (0.0,), 0.0, 0.9, Gain(-0.88), ("crashed with seed 7",), False
    )
    plan = Plan(("003-007", "baseline-like-idea"), (7, 8), 12)
    print_confirmation(Confirmation(plan, 0, (0.88, 0.88), (good, bad)))
    out = capsys.readouterr().out
    table, lines = out[: out.index("003-007 survives")], out.split("\n")
    for digits in ("0.9086", "+0.0284", "+0.0121 to +0.0447", "-0.0002", "-0.8800"):
        assert digits in table
    assert "…" not in table and max(map(len, table.split("\n"))) <= 80
    assert "baseline-like-idea does not survive: crashed with seed 7" in lines


def test_a_search_without_ideas_says_so_without_a_colon(capsys: pytest.CaptureFixture[str]) -> None:
    baseline = Outcome("baseline", "completed", 0.9, metrics={"value": 0.9})
    print_result(SearchResult([baseline], []))
    assert capsys.readouterr().out.rstrip().endswith("0 ideas executed")
