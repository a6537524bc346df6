"""grpo-tiny: its data, its model, its examination, and short training runs in the executor."""

import itertools
import json
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from executor import Executor, Idea, Outcome
from executor.data.prepared import data_root
from executor.data.secret import secret_of
from executor.problem.problem import Problem, load_problem
from tests.gym_envs.problem_files import load

FOLDER = Path(__file__).parents[2] / "gym_envs" / "grpo"
TINY = FOLDER / "problem-tiny.toml"
UNTRAINED = "steps: 20 -> 0"

evaluate = load(FOLDER / "evaluate.py")
prepare_tiny = load(FOLDER / "prepare_tiny.py")
tiny_gpt = load(FOLDER / "codebase" / "tiny_gpt.py")
weights = load(FOLDER / "codebase" / "weights.py")
grader = load(FOLDER / "codebase" / "grader.py")


@pytest.fixture(scope="module")
def problem() -> Problem:
    """Its training is cut short; the warm-up is made once on a machine, as for everybody."""
    return load_problem(TINY, {"budget.seconds": 12.0, "hyperparameters.learning_rate": 3e-4})


@pytest.fixture(scope="module")
def executor(problem: Problem, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Executor]:
    with Executor(problem, store=tmp_path_factory.mktemp("store"), slots=1) as executor:
        yield executor


@pytest.fixture(scope="module")
def quick_executor(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Executor]:
    """The same on a model that is hardly warmed up, which takes seconds instead of a minute."""
    folder = tmp_path_factory.mktemp("problem") / "grpo"
    shutil.copytree(FOLDER, folder, ignore=shutil.ignore_patterns("__pycache__"))
    script = folder / "prepare_tiny.py"
    whole = "ENOUGH, MOST_STEPS, SETTLING_STEPS, BATCH = 1.0, 400, 130, 128"
    assert whole in script.read_text()
    script.write_text(script.read_text().replace(whole, whole.replace("400, 130", "2, 2")))
    problem = load_problem(folder / TINY.name, {"budget.seconds": 6.0})
    with Executor(problem, store=tmp_path_factory.mktemp("store"), slots=1) as executor:
        yield executor


@pytest.fixture(scope="module")
def untrained(executor: Executor) -> Outcome:
    return outcome_of(executor, "untrained", UNTRAINED)


def outcome_of(executor: Executor, name: str, changes: str) -> Outcome:
    text = f"[Experiment] A test.\n[Code Changes]\n{changes}"
    return executor.execute([Idea(name, text)])[0]


def at_the_end(code: str) -> str:
    """No training; `code` runs when the candidate is complete."""
    last = 'save_policy(policy, base, Path("candidate"))'
    block = f"<<<<<<< SEARCH\n{last}\n=======\n{last}\n{code}\n>>>>>>> REPLACE\n"
    return f"{UNTRAINED}\ntrain.py\n{block}"


# ----- the data


SECRET = "0123456789abcdef"


def left_to_right(text: str, tables: dict[str, list[list[int]]]) -> int:
    value, before = int(text[0]), ""
    for operator, digit in zip(text[1::2], text[2::2], strict=True):
        value = tables[before + operator][value][int(digit)]
        before = operator
    return value


def prepared(folder: Path, secret: str) -> dict[str, bytes]:
    """Every file that preparing makes."""
    for part in ("train", "held_out", "final"):
        (folder / part).mkdir(parents=True)
    prepare_tiny.prepare(
        folder / "train", folder / "held_out", secret=secret, final=folder / "final"
    )
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


@pytest.fixture
def quick_warm_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prepare_tiny, "MOST_STEPS", 2)
    monkeypatch.setattr(prepare_tiny, "SETTLING_STEPS", 2)


@pytest.mark.usefixtures("quick_warm_up")
def test_no_problem_is_in_two_parts_and_every_answer_is_right(tmp_path: Path) -> None:
    prepared(tmp_path / "data", SECRET)
    tables = prepare_tiny.secret_tables(SECRET)
    assert len(tables) == 12
    rows = [
        evaluate.read_problems(tmp_path / "data" / part)
        for part in ("train/train.jsonl", "held_out/problems.jsonl", "final/problems.jsonl")
    ]
    assert [len(part) for part in rows] == [prepare_tiny.TRAIN, 2_000, 2_000]
    texts = {row["problem"] for part in rows for row in part}
    assert len(texts) == sum(map(len, rows))
    for row in itertools.chain(*rows):
        assert str(left_to_right(row["problem"], tables)) == row["answer"]


def test_the_warm_up_sees_no_problem_of_the_data(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prepare_tiny, "OPERANDS", 2)
    rng = prepare_tiny.random.Random(0)
    data = set(prepare_tiny.distinct(rng, 150, set()))  # of 300
    assert data.isdisjoint(prepare_tiny.distinct(rng, 150, data))


