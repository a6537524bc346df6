from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.executor.trials import Slot


@pytest.fixture(scope="module")
def slot(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Slot]:
    """A slot for one trial after the other; its parent's environment holds a secret."""
    slot = Slot(tmp_path_factory.mktemp("slot"), {"API_KEY": "very-secret", "PYTHONPATH": "/no"})
    yield slot
    assert slot.close() == 0
    assert not slot.folder.exists()
