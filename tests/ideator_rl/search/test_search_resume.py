"""A search goes on by its records alone: the log of events is for people."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest

from executor import Store, StoreError
from executor.llm.records import LLMError
from ideator_rl.analysis import load_run
from ideator_rl.ideators.ideator import IdeaRequest
from ideator_rl.search.epochs import FOLDER, Shown
from tests.ideator_rl.search.test_search_pipeline import Author, recipe, run
from tests.tiny_problem import larger


async def whole(request: IdeaRequest) -> AsyncIterator[Sequence[str]]:
    yield [larger(20 + len(request.seen) + n) for n in range(request.count)]


async def half(request: IdeaRequest) -> AsyncIterator[Sequence[str]]:
    if len(request.seen) >= 3:
        raise LLMError("the key is wrong")
    async for texts in whole(request):
        yield texts


@pytest.fixture
def begun(tmp_path: Path) -> Path:
    """A search that broke off in its second epoch, which was shown the first one's first idea."""
    folder = tmp_path / "begun"
    folder.mkdir()
    with pytest.raises(LLMError):
        run(folder, recipe(folder, 6, 2, method="evolution"), Author(half))
    kept = Store(folder / "store").run("first")
    assert kept.kept_numbered(FOLDER, Shown) == {
        0: Shown((), False),
        1: Shown(("000-000", "000-001"), True),
    }
    kept.keep_numbered(FOLDER, 1, Shown(("000-000",), True))
    return folder


def resumed(begun: Path, folder: Path, lost: str) -> tuple[object, ...]:
    """What is asked, proposed and found when a copy goes on, without one of its files."""
    shutil.copytree(begun, folder)
    (folder / "store/runs/first" / lost).unlink(missing_ok=True)
    author = Author(whole)
    result = run(folder, recipe(folder, 6, 2, method="evolution"), author)
    asked = [(r.mode, [e.idea.id for e in r.history], r.seen, r.baseline) for r in author.requests]
    found = [(e.idea, e.outcome.reward, e.outcome.content_hash) for e in result.executed]
    data = load_run(Store(folder / "store").run("first"))
    return asked, found, result.baseline, (data.problem, data.metric, data.sandboxes)


def test_without_its_events_a_search_goes_on_just_the_same(begun: Path, tmp_path: Path) -> None:
    with_events = resumed(begun, tmp_path / "with", "nothing")
    asked, found, *_ = with_events
    assert isinstance(asked, list) and isinstance(found, list)
    assert asked[0][1] == ["000-000"] and len(found) == 6
    assert resumed(begun, tmp_path / "without", "events.jsonl") == with_events


@pytest.mark.parametrize(
    ("name", "text", "reason"),
    [
        ("epochs/001.json", '{"ideas": ["000-000"]}', "baseline: missing"),
        ("epochs/001.json", '{"ideas": [], "baseline": true, "best": 1}', "best: unknown key"),
        ("epochs/001.json", '{"ideas": [], "baseline": "yes"}', r"baseline: expected `bool`.*"),
        ("epochs/000.json", '{"ideas": [\n', ".*"),
        ("start.json", "[" * 100_000, ".*"),
        ("sessions/000.json", "[]", "not a JSON object"),
    ],
)
def test_an_old_or_damaged_record_is_one_clear_line(
    begun: Path, name: str, text: str, reason: str
) -> None:
    (begun / "store/runs/first" / name).write_text(text)
    with pytest.raises(StoreError) as error:
        run(begun, recipe(begun, 6, 2, method="evolution"), Author(whole))
    assert "\n" not in str(error.value)
    error.match(rf"{name} is damaged, or of another version of this program \({reason}\); put")
    error.match("choose another run name$")