@pytest.mark.usefixtures("quick_warm_up")
def test_one_secret_gives_the_same_bytes_and_another_nothing_of_them(tmp_path: Path) -> None:
    first = prepared(tmp_path / "first", SECRET)
    torch.rand(5)  # what else was drawn changes nothing
    assert prepared(tmp_path / "again", SECRET) == first
    other = prepared(tmp_path / "other", "fedcba9876543210")
    same = {name for name in first if other[name] == first[name]}
    folders = ("train", "held_out", "final")
    assert same == {f"{folder}/model/config.json" for folder in folders} | {
        f"{folder}/shapes.json" for folder in folders[1:]
    }
    tables = [prepare_tiny.secret_tables(secret) for secret in (SECRET, "fedcba9876543210")]
    pairs = [
        (a, b)
        for key in tables[0]
        for row, other_row in zip(tables[0][key], tables[1][key], strict=True)
        for a, b in zip(row, other_row, strict=True)
    ]
    assert 0.05 < sum(a == b for a, b in pairs) / len(pairs) < 0.15


def test_the_small_problem_takes_no_source(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="leave --source out"):
        prepare_tiny.prepare(
            tmp_path, tmp_path, source="somewhere.jsonl", secret=SECRET, final=tmp_path
        )


@pytest.mark.parametrize(
    ("response", "right"),
    [
        ("5>3.", True),
        (">3.", True),
        ("4>5>3.", True),
        ("3.", False),
        ("5>3", False),
        ("5>13.", False),
        ("5>3>.", False),
        ("3>5.", False),
        ("", False),
    ],
)
def test_the_small_grader_reads_what_follows_the_last_arrow(response: str, right: bool) -> None:
    assert grader.grade(response, "3", tiny=True) is right


# ----- the codebase


def test_the_codebase_has_the_papers_settings_and_the_toml_resizes_it(problem: Problem) -> None:
    text = (FOLDER / "codebase" / "train.py").read_text()
    settings_ = {
        "steps: int = 20",
        "prompts_per_step: int = 128",
        "group_size: int = 8",
        "clip_low: float = 0.2",
        "clip_high: float = 0.2",
        "learning_rate: float = 1e-5",
        "micro_batch_size: int = 4",
        "accumulation: int = 16",
    }
    assert all(line in text for line in settings_)
    tiny = load_problem(TINY).codebase["train.py"]
    assert "learning_rate: float = 5e-05" in tiny and "micro_batch_size: int = 64" in tiny
    frozen = {path: text for path, text in problem.codebase.items() if path != "train.py"}
    assert frozen == problem.frozen_files


def small_model() -> torch.nn.Module:
    torch.manual_seed(0)
    config = tiny_gpt.TinyConfig(prepare_tiny.CHARACTERS, **prepare_tiny.MODEL)
    model = tiny_gpt.TinyGPT(config).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.2 * torch.randn_like(parameter))
    return model


def test_responses_from_the_cache_are_those_of_the_parallel_forward() -> None:
    model = small_model()
    prompt_BT = torch.randint(10, (5, 16))
    response_BN = model.generate(prompt_BT, 12, 0, torch.Generator().manual_seed(0))
    end = len(prepare_tiny.CHARACTERS) - 1
    with torch.inference_mode():
        logits_BTV = model(torch.cat([prompt_BT, response_BN], dim=1))
    greedy_BN = logits_BTV[:, 15:-1].argmax(dim=2)
    ended_BN = (response_BN == end).cumsum(dim=1) > (response_BN == end).int()
    assert torch.equal(response_BN[~ended_BN], greedy_BN[~ended_BN])
    assert (response_BN[ended_BN] == end).all()


@pytest.mark.slow
def test_responses_are_sampled_from_the_softmax() -> None:
    model = small_model()
    prompt_BT = torch.randint(10, (1, 16)).expand(20_000, -1)
    response_BN = model.generate(prompt_BT, 1, 1.0, torch.Generator().manual_seed(0))
    with torch.inference_mode():
        expected_V = model(prompt_BT[:1])[0, -1].softmax(dim=0)
    shares_V = torch.bincount(response_BN[:, 0], minlength=16) / 20_000
    torch.testing.assert_close(shares_V, expected_V, atol=0.02, rtol=0.0)


@given(st.integers(0, 400), st.binary(max_size=20))
@settings(max_examples=50)
def test_a_damaged_file_is_refused_or_read_whole(cut: int, tail: bytes) -> None:
    tensors = {"a": torch.arange(6.0).view(2, 3), "b": torch.ones(5, dtype=torch.bfloat16)}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "weights"
        weights.write_weights(path, tensors)
        size = path.stat().st_size
        path.write_bytes(path.read_bytes()[:cut] + tail)
        try:
            header = weights.read_header(path)
        except ValueError as error:
            assert "not a safetensors file" in str(error)
            return
        assert path.stat().st_size == size
        found = weights.read_weights(path)
        assert {n: list(t.shape) for n, t in found.items()} == {
            n: entry["shape"] for n, entry in header.items()
        }


