from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gym_envs import find_problem
from ideator_rl.ideators.language_model.chat import chat_messages, read_answer
from ideator_rl.ideators.library import load_library
from ideator_rl.sft.idea_texts import DataSettings, Sources, make_answer
from ideator_rl.sft.tiny_model import TinySizes, build_model, build_tokenizer
from tests.models import tiny_checkpoint

transformers = pytest.importorskip("transformers")


@cache
def answers(env: str) -> list[str]:
    sources = Sources(load_library(find_problem(env).library), (), DataSettings())
    return [make_answer(sources, 0, index) for index in range(400)]


@cache
def tokenizer(env: str = "digits"):
    return build_tokenizer(answers(env), 4096)


@given(st.text())
def test_every_text_survives_encoding(text: str) -> None:
    tokens = tokenizer()(text, add_special_tokens=False).input_ids
    assert tokenizer().decode(tokens) == text


def test_the_marks_of_thinking_survive_where_special_tokens_are_skipped() -> None:
    tokens = tokenizer()("<think>Hm.</think>[Experiment] Try.<|im_end|>").input_ids
    text = tokenizer().decode(tokens, skip_special_tokens=True)
    assert read_answer(text) == ("Hm.", "[Experiment] Try.")


@pytest.mark.parametrize("env", ["digits", "nanogpt-tiny"])
def test_an_answer_takes_few_tokens(env: str) -> None:
    lengths = [len(tokenizer(env)(answer).input_ids) for answer in answers(env)]
    assert sum(lengths) / len(lengths) < 100 and max(lengths) < 256


def test_a_checkpoint_folder_is_loaded_as_any_other(tmp_path: Path) -> None:
    import torch

    tiny_checkpoint(tmp_path / "model")
    loaded = transformers.AutoTokenizer.from_pretrained(tmp_path / "model")
    prompt = loaded.apply_chat_template(
        chat_messages("Write."), add_generation_prompt=True, tokenize=False
    )
    assert prompt == "<|im_start|>user\nWrite.<|im_end|>\n<|im_start|>assistant\n"
    assert loaded.eos_token == "<|im_end|>" and loaded.pad_token != loaded.eos_token

    model = transformers.AutoModelForCausalLM.from_pretrained(tmp_path / "model")
    assert model.config.model_type == "qwen3" and model.num_parameters() < 150_000
    tokens = torch.tensor([loaded(prompt).input_ids])
    made = model.generate(
        input_ids=tokens,
        attention_mask=torch.ones_like(tokens),
        max_new_tokens=5,
        eos_token_id=loaded.eos_token_id,
    )
    assert tokens.shape[1] < made.shape[1] <= tokens.shape[1] + 5


def test_the_seed_determines_the_weights() -> None:
    sizes = TinySizes(hidden_size=32, intermediate_size=32, heads=2, key_value_heads=1)
    first, same, other = (build_model(sizes, tokenizer(), seed).state_dict() for seed in (1, 1, 2))
    name = "model.layers.0.mlp.up_proj.weight"
    assert first[name].equal(same[name]) and not first[name].equal(other[name])
