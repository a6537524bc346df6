"""nanogpt-tiny: its data, its model, its examination, and one short training run."""

import math
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from executor import Executor
from executor.problem import load_problem
from tests.gym_envs.problem_files import load

FOLDER = Path(__file__).parents[2] / "gym_envs" / "nanogpt"
TINY = FOLDER / "problem-tiny.toml"


evaluate = load(FOLDER / "evaluate.py")
prepare = load(FOLDER / "prepare.py")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    (folder / "train").mkdir()
    (folder / "held_out").mkdir()
    prepare.prepare(folder / "train", folder / "held_out")
    return folder


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


def test_preparing_twice_gives_the_same_bytes(data: Path, tmp_path: Path) -> None:
    prepare.prepare(tmp_path, tmp_path)
    for name in ("train/train.bin", "held_out/held_out.bin"):
        assert (data / name).read_bytes() == (tmp_path / Path(name).name).read_bytes()


def test_no_held_out_file_is_in_the_training_data(data: Path) -> None:
    train = (data / "train" / "train.bin").read_bytes()
    held_out = (data / "held_out" / "held_out.bin").read_bytes()
    assert len(train) > 3_000_000
    assert len(held_out) > 300_000
    files = held_out.split(b"\0")[:-1]
    assert len(files) == len(prepare.HELD_OUT)
    assert not any(file in train for file in files)


def test_pytorch_needs_no_held_out_module() -> None:
    names = {name.removesuffix(".py").replace("/", ".") for name in prepare.HELD_OUT}
    code = f"import sys, torch, torch._dynamo; print({names!r} & set(sys.modules))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.stdout.strip() == "set()", result.stderr


def test_a_source_without_python_files_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="too few"):
        prepare.prepare(tmp_path, tmp_path, source=str(tmp_path))


@given(arrays(np.float32, (3, 7), elements=st.floats(-(2.0**99), 2.0**99, width=32)))
def test_probabilities_are_normalised_by_the_examiner(logits_BV: np.ndarray) -> None:
    nats = [evaluate.cross_entropy(logits_BV, np.full(3, token)) for token in range(7)]
    np.testing.assert_allclose(np.exp(-np.array(nats)).sum(axis=0), 1.0, rtol=1e-9)


def test_the_windows_are_spread_over_all_of_the_held_out_text() -> None:
    batches = evaluate.batches(np.arange(1000), windows=5, window=9, batch=2)
    assert [len(batch) for batch in batches] == [2, 2, 1]
    windows_WT = np.concatenate(batches)
    assert windows_WT.shape == (5, 10)
    assert windows_WT[0, 0] == 0
    assert windows_WT[-1, -1] == 999


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
    (windows_BT,) = evaluate.batches(tokens, **prepare.EXAM)
    windows_BT = torch.tensor(windows_BT)
    with torch.inference_mode():
        parallel = model(windows_BT[:, :-1], windows_BT[:, 1:]).item()
    assert examined == pytest.approx(parallel, abs=1e-4)


def test_a_short_training_run_learns_something(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("IDEATOR_RL_DATA", str(tmp_path / "data"))
    problem = load_problem(TINY, {"budget.seconds": 2.0})
    with Executor(problem, store=tmp_path / "store", slots=1) as executor:
        outcome = executor.submit_baseline().result()
    assert outcome.status == "completed", outcome.detail
    assert outcome.metrics["loss"] < math.log(256) - 0.2
    assert outcome.reward == pytest.approx(1 / outcome.metrics["loss"])
    assert outcome.charged_s <= 2.0
