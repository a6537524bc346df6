from __future__ import annotations

from pathlib import Path

import pytest

from tests.models import tiny_checkpoint


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint with random weights: what it writes is garbage, and always the same."""
    pytest.importorskip("transformers")
    return tiny_checkpoint(tmp_path_factory.mktemp("model"))