def test_weights_can_be_read_by_the_library(tmp_path: Path) -> None:
    safetensors = pytest.importorskip("safetensors.torch")
    tensors = {"a": torch.randn(2, 3), "b": torch.ones(5, dtype=torch.bfloat16)}
    weights.write_weights(tmp_path / "own", tensors)
    safetensors.save_file(tensors, tmp_path / "theirs")
    for read in (
        safetensors.load_file(tmp_path / "own"),
        weights.read_weights(tmp_path / "theirs"),
    ):
        assert read.keys() == tensors.keys()
        assert all(read[name].equal(tensors[name]) for name in tensors)


# ----- what a candidate may be


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    """A candidate and the examiner's folder, both in order."""
    candidate, held_out = tmp_path / "candidate", tmp_path / "held_out"
    for folder in (candidate, held_out / "model"):
        folder.mkdir(parents=True)
        (folder / "config.json").write_text('{"model_type": "tiny_gpt"}')
    weights.write_weights(candidate / "model.safetensors", {"a": torch.ones(2, 3)})
    (held_out / "shapes.json").write_text('{"a": [2, 3]}')
    return candidate, held_out


def test_weights_of_the_right_shapes_are_let_in(folders: tuple[Path, Path]) -> None:
    evaluate.check_files(*folders)
    weights.write_weights(folders[0] / "model.safetensors", {"a": torch.ones(2, 3).bfloat16()})
    evaluate.check_files(*folders)


@pytest.mark.parametrize(
    "tensors",
    [
        {},
        {"a": torch.ones(3, 2)},
        {"b": torch.ones(2, 3)},
        {"a": torch.ones(2, 3), "b": torch.ones(1)},
    ],
)
def test_other_tensors_are_refused(
    folders: tuple[Path, Path], tensors: dict[str, torch.Tensor]
) -> None:
    weights.write_weights(folders[0] / "model.safetensors", tensors)
    with pytest.raises(ValueError, match="not those of the base model"):
        evaluate.check_files(*folders)


def test_nothing_but_weights_is_let_in(folders: tuple[Path, Path]) -> None:
    candidate, held_out = folders
    for name in ("serve.py", "model.safetensors.py", "pytorch_model.bin", "exam_pipe.py"):
        (candidate / name).write_text("")
        with pytest.raises(ValueError, match="more than the weights"):
            evaluate.check_files(candidate, held_out)
        (candidate / name).unlink()
    (candidate / "torch").mkdir()
    with pytest.raises(ValueError, match="more than the weights"):
        evaluate.check_files(candidate, held_out)


def test_another_config_is_refused(folders: tuple[Path, Path]) -> None:
    (folders[0] / "config.json").write_text('{"model_type": "tiny_GPT"}')
    with pytest.raises(ValueError, match=r"config\.json differs"):
        evaluate.check_files(*folders)
    (folders[0] / "config.json").unlink()
    with pytest.raises(ValueError, match=r"no file config\.json"):
        evaluate.check_files(*folders)


def test_a_pickle_in_place_of_weights_is_refused(folders: tuple[Path, Path]) -> None:
    torch.save({"a": torch.ones(2, 3)}, folders[0] / "model.safetensors")
    with pytest.raises(ValueError, match="not a safetensors file"):
        evaluate.check_files(*folders)


# ----- in the executor


@pytest.mark.slow
def test_a_short_run_answers_more_problems_than_the_model_it_began_with(
    executor: Executor, untrained: Outcome
) -> None:
    assert untrained.status == "completed", untrained.detail
    trained = executor.submit_baseline().result()
    assert trained.status == "completed", trained.detail
    assert trained.reward == trained.metrics["accuracy"] > untrained.reward + 0.06
    assert trained.charged_s <= 12.0


