"""The file of sampled ideas: what is whole is kept, and the rest is made again."""

from __future__ import annotations

import tempfile
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from executor import Problem, load_problem
from executor.store.open import open_storage
from ideator_rl.evaluation.evaluation import distinct_ideas
from ideator_rl.evaluation.recipe import LIBRARY_ROW, read_evaluation
from ideator_rl.evaluation.samples import (
    Sample,
    SampleFile,
    sample_library,
    sample_model,
    sample_seed,
)
from ideator_rl.ideators.checkpoint import CheckpointIdeator
from ideator_rl.ideators.language_model.language_model import LanguageModel
from tests.tiny_problem import make_problem

RECIPE = read_evaluation(None, {"env": "tiny", "models": ["a", "b"], "n": 6})


def problem(folder: Path) -> Problem:
    return load_problem(make_problem(folder / "tiny"))


@given(st.lists(st.text(), min_size=1, max_size=6), st.integers(0, 200))
def test_a_file_that_was_cut_short_keeps_its_whole_lines(texts: list[str], lost: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "ideas.jsonl"
        kept = SampleFile(open_storage(folder))
        for index, text in enumerate(texts):
            kept.add(Sample("a", index, text))
        data = file.read_bytes()
        file.write_bytes(data[: max(0, len(data) - lost)])
        whole = file.read_bytes().count(b"\n")

        SampleFile(open_storage(folder)).add(Sample("b", 0, "one more"))
        found = SampleFile(open_storage(folder))
        assert [sample.text for sample in found.row("b")] == ["one more"]
        # A line that lost nothing but its end is whole, too.
        assert [sample.text for sample in found.row("a")] in (texts[:whole], texts[: whole + 1])
        assert found.missing("a", 6) == list(range(len(found.row("a")), 6))


def test_a_models_samples_are_the_same_however_often_it_was_cut_off(
    tiny_model: Path, tmp_path: Path
) -> None:
    def sampled(name: str, *begun: int) -> list[Sample]:
        kept = SampleFile(open_storage(tmp_path / name))
        for index in begun:
            kept.add(next(sample for sample in whole if sample.index == index))
        calls: list[int] = []
        model = LanguageModel(tiny_model)
        ideator = CheckpointIdeator(model, tiny, prompt="brief", max_tokens=20)
        sample_model(RECIPE, "a", ideator, kept, lambda: calls.append(1))
        assert len(calls) == 6 - len(begun)
        return SampleFile(open_storage(tmp_path / name)).row("a")

    tiny, whole = problem(tmp_path), []
    whole = sampled("whole")
    assert [sample.index for sample in whole] == list(range(6))
    assert len({sample.text for sample in whole}) == 6
    assert all(s.idea_tokens is not None and s.seconds > 0 for s in whole)
    texts = [sample.text for sample in sampled("resumed", 4, 1)]
    assert texts == [sample.text for sample in whole]


def test_the_library_is_sampled_once_and_repeats_nothing(tmp_path: Path) -> None:
    tiny, storage = problem(tmp_path), open_storage(tmp_path / "out")
    sample_library(RECIPE, tiny, SampleFile(storage))
    before = storage.read("ideas.jsonl")
    kept = SampleFile(storage)
    texts = [sample.text for sample in kept.row(LIBRARY_ROW)]
    assert len(texts) == len(set(texts)) == 6
    sample_library(RECIPE, tiny, kept)
    assert storage.read("ideas.jsonl") == before


def test_a_problem_without_a_library_has_no_such_row(tmp_path: Path) -> None:
    tiny = problem(tmp_path)
    tiny.library.unlink()
    kept = SampleFile(open_storage(tmp_path / "out"))
    sample_library(RECIPE, tiny, kept)
    assert kept.row(LIBRARY_ROW) == []


def test_every_text_is_one_idea_and_rows_take_turns() -> None:
    rows = {
        "models/a": [Sample("models/a", 0, "one"), Sample("models/a", 1, "two")],
        "library": [Sample("library", 0, "two"), Sample("library", 1, "three", title="3")],
    }
    ideas = list(distinct_ideas(rows, {"models/a": "a"}))
    assert [(idea.text, idea.origin) for idea in ideas] == [
        ("one", "a"),
        ("two", "library"),
        ("three", "library"),
    ]
    assert len({idea.id for idea in ideas}) == 3 and ideas[2].meta["title"] == "3"


def test_seeds_are_the_models_in_common() -> None:
    seeds = [sample_seed(seed, index) for seed in range(3) for index in range(100)]
    assert len(set(seeds)) == 300 and all(0 <= seed < 2**63 for seed in seeds)
