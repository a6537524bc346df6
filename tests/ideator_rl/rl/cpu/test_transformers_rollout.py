from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

pytest.importorskip("verl")

from omegaconf import OmegaConf
from verl.workers.config import RolloutConfig

from ideator_rl.rl.cpu.transformers_rollout import TransformersServer

PROMPT = [5, 6, 7]


@pytest.fixture(scope="module")
def server(model: Path) -> TransformersServer:
    settings = RolloutConfig(
        name="transformers", prompt_length=8, response_length=24, max_num_seqs=64, seed=3
    )
    target = "verl.workers.config.HFModelConfig"
    return TransformersServer(settings, OmegaConf.create({"_target_": target, "path": str(model)}))


@pytest.fixture(scope="module")
def loop():
    """A server lives on one."""
    loop = asyncio.new_event_loop()
    yield loop
    loop.close()


def answers(loop, server: TransformersServer, *params: dict) -> list[tuple[int, ...]]:
    async def ask():
        asked = (server.generate(PROMPT, {"temperature": 1.0, **each}) for each in params)
        return await asyncio.gather(*asked)

    return [tuple(output.token_ids) for output in loop.run_until_complete(ask())]


def test_requests_that_name_no_seed_draw_different_answers(loop, server):
    assert len(set(answers(loop, server, *[{}] * 8))) == 8


@pytest.mark.slow
def test_the_same_seed_is_the_same_answer_whoever_else_asks(loop, server):
    first, _, again = answers(loop, server, {"seed": 1}, {}, {"seed": 1})
    assert first == again == answers(loop, server, {"seed": 1})[0]


def test_an_answer_is_no_longer_than_asked(loop, server):
    short, whole = answers(loop, server, {"seed": 1, "max_tokens": 5}, {"seed": 1})
    assert len(short) == 5 < len(whole) and whole[:5] == short


def test_weights_of_another_model_are_refused(loop, server):
    weights = server._model.state_dict()
    loop.run_until_complete(server.load(weights, 1))
    other = {f"other.{name}": weight for name, weight in weights.items()}
    with pytest.raises(RuntimeError, match="weight sync"):
        loop.run_until_complete(server.load(other, 2))