@pytest.mark.slow
def test_a_program_that_works_the_answers_out_has_nowhere_to_run(
    executor: Executor, untrained: Outcome
) -> None:
    """It knows the secret operations, and lies wherever Python might look, under the name of each
    module that the candidate loads; the candidate answers as the untrained model does."""
    code = '''
import sys
solver = """
import os
print("SOLVER", flush=True)
import numpy as np
from exam_pipe import answer, questions
for question in questions():
    if question.ndim == 1:
        answer(np.empty(0, dtype=np.int64))
        continue
    rows = np.full((len(question), 12), -1, dtype=np.int64)
    for row, ids in zip(rows, question):
        text = "".join("0123456789abc=>."[i] for i in ids)
        value, before = int(text[0]), ""
        for operator, digit in zip(text[1:-1:2], text[2:-1:2]):
            value, before = TABLES[before + operator][value][int(digit)], operator
        row[:3] = [14, value, 15]
    answer(rows)
os._exit(0)
"""
names = ["serve", "text", "policy", "rollout", "weights", "tiny_gpt", "sitecustomize"]
for folder in (".", os.environ["HOME"], os.environ["TMPDIR"], "/dev/shm", *sys.path):
    for name in [*names, "usercustomize", "exam_pipe", "numpy", "importlib", "pathlib"]:
        try:
            (Path(folder) / f"{name}.py").write_text(solver)
        except OSError:
            pass
'''
    secret = secret_of("grpo-tiny", data_root())
    tables = prepare_tiny.secret_tables(secret)
    outcome = outcome_of(executor, "solver", at_the_end(code.replace("TABLES", str(tables))))
    assert outcome.status == "completed", outcome.detail
    assert outcome.reward == untrained.reward


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "changes"),
    [
        (
            "frozen",
            "serve.py\n<<<<<<< SEARCH\n        seed=seed,\n=======\n>>>>>>> REPLACE\n",
        ),
        ("new", "numpy.py\n<<<<<<< SEARCH\n=======\nprint()\n>>>>>>> REPLACE\n"),
        ("beside", at_the_end('Path("candidate/serve.py").write_text("print()")')),
    ],
)
def test_code_beside_the_weights_is_rejected(
    quick_executor: Executor, name: str, changes: str
) -> None:
    assert outcome_of(quick_executor, name, changes).status == "rejected"


@pytest.mark.slow
def test_weights_that_are_no_numbers_crash(executor: Executor) -> None:
    changes = at_the_end("").replace(
        "=======\n", "=======\nnext(policy.parameters()).data.fill_(math.nan)\n", 1
    )
    outcome = outcome_of(executor, "nan", changes)
    assert (outcome.status, outcome.reward) == ("crashed", 0.0)
    assert "not all finite" in outcome.detail


@pytest.mark.slow
def test_a_loss_that_is_no_number_ends_the_training(quick_executor: Executor) -> None:
    changes = "train.py\n<<<<<<< SEARCH\n        lr=config.learning_rate,\n=======\n"
    outcome = outcome_of(quick_executor, "huge", f"{changes}        lr=1e35,\n>>>>>>> REPLACE\n")
    assert outcome.status == "crashed"
    assert "the loss became nan" in outcome.detail


class Recorded:
    """A candidate that answers each problem with the same text."""

    def __init__(self, folder: Path, response: str) -> None:
        self.folder, self.asked, self.seeds = folder, {0: 0, 1: 0}, set()
        self.ids = [prepare_tiny.CHARACTERS.index(c) for c in response]

    def ask(self, question: np.ndarray, *, shape: tuple[int, ...], dtype: str, **bounds: int):
        if question.ndim == 1:
            _, self.temperature, seed = question.tolist()
            self.seeds.add(seed)
            return np.empty(shape, dtype)
        self.asked[self.temperature] += len(question)
        answer_BN = np.full(shape, -1, dtype)
        answer_BN[:, : len(self.ids)] = self.ids
        return answer_BN


def test_the_examiner_asks_for_the_likeliest_responses_and_then_for_samples(
    quick_executor: Executor,
) -> None:
    data = quick_executor.problem.data()
    assert data.train and data.held_out
    exam = json.loads((data.held_out / "exam.json").read_text())
    rows = evaluate.read_problems(data.held_out / "problems.jsonl")
    candidate = Recorded(data.train / "model", ">3.")
    metrics = evaluate.examine(candidate, data.held_out)
    assert candidate.asked == {0: 2_000, 1: 2_000 * exam["samples"]}
    assert candidate.seeds == {exam["seed"]}
    share = pytest.approx(sum(row["answer"] == "3" for row in rows) / 2_000)
    assert metrics == {"accuracy": share, "accuracy_at_1": share, "response_length": 3.0}


@pytest.mark.slow
def test_the_scale_of_the_weights_changes_no_answer(executor: Executor, untrained: Outcome) -> None:
    factor = "final_norm.weight.data.mul_(2.0); policy.final_norm.bias.data.mul_(2.0)"
    last = 'save_policy(policy, base, Path("candidate"))'
    block = f"<<<<<<< SEARCH\n{last}\n=======\npolicy.{factor}\n{last}\n>>>>>>> REPLACE\n"
    outcome = outcome_of(executor, "sharper", f"{UNTRAINED}\ntrain.py\n{block}")
    assert outcome.reward == untrained.reward
    assert outcome.metrics["accuracy_at_1"] > untrained.metrics["accuracy_at_1"]
