"""Connecting to Ray: what a user is told where it does not work."""

from __future__ import annotations

import pytest

pytest.importorskip("ray")

import ray

from executor.cluster.connect import connected
from executor.errors import UserError
from executor.processes import processes


def test_a_cluster_that_does_not_start_in_time_is_one_line(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def too_slow(**_: object) -> None:
        # Ray's own words, and its class, on a machine that is too busy.
        raise Exception("The current node timed out\nduring startup.")

    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setattr(ray, "init", too_slow)
    told = r"^Ray does not start: .* timed out during startup\.$"
    before = set(processes.descendants())
    with pytest.raises(UserError, match=told), connected():
        pass
    assert not set(processes.descendants()) - before


def test_an_address_at_which_nothing_listens_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_ADDRESS", "127.0.0.1:9")
    told = r"^no Ray cluster answers at RAY_ADDRESS=127\.0\.0\.1:9; "
    with pytest.raises(UserError, match=told), connected():
        pass
