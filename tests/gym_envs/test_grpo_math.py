"""grpo at full size: the grader of MATH, its data, and the code around a transformers model."""

import json
import re
import shutil
from pathlib import Path

import pytest

from executor import Executor
from executor.data.prepared import prepare_data
from executor.errors import ProblemError
from executor.problem.problem import load_problem
from gym_envs import find_problem
from tests.gym_envs.problem_files import load

FOLDER = Path(__file__).parents[2] / "gym_envs" / "grpo"
# Real problems, where a checkout has them beside it; nothing else needs them.
MATH = Path(__file__).parents[3] / "shared" / "data" / "math"
needs_math = pytest.mark.skipif(
    not (MATH / "test.jsonl").is_file(), reason="the problems of MATH are not here"
)


PARTS = ("held_out", "final")

prepare = load(FOLDER / "prepare.py")
grader = load(FOLDER / "codebase" / "grader.py")
text = load(FOLDER / "codebase" / "text.py")


def read(path: Path) -> list[dict[str, str]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


# ----- the grader


def graded(response: str, reference: str) -> bool:
    pytest.importorskip("math_verify")
    return grader.grade(response, reference, tiny=False)


@needs_math
def test_every_reference_solution_is_right_and_every_near_miss_is_wrong() -> None:
    rows = read(MATH / "test.jsonl")
    assert len(rows) == 500
    assert [r["answer"] for r in rows if not graded(r["solution"], r["answer"])] == []
    misses = [(near_miss(row["answer"]), row["answer"]) for row in rows]
    misses = [(miss, answer) for miss, answer in misses if miss][::9]
    assert len(misses) >= 50
    assert [m for m in misses if graded(f"<answer>{m[0]}</answer>", m[1])] == []


@needs_math
def test_a_reference_answer_is_right_in_a_tag_and_in_a_box() -> None:
    for row in read(MATH / "test.jsonl")[::10]:
        assert graded(f"so </think> <answer>{row['answer']}</answer>", row["answer"])
        assert graded(f"so </think> <answer>$\\boxed{{{row['answer']}}}$</answer>", row["answer"])


def near_miss(answer: str) -> str | None:
    """The answer with its last number one larger."""
    numbers = list(re.finditer(r"\d+", answer))
    if not numbers:
        return None
    last = numbers[-1]
    return f"{answer[: last.start()]}{int(last[0]) + 1}{answer[last.end() :]}"


@pytest.mark.parametrize(
    ("said", "reference"),
    [
        ("0.5", r"\frac{1}{2}"),
        (r"\dfrac12", r"\frac{1}{2}"),
        ("x = 5", "5"),
        ("10,080", "10080"),
        (r"\pi/2", r"\frac{\pi}{2}"),
        (r"\left( 3, \frac{\pi}{2} \right)", r"(3,\frac{\pi}{2})"),
        (r"\text{Evelyn}", "Evelyn"),
        (r"2\sqrt{3}", r"\sqrt{12}"),
        ("52_{8}", "52_8"),
    ],
)
def test_equal_answers_are_right(said: str, reference: str) -> None:
    assert graded(f"<answer> {said} </answer>", reference)


@pytest.mark.parametrize(
    ("said", "reference"),
    [
        ("(5,3)", "(3,5)"),
        ("0.33", r"\frac{1}{3}"),
        ("-7", "7"),
        ("52_9", "52_8"),
        ("52_{16}", "52_8"),
        (r"\text{Evelyn}", "Angela"),
        (r"\sqrt{3}", "3"),
        ("", "7"),
        (r"\frac{1}{", "1"),
        ("(" * 200, "1"),
        ("1" * 10_000, "1"),
        ("__import__('os').abort()", "1"),
    ],
)
def test_other_answers_are_wrong(said: str, reference: str) -> None:
    assert not graded(f"<answer>{said}</answer>", reference)


@pytest.mark.timeout(30)
@pytest.mark.parametrize(
    "said", ["9^{9^{9^9}}", "9^9^9^9^9", "2^{10000000}", "10000000!", "9!!!!!"]
)
def test_an_answer_that_nobody_could_compute_is_wrong_at_once(said: str) -> None:
    assert not graded(f"<answer>{said}</answer>", "7")


@pytest.mark.parametrize(
    ("response", "answer"),
    [
        ("no answer", None),
        (r"so \boxed{4}", "4"),
        (r"first \boxed{4}, no, \boxed{\frac{1}{2}}", r"\frac{1}{2}"),
        (r"\boxed{4} </think> <answer>5</answer>", "5"),
        (r"<answer>4</answer> or <answer>5</answer> and more", "5"),
        (r"<answer>it is \boxed{\{1, 2\}}</answer>", r"\{1, 2\}"),
        (r"<answer></answer>", None),
        (r"\boxed{4", None),
        (r"\boxed 5", "5"),
    ],
)
def test_the_last_answer_counts(response: str, answer: str | None) -> None:
    assert grader.final_answer(response) == answer


def test_the_prompt_asks_for_thinking_and_holds_the_problem_as_it_is() -> None:
    prompt = text.prompt(r"What is $\{1\} \cup {x}$?", tiny=False)
    assert r"What is $\{1\} \cup {x}$?" in prompt and prompt.endswith("<think>")
    assert "</think>" in prompt and "<answer>" in prompt and "</answer>" in prompt


# ----- the data


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("transformers")
    from tests.models import tiny_checkpoint

    return tiny_checkpoint(tmp_path_factory.mktemp("model") / "model")


@pytest.fixture
def source(tmp_path: Path, model: Path) -> Path:
    folder = tmp_path / "source"
    shutil.copytree(model, folder / "model")
    for name, first in (("train", 100), ("test", 1000)):
        rows = [
            {"problem": f"What is {n} plus 1?", "solution": "Count.", "answer": str(n + 1)}
            for n in range(first, first + 20)
        ]
        (folder / f"{name}.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    return folder


def prepared(tmp_path: Path, source: Path, secret: str = "5ec2e7") -> Path:
    pytest.importorskip("math_verify")
    pytest.importorskip("datasets")
    folder = tmp_path / f"prepared-{secret}"
    for part in ("train", "held_out", "final"):
        (folder / part).mkdir(parents=True)
    prepare.prepare(
        folder / "train", folder / "held_out", str(source), secret=secret, final=folder / "final"
    )
    return folder


def test_training_sees_the_model_and_solutions_but_nothing_held_out(
    tmp_path: Path, source: Path
) -> None:
    rows = read(source / "train.jsonl")
    twice = read(source / "test.jsonl")[0]
    (source / "train.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in [*rows, twice]))
    folder = prepared(tmp_path, source)
    final = read(folder / "final" / "problems.jsonl")
    asked_at_last = {row["problem"] for row in final}
    assert len(final) == 2
    train = [row for row in rows if row["problem"] not in asked_at_last]
    assert read(folder / "train" / "train.jsonl") == train and len(train) == 18
    held_out = read(folder / "held_out" / "problems.jsonl")
    assert len(held_out) == 20 and held_out[0].keys() == final[0].keys() == {"problem", "answer"}
    base = {path.name for path in (folder / "train" / "model").iterdir()}
    assert base >= {"config.json", "tokenizer.json", "model.safetensors"}
    for part in ("held_out", "final"):
        kept = {path.name for path in (folder / part / "model").iterdir()}
        assert kept == base - {"model.safetensors"}


def test_of_one_file_the_secret_draws_a_sixteenth_twice(tmp_path: Path, source: Path) -> None:
    rows = [{"problem": f"{n} + 1?", "answer": str(n + 1)} for n in range(1600)]
    path = source / "all.jsonl"
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    drawn = []
    for secret in ("5ec2e7", "5ec2e7", "another"):
        folder = prepared(tmp_path / str(len(drawn)), path, secret)
        parts = ("train/train", "held_out/problems", "final/problems")
        texts = [[row["problem"] for row in read(folder / f"{part}.jsonl")] for part in parts]
        assert [len(part) for part in texts] == [1406, 100, 94]
        assert len({text for part in texts for text in part}) == 1600
        seeds = {json.loads((folder / part / "exam.json").read_text())["seed"] for part in PARTS}
        assert len(seeds) == 2
        drawn.append((texts, seeds))
    assert drawn[0] == drawn[1]
    assert drawn[0][0] != drawn[2][0] and drawn[0][1].isdisjoint(drawn[2][1])


@pytest.mark.parametrize(
    ("damage", "complaint"),
    [
        (lambda s: (s / "train.jsonl").unlink(), "train.jsonl: no such file"),
        (lambda s: cut(s / "train.jsonl", 40), "line 1: not an object .* whole"),
        (lambda s: (s / "test.jsonl").write_text('{"problem": "1 + 1?"}\n'), "line 1: not an obj"),
        (lambda s: (s / "test.jsonl").write_bytes(b"\xff\n"), "line 1: not an object"),
        (lambda s: (s / "test.jsonl").write_text(""), "0 to hold out: too few"),
        (lambda s: (s / "model" / "config.json").unlink(), "no model; a folder with config.json"),
        (lambda s: (s / "model" / "model.safetensors").unlink(), "no model; a folder with"),
        (lambda s: cut(s / "model" / "model.safetensors", 9000), "not a whole safetensors file"),
    ],
)
def test_a_source_that_is_not_whole_is_one_line(
    tmp_path: Path, source: Path, damage, complaint: str
) -> None:
    damage(source)
    with pytest.raises(ValueError, match=complaint) as error:
        prepared(tmp_path, source)
    assert "\n" not in str(error.value)


def cut(path: Path, size: int) -> None:
    path.write_bytes(path.read_bytes()[:size])


def test_a_hub_that_cannot_be_reached_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub = pytest.importorskip("huggingface_hub.constants")
    config = pytest.importorskip("datasets.config")
    monkeypatch.setattr(hub, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(config, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(config, "HF_DATASETS_CACHE", tmp_path)
    for fetch in (prepare.problems_from_the_hub, prepare.model_from_the_hub):
        with pytest.raises(ValueError, match="--source FOLDER") as error:
            fetch()
        assert "\n" not in str(error.value)


def test_what_is_not_installed_is_named_before_anything_starts(
    tmp_path: Path, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prepare, "NEEDS", ("json", "no_such_package"))
    with pytest.raises(ValueError, match=r"no_such_package missing; run: pip install"):
        prepared(tmp_path, source)


def test_data_that_are_not_prepared_are_asked_for() -> None:
    with pytest.raises(ProblemError, match="ideator-rl envs prepare grpo"):
        find_problem("grpo").data()


# ----- the whole path, around a small transformers model


@pytest.mark.release
def test_a_transformers_model_is_trained_and_examined(
    tmp_path: Path, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("math_verify")
    pytest.importorskip("datasets")
    monkeypatch.setenv("IDEATOR_RL_DATA", str(tmp_path / "data"))
    shutil.copytree(FOLDER, tmp_path / "grpo", ignore=shutil.ignore_patterns("__pycache__"))
    script = tmp_path / "grpo" / "prepare.py"
    script.write_text(script.read_text().replace('"max_new_tokens": 1024', '"max_new_tokens": 4'))
    problem = load_problem(
        tmp_path / "grpo",
        {
            "resources.gpus": 0,
            "resources.cpus": 1,
            "hyperparameters.steps": 1,
            "hyperparameters.prompts_per_step": 2,
            "hyperparameters.group_size": 4,
            "hyperparameters.max_new_tokens": 4,
        },
    )
    prepare_data(problem.name, script, str(source))
    with Executor(problem, store=tmp_path / "store", slots=1) as executor:
        outcome = executor.submit_baseline().result()
        log = executor.run.log("baseline")
    assert outcome.status == "completed", outcome.detail
    assert outcome.metrics["accuracy"] == outcome.reward
    assert 0.0 <= outcome.metrics["accuracy_at_1"] <= 1.0
    assert 1 <= outcome.metrics["response_length"] <= 4
    assert "no vLLM or no GPU" in log and "stopped after step 1" in log
