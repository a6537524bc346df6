"""A file that is written anew as a whole may be much shorter than the old one, and drop what it
likes; a piece of a file is still no file."""

import pytest

from executor.edits import EditError, apply_edits
from gym_envs import find_problem

CODEBASE = dict(find_problem("digits").codebase)
TRAIN = CODEBASE["train.py"]
HEAD, _, MAIN = TRAIN.partition('if __name__ == "__main__":\n')
FLAT = "".join(line.removeprefix("    ") for line in MAIN.splitlines(keepends=True))
SHORT = '''\
"""Nearest class mean, without a gradient."""
import os
from pathlib import Path
import numpy as np

folder = Path(os.environ["DATA_DIR"])
images, labels = np.load(folder / "images.npy"), np.load(folder / "labels.npy")
means = np.stack([images[labels == c].mean(axis=0) for c in range(10)])
Path("candidate").mkdir()
np.savez("candidate/network.npz", w0=means.T, b0=-(means**2).sum(axis=1) / 2)
'''
REWRITES = {
    "the guard is gone": HEAD + FLAT,
    "no code below the functions": HEAD,
    "half as long": TRAIN[: TRAIN.index("def loss_and_gradients")] + FLAT.split("candidate.")[0],
    "another method": SHORT,
    "other imports only": SHORT.replace('"""Nearest class mean, without a gradient."""\n', ""),
}


def applied(text: str) -> dict[str, str]:
    return apply_edits(CODEBASE, text, editable=["*.py"], frozen=["serve.py"])


def fence(text: str, path: str = "train.py") -> str:
    return f"{path}\n```python\n{text}```\n"


@pytest.mark.parametrize("name", REWRITES)
def test_a_rewrite_takes_the_files_place_however_short(name: str) -> None:
    assert applied(fence(REWRITES[name])) == CODEBASE | {"train.py": REWRITES[name]}


def test_two_files_may_be_rewritten_at_once() -> None:
    model = CODEBASE["model.py"].replace("Weights", "Parameters")
    files = applied(fence(model, "model.py") + fence(SHORT))
    assert files == CODEBASE | {"model.py": model, "train.py": SHORT}


STEP = TRAIN[TRAIN.index("def loss_and_gradients") : TRAIN.index("def train(")]
PIECES = {
    "names lines that it leaves out": (
        SHORT + "# ... rest of the file unchanged ...\n",
        "`# ... rest of the file unchanged ...` leaves lines out",
    ),
    "one function": (STEP, "it imports nothing"),
    "a function and an import": (f"import math\n\n{STEP}", "it uses `Weights`"),
    "the first half of a function": (
        TRAIN[: TRAIN.index("weights = {}")] + "(\n",
        "no complete Py",
    ),
}


@pytest.mark.parametrize("name", PIECES)
def test_a_piece_of_a_file_is_refused_with_what_is_missing(name: str) -> None:
    text, reason = PIECES[name]
    with pytest.raises(EditError, match="holds only a part of the file") as caught:
        applied(fence(text))
    assert reason in str(caught.value)


def test_beside_other_edits_a_short_text_is_a_quotation() -> None:
    files = applied(fence(SHORT) + "\nlearning_rate: 0.005 -> 0.05\n")
    assert files["train.py"] == TRAIN.replace(
        "learning_rate: float = 0.005", "learning_rate: float = 0.05"
    )
