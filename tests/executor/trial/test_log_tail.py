"""A log's end is bounded, and holds nothing that a terminal would obey."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from executor.text.outside_text import clean_text
from executor.trial.log_tail import LONGEST_REASON, last_line, tail


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        (b"step 1\nloss \xe2\x82\xac\n", "step 1\nloss €\n"),
        (b"10 %\r20 %\r\nend", "10 %\n20 %\nend"),
        (b"\x1b]0;title\x07\x00\xff", "\\x1b]0;title\\x07\\x00\ufffd"),
    ],
)
def test_a_short_log_is_kept_cleaned(tmp_path: Path, written: bytes, kept: str) -> None:
    (tmp_path / "log").write_bytes(written)
    assert tail(tmp_path / "log") == kept


def test_a_log_that_is_not_there_is_empty(tmp_path: Path) -> None:
    assert tail(tmp_path / "log") == ""


@pytest.mark.parametrize("noise", [b"x", b"\x1b", b"\n", "\U000e0041".encode()])
def test_a_long_log_keeps_its_end_and_stays_bounded(tmp_path: Path, noise: bytes) -> None:
    (tmp_path / "log").write_bytes(noise * 10_000 + b"\nthe end")
    kept = tail(tmp_path / "log", 1000)
    note, _, end = kept.partition("\n")
    assert note == f"[{len(noise) * 10_000 + 8 - 1000} bytes left out]"
    assert len(end) <= 1000 and end.endswith("\nthe end") and clean_text(end, 1000) == end


@pytest.mark.parametrize(
    ("log", "line"),
    [
        ("Traceback\nValueError: no\n \n", "ValueError: no"),
        ("error\x1b[2K\rcompleted, reward 9", "completed, reward 9"),
        ("error \u2028 1/9  completed", r"error \u2028 1/9 completed"),
        ("", ""),
        ("\n \n", ""),
    ],
)
def test_the_last_line_that_says_something(log: str, line: str) -> None:
    assert last_line(log) == line


@given(st.text(max_size=300))
def test_the_last_line_is_one_clean_line(log: str) -> None:
    line = last_line(log * 10)
    assert len(line) <= LONGEST_REASON and "\n" not in line
    assert clean_text(line, LONGEST_REASON) == line
