"""What is a model and what is not, told from files alone."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from executor.errors import UserError
from ideator_rl.ideators.language_model.model_folder import (
    AnswerDefaults,
    count_weights,
    find_model,
    fingerprint,
    read_answer_defaults,
    write_answer_defaults,
)


@pytest.fixture
def model(tiny_model: Path, tmp_path: Path) -> Path:
    """A copy to break."""
    return shutil.copytree(tiny_model, tmp_path / "model")


def test_a_checkpoint_folder_is_a_model(tiny_model: Path) -> None:
    from transformers import AutoModelForCausalLM

    assert find_model(str(tiny_model)) == tiny_model
    numbers = AutoModelForCausalLM.from_pretrained(tiny_model).num_parameters()
    assert count_weights(tiny_model / "model.safetensors") == (numbers, 4 * numbers)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-7])


def drop(*names: str) -> Callable[[Path], None]:
    def change(model: Path) -> None:
        for name in names:
            (model / name).unlink()

    return change


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (drop("config.json"), "no config.json that names a model_type"),
        (lambda model: (model / "config.json").write_text("{"), "no config.json that names"),
        (lambda model: (model / "config.json").write_text("[]"), "no config.json that names"),
        (drop("model.safetensors"), "no weights"),
        (lambda model: cut(model / "model.safetensors"), "cut short: .* bytes; export it again"),
        (lambda model: (model / "model.safetensors").write_bytes(b""), "damaged"),
        (lambda model: (model / "model.safetensors").write_bytes(b"\xff" * 99), "damaged"),
        (
            lambda model: (model / "model.safetensors").write_bytes(
                b"\x08" + b"\0" * 7 + b'{"a": 1}.'
            ),
            "damaged",
        ),
        (drop("tokenizer.json"), "no tokenizer"),
        (drop("chat_template.jinja"), "no chat template, so it cannot be asked"),
    ],
)
def test_what_is_no_model_is_said_in_one_line(
    model: Path, change: Callable[[Path], None], complaint: str
) -> None:
    change(model)
    with pytest.raises(UserError, match=complaint) as error:
        find_model(str(model))
    assert "\n" not in str(error.value) and str(model) in str(error.value)


@pytest.mark.parametrize("name", ["nowhere", "./a/b", "/no/such/model", "a/b/c", ""])
def test_a_name_that_is_no_folder_is_said(name: str, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=r"no such model|not a model"):
        find_model(name)


def test_a_hub_that_does_not_answer_is_said(tmp_path: Path, monkeypatch) -> None:
    pytest.importorskip("transformers")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match="someone/model: no such folder, and not to be had from"):
        find_model("someone/model")


def test_a_fingerprint_tells_models_apart_by_every_byte(model: Path, tiny_model: Path) -> None:
    same = fingerprint(tiny_model)
    assert fingerprint(model) == same
    (model / "README.md").write_text("No part of the model.")
    assert fingerprint(model) == same
    for name in ("model.safetensors", "tokenizer.json", "config.json", "chat_template.jinja"):
        whole = (model / name).read_bytes()
        changed = bytearray(whole)
        changed[len(whole) // 2] ^= 1
        (model / name).write_bytes(changed)
        assert fingerprint(model) != same
        (model / name).write_bytes(whole)
    write_answer_defaults(model, AnswerDefaults("brief", 448))
    assert fingerprint(model) != same


def test_a_model_says_how_it_is_asked(model: Path) -> None:
    assert read_answer_defaults(model) == AnswerDefaults(None, None)
    write_answer_defaults(model, AnswerDefaults("brief", 448))
    assert read_answer_defaults(model) == AnswerDefaults("brief", 448)
    (model / "ideator.json").write_text(json.dumps({"prompt": "long"}))
    with pytest.raises(UserError, match=r"ideator.json: prompt: expected one of full, words, b"):
        read_answer_defaults(model)
