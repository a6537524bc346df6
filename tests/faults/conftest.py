from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from executor.store import bucket
from tests.faults import faulty_filesystem
from tests.faults.faulty_filesystem import fail


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """A store that stalls or stays away is noticed in seconds."""
    monkeypatch.setattr(bucket, "ATTEMPT_S", 0.3)
    monkeypatch.setattr(bucket, "PATIENCE_S", 1.0)
    monkeypatch.setattr(bucket, "OPEN_PATIENCE_S", 1.0)
    monkeypatch.setattr(faulty_filesystem, "STALL_S", 1.5)


@pytest.fixture
def faulty(tmp_path: Path) -> Iterator[str]:
    """The URL of a store that fails on demand; its files are in `tmp_path / "bucket"`."""
    yield f"faulty://{tmp_path}/bucket"
    fail()
