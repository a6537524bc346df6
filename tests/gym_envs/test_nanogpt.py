"""nanogpt-tiny: its data, its model, its examination, and one short training run."""

import math
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from executor import Executor
from executor.data.script import load_script
from executor.problem.problem import load_problem
from tests.gym_envs.problem_files import load

FOLDER = Path(__file__).parents[2] / "gym_envs" / "nanogpt"
TINY = FOLDER / "problem-tiny.toml"


evaluate = load(FOLDER / "evaluate.py")
script = load_script(FOLDER / "prepare.py")
words = load_script(FOLDER / "perturb.py").module.words
PARTS = {"train": "train.bin", "held_out": "held_out.bin", "final": "held_out.bin"}
MODULES = {"held_out": script.module.HELD_OUT, "final": script.module.FINAL}


def prepared(folder: Path, secret: str, source: Path | None = None) -> Path:
    for name in PARTS:
        (folder / name).mkdir(parents=True)
    train, held_out, final = (folder / name for name in PARTS)
    with script.imports():
        script.module.prepare(
            train, held_out, str(source) if source else None, secret=secret, final=final
        )
    return folder


@pytest.fixture(scope="module")
def few(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sources that are quickly prepared: what is held out, and some others."""
    folder, library = tmp_path_factory.mktemp("sources"), Path(sysconfig.get_path("stdlib"))
    names = (*MODULES["held_out"], *MODULES["final"], "typing.py", "inspect.py", "turtle.py")
    for name in filter(lambda name: (library / name).is_file(), names):
        (folder / name).parent.mkdir(exist_ok=True)
        shutil.copyfile(library / name, folder / name)
    return folder


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return prepared(tmp_path_factory.mktemp("data") / "whole", "a secret")


@pytest.fixture(scope="module")
def model_py(tmp_path_factory: pytest.TempPathFactory) -> ModuleType:
    path = tmp_path_factory.mktemp("tiny") / "model.py"
    path.write_text(load_problem(TINY).codebase["model.py"])
    return load(path)


def test_the_codebase_is_gpt2_124m_and_the_toml_resizes_it(model_py: ModuleType) -> None:
    full, tiny = load(FOLDER / "codebase" / "model.py").Config(), model_py.Config()
    assert (full.n_layer, full.n_head, full.n_embd, full.block_size) == (12, 12, 768, 1024)
    assert full.batch_size * full.block_size == 262_144
    assert (tiny.n_layer, tiny.n_head, tiny.n_embd, tiny.block_size) == (4, 4, 128, 128)
    assert (tiny.vocab_size, tiny.dtype, tiny.compile) == (256, "float32", False)


def test_a_secret_decides_texts_and_windows(few: Path, tmp_path: Path) -> None:
    first, again, other = (
        prepared(tmp_path / name, secret, few)
        for name, secret in (("a", "one secret"), ("b", "one secret"), ("c", "another"))
    )
    files = [f"{part}/{name}" for part, name in PARTS.items()]
    files += [f"{part}/starts.npy" for part in MODULES]
    for file in files:
        content = (first / file).read_bytes()
        assert content == (again / file).read_bytes()
        assert content != (other / file).read_bytes()


@pytest.mark.slow
def test_no_held_out_file_is_in_the_training_data(data: Path) -> None:
    train = (data / "train" / "train.bin").read_bytes()
    assert len(train) > 3_000_000
    for part, names in MODULES.items():
        held_out = (data / part / "held_out.bin").read_bytes()
        assert len(held_out) > 150_000
        files = held_out.split(b"\0")[:-1]
        assert len(files) == len(names)
        assert not any(file in train for file in files)


def test_no_public_text_is_in_the_data(data: Path) -> None:
    library = Path(sysconfig.get_path("stdlib"))
    for part, names in MODULES.items():
        held_out = (data / part / "held_out.bin").read_text()
        lines = [line for name in names for line in (library / name).read_text().splitlines()]
        telling = {line for line in lines if len(words(line)) > 2}
        assert len(telling) > 1000
        assert not any(line in held_out for line in telling)


@pytest.mark.slow
def test_pytorch_needs_no_held_out_module() -> None:
    modules = (*MODULES["held_out"], *MODULES["final"])
    names = {name.removesuffix(".py").replace("/", ".") for name in modules}
    code = f"import sys, torch, torch._dynamo; print({names!r} & set(sys.modules))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.stdout.strip() == "set()", result.stderr


def test_held_out_modules_are_hidden_in_every_python_that_a_sandbox_shows(tmp_path: Path) -> None:
    names = ("poplib.py", "trace.py", "__pycache__/wave.cpython-312.pyc", "xmlrpc/client.py")
    roots = (tmp_path / "one" / "lib" / "python3.12", tmp_path / "other")
    for root in roots:
        for name in (*names, "json.py"):
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).touch()
    found = script.module.hidden([tmp_path / "one", tmp_path / "other"])
    assert sorted(found) == sorted(root / name for root in roots for name in names)


def test_a_source_without_python_files_is_refused(tmp_path: Path) -> None:
    (tmp_path / "none").mkdir()
    with pytest.raises(ValueError, match="too few"):
        prepared(tmp_path / "data", "a secret", tmp_path / "none")


@given(arrays(np.float32, (3, 7), elements=st.floats(-(2.0**99), 2.0**99, width=32)))
def test_probabilities_are_normalised_by_the_examiner(logits_BV: np.ndarray) -> None:
    nats = [evaluate.cross_entropy(logits_BV, np.full(3, token)) for token in range(7)]
    np.testing.assert_allclose(np.exp(-np.array(nats)).sum(axis=0), 1.0, rtol=1e-9)


def test_windows_lie_where_they_start() -> None:
    batches = list(evaluate.batches(np.arange(1000), np.array([7, 990, 0]), window=9, batch=2))
    assert [len(batch) for batch in batches] == [2, 1]
    windows_WT = np.concatenate(batches)
    assert windows_WT.shape == (3, 10)
    assert windows_WT[:, 0].tolist() == [7, 990, 0]
    assert windows_WT[:, -1].tolist() == [16, 999, 9]


def test_a_later_token_changes_no_earlier_logits(model_py: ModuleType) -> None:
    torch.manual_seed(0)
    model = model_py.GPT(model_py.Config()).eval()
    idx_BT = torch.randint(256, (2, 32))
    changed_BT = idx_BT.clone()
    changed_BT[:, 20:] = (changed_BT[:, 20:] + 1) % 256
    with torch.inference_mode():
        before, after = model.logits(idx_BT), model.logits(changed_BT)
    assert torch.equal(before[:, :20], after[:, :20])
    assert not torch.allclose(before[:, 20:], after[:, 20:])


class InProcess:
    """A candidate as examine() sees it, around a model of this process."""

    def __init__(self, model: torch.nn.Module) -> None:
        self.model = model
        self.cache = model.new_cache()

    def ask(self, question: np.ndarray, *, shape: tuple[int, ...], dtype: str) -> np.ndarray:
        if question.size == 0:
            self.cache = self.model.new_cache()
            return np.empty(0, np.float32)
        with torch.inference_mode():
            answer = self.model.forward_with_cache(torch.tensor(question), self.cache).numpy()
        assert answer.shape == shape
        assert answer.dtype == dtype
        return answer


def test_the_examined_loss_is_the_loss_of_the_parallel_forward(
    model_py: ModuleType, data: Path
) -> None:
    torch.manual_seed(0)
    model = model_py.GPT(model_py.Config()).eval()
    examined = evaluate.examine(InProcess(model), data / "held_out")["loss"]
    tokens = np.frombuffer((data / "held_out" / "held_out.bin").read_bytes(), np.uint8)
    starts = np.load(data / "held_out" / "starts.npy")
    (windows_BT,) = evaluate.batches(tokens, starts, **script.module.EXAM)
    windows_BT = torch.tensor(windows_BT)
    with torch.inference_mode():
        parallel = model(windows_BT[:, :-1], windows_BT[:, 1:]).item()
    assert examined == pytest.approx(parallel, abs=1e-4)


@pytest.mark.slow
def test_a_short_training_run_learns_something(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("IDEATOR_RL_DATA", str(tmp_path / "data"))
    problem = load_problem(TINY, {"budget.seconds": 4.0})
    with Executor(problem, store=tmp_path / "store", slots=1) as executor:
        outcome = executor.submit_baseline().result()
    assert outcome.status == "completed", outcome.detail
    assert outcome.metrics["loss"] < math.log(256) - 0.2
    assert outcome.reward == pytest.approx(1 / outcome.metrics["loss"])
    assert outcome.charged_s <= 4.0
