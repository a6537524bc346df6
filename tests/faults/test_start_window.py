"""A slot that is killed while a process of its trial starts: that one ends, too, under any lock."""

from __future__ import annotations

import os
import random
import time
from dataclasses import replace
from pathlib import Path

import pytest

from executor import Executor, UserError
from executor.sandbox import choose
from tests.executor.runs import idea, tiny, wait_until
from tests.executor.trials import all_gone, left_by
from tests.faults.victims import kill, victims


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    [
        "namespaces",
        *(pytest.param(name, marks=pytest.mark.slow) for name in ("bubblewrap", "process")),
    ],
)
def test_nobody_survives_a_slot_that_is_killed_while_its_training_starts(
    tmp_path: Path, name: str
) -> None:
    try:
        # Without control groups, which would end whatever is left.
        lock = replace(choose("best-effort", names=(name,)), grouped=False)
    except UserError as error:
        pytest.skip(str(error))
    # Names the training inside of its box as well.
    seconds = f"6{random.randrange(10**9, 10**10)}"
    with Executor(tiny(tmp_path / "tiny"), store=tmp_path, slots=1, sandbox=lock) as executor:
        for n in range(6):
            future = executor.submit(idea(f"i{n}", 20 + n, shell=f"sleep {seconds}"))
            while not future.done():
                slots = victims(os.getpid(), "slot")
                if any(map(left_by, slots)):
                    time.sleep(0.002 * n)
                    assert any(map(kill, slots))
                    wait_until(lambda old=slots: victims(os.getpid(), "slot") != old)
    assert all_gone(seconds)
