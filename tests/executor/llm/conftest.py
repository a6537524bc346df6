from __future__ import annotations

from pathlib import Path

import pytest

from tests.executor.llm.asking import APIS, KEY

pytest.importorskip("anthropic")
pytest.importorskip("openai")


@pytest.fixture(params=APIS)
def api(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(autouse=True)
def keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", KEY)
    monkeypatch.setenv("OPENAI_API_KEY", KEY)


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    return tmp_path / "run" / "llm"
