"""The library of nanogpt: every idea does what its `expect` says as far as that is quick."""

import importlib.util
import itertools
import sys
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
import yaml

from executor.edits import EditError, ForbiddenEdit
from executor.problem.problem import Problem, load_problem
from tests.gym_envs.problem_files import with_idea

FOLDER = Path(__file__).parents[2] / "gym_envs" / "nanogpt"
PROBLEM, FULL = load_problem(FOLDER / "problem-tiny.toml"), load_problem(FOLDER)
IDEAS: dict[str, dict[str, Any]] = {
    idea["id"]: idea for idea in yaml.safe_load(PROBLEM.library.read_text())
}
APPLICABLE = [i for i in IDEAS if IDEAS[i]["expect"] in ("completed", "crashed", "timeout")]
COMPLETED = [i for i in IDEAS if IDEAS[i]["expect"] == "completed"]
STRONG = [
    "muon",
    "rope",
    "relu-squared",
    "qk-norm",
    "tied-embeddings",
    "learning-rate",
    "batch-size",
]


def edited(codebase: Mapping[str, str], idea_id: str, *values: Any) -> Mapping[str, str]:
    return with_idea(PROBLEM, codebase, IDEAS[idea_id], *values)


def load_model(codebase: Mapping[str, str], folder: Path) -> ModuleType:
    path = folder / "model.py"
    path.write_text(codebase["model.py"])
    spec = importlib.util.spec_from_file_location("nanogpt_idea_model", path)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("problem", [PROBLEM, FULL], ids=["tiny", "full"])
@pytest.mark.parametrize("idea_id", APPLICABLE)
def test_an_idea_applies_at_both_sizes_with_each_of_its_values(
    problem: Problem, idea_id: str
) -> None:
    for values in itertools.product(*IDEAS[idea_id].get("params", {}).values()):
        after = edited(problem.codebase, idea_id, *values)
        assert after != problem.codebase
        for name, text in after.items():
            compile(text, name, "exec")


@pytest.mark.slow
@pytest.mark.parametrize("idea_id", COMPLETED)
def test_an_idea_that_completes_answers_from_its_cache_as_it_was_trained(
    idea_id: str, tmp_path: Path
) -> None:
    if idea_id == "see-both-ways":
        pytest.skip("its point is that it does not")
    model_py = load_model(edited(PROBLEM.codebase, idea_id), tmp_path)
    torch.manual_seed(0)
    model = model_py.GPT(model_py.Config(dtype="float32")).eval()
    idx_BT = torch.randint(256, (3, 40))
    cache = model.new_cache()
    with torch.inference_mode():
        for parameter in model.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))  # what starts at zero takes part
        parallel_BTV = model.logits(idx_BT)
        streamed = [model.forward_with_cache(idx_B, cache) for idx_B in idx_BT.unbind(dim=1)]
    torch.testing.assert_close(torch.stack(streamed, dim=1), parallel_BTV, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize(("first", "second"), list(itertools.permutations(STRONG, 2)))
def test_the_strong_ideas_combine_in_any_order(first: str, second: str) -> None:
    one_way = edited(edited(PROBLEM.codebase, first), second)
    other_way = edited(edited(PROBLEM.codebase, second), first)
    assert one_way == other_way


def test_ideas_about_sizes_combine_in_one_text() -> None:
    sizes = ["depth", "width", "heads", "learning-rate"]
    changes = "\n\n".join(
        IDEAS[name]["changes"].replace("{factor}", str(IDEAS[name]["params"]["factor"][0]))
        for name in sizes
    )
    train = with_idea(PROBLEM, PROBLEM.codebase, {"experiment": "All.", "changes": changes})
    lines = train["train.py"].splitlines()
    assert sum(line.startswith("config = replace(config, ") for line in lines) == len(sizes) + 1


def test_all_strong_ideas_combine() -> None:
    forwards = backwards = PROBLEM.codebase
    for idea_id in STRONG:
        forwards = edited(forwards, idea_id)
    for idea_id in reversed(STRONG):
        backwards = edited(backwards, idea_id)
    assert forwards == backwards


def test_an_idea_that_is_not_implemented_does_not_apply() -> None:
    ideas = [i for i in IDEAS if IDEAS[i]["expect"] == "not_implemented"]
    for idea_id in ideas:
        with pytest.raises(EditError):
            edited(PROBLEM.codebase, idea_id)
    assert ideas


def test_an_idea_that_is_rejected_touches_a_frozen_file() -> None:
    ideas = [i for i in IDEAS if IDEAS[i]["expect"] == "rejected"]
    for idea_id in ideas:
        with pytest.raises(ForbiddenEdit):
            edited(PROBLEM.codebase, idea_id)
    assert ideas
