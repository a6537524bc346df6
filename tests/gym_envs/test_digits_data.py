"""The data of `digits`: dealt out and disguised by the secret, so that nothing public fits."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from executor.data.script import load_script

FOLDER = Path(__file__).parents[2] / "gym_envs" / "digits"
PARTS = ("train", "held_out", "final")
SECRET = "a secret of this test"

script = load_script(FOLDER / "prepare.py")


def prepared(
    folder: Path, secret: str = SECRET, source: str | None = None
) -> dict[str, np.ndarray]:
    for name in PARTS:
        (folder / name).mkdir(parents=True)
    train, held_out, final = (folder / name for name in PARTS)
    with script.imports():
        script.module.prepare(train, held_out, source, secret=secret, final=final)
    return {p.relative_to(folder).as_posix(): np.load(p) for p in folder.rglob("*.npy")}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> dict[str, np.ndarray]:
    return prepared(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def public() -> tuple[np.ndarray, np.ndarray]:
    """The collection as scikit-learn gives it: images (N, 64) and labels (N,)."""
    table_NF = np.loadtxt(script.module.bundled_digits(), delimiter=",")
    return table_NF[:, :-1].astype(np.float32), table_NF[:, -1].astype(np.int64)


def test_a_secret_always_gives_the_same_data(data: dict[str, np.ndarray], tmp_path: Path) -> None:
    again = prepared(tmp_path)
    assert len(data) == 6 and data.keys() == again.keys()
    assert all(np.array_equal(data[name], again[name]) for name in data)


def test_another_secret_gives_other_images_in_another_order(
    data: dict[str, np.ndarray], tmp_path: Path
) -> None:
    other = prepared(tmp_path, "another secret")
    for part in PARTS:
        agree = np.mean(data[f"{part}/labels.npy"] == other[f"{part}/labels.npy"])
        assert agree < 0.2
        known = {image.tobytes() for image in data[f"{part}/images.npy"]}
        assert not any(image.tobytes() in known for image in other[f"{part}/images.npy"])


def test_the_parts_are_disjoint_and_complete_and_training_has_40_images_a_class(
    data: dict[str, np.ndarray],
) -> None:
    images = [{image.tobytes() for image in data[f"{part}/images.npy"]} for part in PARTS]
    assert [len(part) for part in images] == [400, 1000, 397]
    assert len(set.union(*images)) == 1797
    assert set(np.bincount(data["train/labels.npy"])) == {40}
    assert np.bincount(data["held_out/labels.npy"]).min() > 70
    images_ND = data["train/images.npy"]
    assert images_ND.dtype == np.float32
    assert (images_ND.min(), images_ND.max()) == (0, 16)
    assert np.array_equal(images_ND, np.round(images_ND))


def test_no_public_image_is_among_them(
    data: dict[str, np.ndarray], public: tuple[np.ndarray, np.ndarray]
) -> None:
    known = {image.tobytes() for image in public[0]}
    for part in PARTS:
        assert not any(image.tobytes() in known for image in data[f"{part}/images.npy"])


def test_the_nearest_public_image_tells_little_and_the_nearest_training_image_much(
    data: dict[str, np.ndarray], public: tuple[np.ndarray, np.ndarray]
) -> None:
    def accuracy(images_ND: np.ndarray, labels_N: np.ndarray) -> float:
        squares_QN = (images_ND**2).sum(axis=1) - 2 * data["held_out/images.npy"] @ images_ND.T
        found_Q = labels_N[squares_QN.argmin(axis=1)]
        return float(np.mean(found_Q == data["held_out/labels.npy"]))

    assert accuracy(data["train/images.npy"], data["train/labels.npy"]) > 0.85
    assert accuracy(*public) < 0.7


def test_another_table_is_refused_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "iris.csv").write_text("1,2,3\n4,5,6\n")
    with pytest.raises(ValueError, match=r"iris\.csv is not scikit-learn's digits"):
        prepared(tmp_path, source=str(tmp_path / "iris.csv"))


def test_every_copy_of_the_table_that_a_sandbox_would_show_is_hidden(tmp_path: Path) -> None:
    paths = []
    for place in ("env/lib/python3.12/site-packages", "usr/share"):
        folder = tmp_path / place / "sklearn" / "datasets" / "data"
        folder.mkdir(parents=True)
        (folder / "digits.csv.gz").write_bytes(b"0" * 10)
        paths.append(folder / "digits.csv.gz")
    assert script.module.hidden([tmp_path / "usr", tmp_path / "env"]) == paths
