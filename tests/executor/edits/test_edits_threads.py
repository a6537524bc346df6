"""Ideas are implemented in threads: edits applied at the same time must not disturb each other."""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from executor.edits import apply_edits

SOURCE = "learning_rate = 0.1\n" + "def f(x):\n    return [[x + 1, (x, {x: [x]})]]\n\n\n" * 200


class Cycle:
    """Garbage whose collection runs Python code, and so lets another thread in."""

    def __init__(self) -> None:
        self.me = self

    def __del__(self) -> None:
        sum(number for number in range(50))


@pytest.fixture(autouse=True)
def frequent_switches() -> Iterator[None]:
    interval, threshold = sys.getswitchinterval(), gc.get_threshold()
    sys.setswitchinterval(1e-6)
    gc.set_threshold(100)
    yield
    sys.setswitchinterval(interval)
    gc.set_threshold(*threshold)


@pytest.mark.slow
def test_edits_may_be_applied_in_many_threads_at_once() -> None:
    def apply(value: int) -> str:
        for _ in range(500):
            Cycle()
        files = {"train.py": f"{SOURCE}# {value}\n"}
        text = f"[Code Changes]\nlearning_rate: 0.1 -> {value}"
        return apply_edits(files, text, editable=["*.py"], frozen=[])["train.py"]

    with ThreadPoolExecutor(8) as pool:
        trees = list(pool.map(apply, range(1, 65)))
    assert [tree.partition("\n")[0] for tree in trees] == [
        f"learning_rate = {value}" for value in range(1, 65)
    ]
