"""A whole search, with language models and a confirmation, asks its store in threads only."""

from __future__ import annotations

from pathlib import Path
from uuid import uuid4

import pytest

pytest.importorskip("openai")

from ideator_rl.cli import main
from tests.executor.store.off_loop import watch_stores
from tests.ideator_rl.command_line import make_workplace
from tests.ideator_rl.search.test_llm_search import KEYS, research, sections
from tests.llm_servers import serve


@pytest.mark.parametrize("where", ["folder", "memory", pytest.param("s3", marks=pytest.mark.slow)])
@pytest.mark.parametrize("pipeline", ["epochs", "continuous"])
def test_a_search_asks_its_store_in_threads(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    where: str,
    pipeline: str,
) -> None:
    urls = {
        "folder": lambda: str(tmp_path / "store"),
        "memory": lambda: f"memory://{uuid4().hex}",
        "s3": lambda: request.getfixturevalue("s3_url"),
    }
    url = urls[where]()
    monkeypatch.chdir(tmp_path)
    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)
    calls = watch_stores(monkeypatch)
    with serve("openai", research) as server:
        make_workplace(tmp_path, sections("openai", server, budget={"calls": 200}))
        words = ["search", "--config", "config.yaml", "--json", "--search.pipeline", pipeline]
        # The second time everything is found in the store.
        for _ in range(2):
            with pytest.raises(SystemExit, match=r"^0$"):
                main([*words, "--store", url])
    assert calls.blocking == []
    assert calls.made["write"] > 12 * 5
