"""Shared by all tests: prepared data and caches stay in a temporary folder of the session."""

from __future__ import annotations

from collections.abc import Iterator

import pytest


@pytest.fixture(scope="session", autouse=True)
def own_data_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("IDEATOR_RL_DATA", str(tmp_path_factory.mktemp("data")))
        yield
