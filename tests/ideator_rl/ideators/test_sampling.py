from __future__ import annotations

import pytest

pytest.importorskip("transformers")

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from ideator_rl.ideators.language_model.sampling import Asked, sample
from tests.models import tiny_checkpoint

PROMPTS = [[5, 6, 7, 8, 9], [10, 11], [12, 13, 14]]


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    folder = tiny_checkpoint(tmp_path_factory.mktemp("models") / "tiny")
    return AutoModelForCausalLM.from_pretrained(folder).eval(), AutoTokenizer.from_pretrained(
        folder
    )


def _answers(model, prompts, seeds, limit=12, stop=(), temperature=1.0):
    asked = [Asked(prompt, limit, seed) for prompt, seed in zip(prompts, seeds, strict=False)]
    drawn = sample(model, asked, stop=stop, pad=0, temperature=temperature)
    return {answer.row: answer for answer in drawn}


def test_log_probabilities_are_those_of_a_plain_forward_pass(model):
    model, _ = model
    for row, answer in _answers(model, PROMPTS, [1, 2, 3]).items():
        whole = torch.tensor([PROMPTS[row] + answer.tokens])
        with torch.no_grad():
            log_p = model(whole).logits.log_softmax(-1)[0]
        start = len(PROMPTS[row])
        again = [log_p[start + i - 1, token].item() for i, token in enumerate(answer.tokens)]
        assert answer.log_probs == pytest.approx(again, abs=1e-4)


def test_what_a_row_draws_depends_on_its_own_seed_only(model):
    model, _ = model
    together = _answers(model, PROMPTS, [1, 2, 3])
    for row, prompt in enumerate(PROMPTS):
        alone = _answers(model, [prompt], [row + 1])[0]
        assert alone.tokens == together[row].tokens
    assert _answers(model, PROMPTS, [4, 5, 6])[0].tokens != together[0].tokens


def test_draws_follow_the_model_s_distribution(model):
    model, _ = model
    with torch.no_grad():
        first_V = model(torch.tensor([[5, 6]])).logits[0, -1].softmax(-1)
    # The random model is nearly uniform, so halves of the vocabulary are told apart, not tokens.
    drawn = _answers(model, [[5, 6]] * 400, range(400), limit=1)
    half = first_V.argsort(descending=True)[: len(first_V) // 2]
    share = sum(answer.tokens[0] in set(half.tolist()) for answer in drawn.values()) / 400
    assert share == pytest.approx(first_V[half].sum().item(), abs=0.1)


def test_an_answer_ends_with_its_stop_token_while_others_go_on(model):
    model, _ = model
    free = _answers(model, PROMPTS, [1, 2, 3])
    stop = free[0].tokens[3]
    stopped = _answers(model, PROMPTS, [1, 2, 3], stop={stop})
    assert stopped[0].tokens[-1] == stop and len(stopped[0].tokens) <= 4
    for row in (1, 2):
        assert stopped[row].tokens == free[row].tokens[: len(stopped[row].tokens)]


def test_temperature_zero_is_greedy(model):
    model, _ = model
    first, second = (
        _answers(model, PROMPTS, seeds, temperature=0)[0] for seeds in ([1] * 3, [9] * 3)
    )
    assert first.tokens == second.tokens


def test_unicode_survives_the_tiny_tokenizer(model):
    _, tokenizer = model
    text = "<think>naïve 漢字</think>[Experiment] 🚀 x\ty"
    ids = tokenizer.encode(text, add_special_tokens=False)
    assert tokenizer.decode(ids, skip_special_tokens=True) == text
