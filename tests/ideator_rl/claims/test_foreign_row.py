from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from executor import load_problem
from executor.settings import FieldError
from ideator_rl.claims.claim import as_claims, as_executed
from ideator_rl.claims.foreign_row import KNOWN_NAMES, metrics_of, missing_columns, parse_row
from tests.tiny_problem import make_problem

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=4,
)
PAPER = {
    "idea": "[Experiment] Warm up.",
    "code_diff": "--- a/x\n+++ b/x\n",
    "epoch": 2,
    "ideator_model": "gpt-5",
    "executor_model": "gpt-5",
    "env": "nanogpt",
    "result": {"val_loss": 3.25},
}


@given(st.dictionaries(st.sampled_from(sorted(KNOWN_NAMES)), values, max_size=8))
def test_any_row_is_read_or_refused_by_the_name_of_a_column(raw: dict[str, Any]) -> None:
    try:
        row = parse_row(raw)
    except FieldError as error:
        assert str(error).partition(":")[0].partition("[")[0] in {*KNOWN_NAMES, "idea"}
    else:
        assert isinstance(row.idea, str) and isinstance(row.epoch, int | None)
        assert all(abs(value) < 1e300 for value in metrics_of(row.result).values())


@pytest.mark.parametrize(
    ("result", "metrics"),
    [
        ({"accuracy": 0.5, "note": "x", "ok": True, "steps": 3}, {"accuracy": 0.5, "steps": 3.0}),
        ('{"accuracy": 0.5}', {"accuracy": 0.5}),
        (0.5, {"value": 0.5}),
        ("not json", {}),
        ("[" * 100_000, {}),
        ({"loss": float("inf"), "nan": float("nan"), "big": 10**400}, {}),
        (None, {}),
        ([1, 2], {}),
    ],
)
def test_the_numbers_of_a_result_are_found(result: Any, metrics: dict[str, float]) -> None:
    assert metrics_of(result) == metrics


def test_what_no_row_says_is_named() -> None:
    rows = [parse_row(PAPER), parse_row(PAPER | {"result": None})]
    missing = missing_columns(rows)
    assert missing == ["id", "run", "problem_version", "thinking", "parents", "status", "reward"]


def test_the_papers_rows_become_claims_by_the_rule_of_the_problem(tmp_path: Path) -> None:
    problem = load_problem(make_problem(tmp_path / "tiny"))
    rows = [parse_row(PAPER), parse_row(PAPER | {"result": None})]
    told, failed = as_claims(rows, problem)
    assert (told.id, told.reward, told.metrics) == ("claim-00000", 3.25, {"val_loss": 3.25})
    assert told.succeeded and not failed.succeeded and failed.reward is None
    assert (told.ideator_model, told.epoch, told.diff) == ("gpt-5", 2, PAPER["code_diff"])


def test_parents_are_claims_of_the_same_run(tmp_path: Path) -> None:
    problem = load_problem(make_problem(tmp_path / "tiny"))
    rows = [
        parse_row({"idea": "a", "id": "1", "run": "r"}),
        parse_row({"idea": "b", "id": 2, "run": "r", "parents": ["1", "gone"]}),
        parse_row({"idea": "c", "id": "1", "run": "other", "parents": [2]}),
    ]
    assert [claim.parents for claim in as_claims(rows, problem)] == [(), ("claim-00000",), ()]


def test_a_claim_is_shown_as_one_and_is_no_result(tmp_path: Path) -> None:
    problem = load_problem(make_problem(tmp_path / "tiny"))
    row = parse_row({"idea": "x\x1b[2J", "result": {"value": 1e9}, "status": "completed"})
    shown = as_executed(as_claims([row], problem)[0], failure=0.0)
    assert not shown.outcome.completed and shown.outcome.reward == 0.0
    assert shown.outcome.metrics == {} and "claimed elsewhere: completed" in shown.outcome.detail
    assert "\x1b" not in shown.idea.text and json.loads(shown.idea.to_json())["origin"] == "import"
