"""A run goes on with the models that it began with, or not at all."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from executor.errors import UserError
from executor.store.runs import Store
from ideator_rl.kept.weights import WEIGHTS, keep_weights
from tests.ideator_rl.command_line import ideator_rl, in_process, make_workplace


def test_a_name_stands_for_the_weights_that_it_had_first(tmp_path: Path) -> None:
    run = Store(tmp_path).run("first")
    for models in ({}, {"a": "1"}, {"a": "1"}, {"b": "2"}):
        keep_weights(run, models)
    for name, models in (("a", {"a": "2"}), ("b", {"a": "1", "b": "3"})):
        with pytest.raises(UserError, match=f"^{name} has other weights.* with --out$"):
            keep_weights(run, models, "--out")
    kept = sorted((tmp_path / "runs/first" / WEIGHTS).iterdir())
    assert [json.loads(file.read_text()) for file in kept] == [
        {"models": {"a": "1"}},
        {"models": {"b": "2"}},
    ]


@pytest.mark.parametrize("text", ["{\n", '{"models": {"a": 1}}', "{}", '{"models": {}, "x": 1}'])
def test_damaged_weights_are_one_clear_line(tmp_path: Path, text: str) -> None:
    (tmp_path / "runs/first" / WEIGHTS).mkdir(parents=True)
    (tmp_path / "runs/first" / WEIGHTS / "000.json").write_text(text)
    with pytest.raises(UserError, match=r"weights/000\.json is damaged, .*another run") as error:
        keep_weights(Store(tmp_path).run("first"), {"a": "1"})
    assert "\n" not in str(error.value)


@pytest.mark.slow
def test_a_search_goes_on_with_the_weights_that_it_began_with(
    tmp_path: Path, tiny_model: Path
) -> None:
    make_workplace(tmp_path)
    model = shutil.copytree(tiny_model, tmp_path / "model")
    words = ("search", "--config", "config.yaml", "--ideator.kind", "checkpoint")
    words += ("--ideator.model", "model", "--ideator.max_tokens", "4", "--confirm.top", "0")
    words += ("--executor.baseline_seeds", "1")
    begun = ideator_rl(tmp_path, *words, "--budget.ideas", "2", "--search.epoch_size", "2")
    assert begun.code == 0, begun.err
    old = (model / "tokenizer.json").read_bytes()
    (model / "tokenizer.json").write_bytes(old + b"\n")
    more = ("--budget.ideas", "4", "--search.epoch_size", "2")
    refused = in_process(tmp_path, *words, *more)
    assert refused.code == 2
    assert refused.err.splitlines()[-1] == (
        "ideator-rl: model has other weights, another tokenizer or another configuration than when "
        "the run first was begun; put the old model back, or choose another name with --run"
    )
    assert len(Store(tmp_path / "store").run("first").trials()) == 3
    (model / "tokenizer.json").write_bytes(old)
    resumed = ideator_rl(tmp_path, *words, *more)
    assert resumed.code == 0, resumed.err
    assert len(Store(tmp_path / "store").run("first").trials()) == 5
