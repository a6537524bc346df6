"""A run named on a command line."""

from __future__ import annotations

from pathlib import Path

import pytest

from executor import Store
from executor.errors import UserError
from ideator_rl.run_path import find_run


def test_a_run_that_is_not_there_is_answered_with_those_that_were_begun(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.run("searched").write_recipe("env: digits\n")
    store.run("refused").log_error("no room")
    assert find_run(f"{tmp_path}/runs/searched").name == "searched"
    told = rf"^{tmp_path}/runs/other: no such run; the runs of {tmp_path} are: searched$"
    with pytest.raises(UserError, match=told):
        find_run(f"{tmp_path}/runs/other")
