from __future__ import annotations

import pytest

from ideator_rl.rl.checkpoints import TRACKER, export, last_step, mend

torch = pytest.importorskip("torch")


def _checkpoint(folder, step):
    model = folder / f"global_step_{step}" / "actor" / "huggingface"
    model.mkdir(parents=True)
    (model / "config.json").write_text(f'{{"step": {step}}}')
    torch.save({"step": step}, folder / f"global_step_{step}" / "data.pt")


def test_the_last_checkpoint_is_the_last_that_is_whole(tmp_path):
    assert last_step(tmp_path) is None
    for step in (2, 10):
        _checkpoint(tmp_path, step)
    (tmp_path / "global_step_12" / "actor").mkdir(parents=True)
    (tmp_path / "global_step_14").mkdir()
    (tmp_path / "global_step_14" / "data.pt").write_bytes(b"PK\x03")
    assert last_step(tmp_path) == 10


@pytest.mark.parametrize("pointer", [None, "", "12", "nonsense"])
def test_a_killed_run_is_mended(tmp_path, pointer):
    _checkpoint(tmp_path, 10)
    (tmp_path / "global_step_12" / "actor").mkdir(parents=True)
    if pointer is not None:
        (tmp_path / TRACKER).write_text(pointer)
    mend(tmp_path)
    assert (tmp_path / TRACKER).read_text() == "10"
    assert not (tmp_path / "global_step_12").exists()


def test_without_a_whole_checkpoint_a_run_begins_anew(tmp_path):
    (tmp_path / "global_step_2").mkdir()
    (tmp_path / TRACKER).write_text("2")
    mend(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_an_export_replaces_the_model_whole(tmp_path):
    model = tmp_path / "model"
    for step in (1, 2):
        _checkpoint(tmp_path, step)
        assert export(tmp_path, model) == model
        assert (model / "config.json").read_text() == f'{{"step": {step}}}'
    assert sorted(path.name for path in tmp_path.glob("model*")) == ["model"]
