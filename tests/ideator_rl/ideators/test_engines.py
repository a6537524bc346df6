"""Which engine runs a model, and what is said where one cannot."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from ideator_rl.ideators.language_model.engines import vllm_runs


def test_a_vllm_that_cannot_be_imported_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "vllm").mkdir()
    (tmp_path / "vllm" / "__init__.py").write_text("raise OSError('libcuda.so: not found')\n")
    for name in [name for name in sys.modules if name.partition(".")[0] == "vllm"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.syspath_prepend(tmp_path)
    assert not vllm_runs()
    (said,) = caplog.messages
    assert "libcuda.so" in said and "transformers runs the model" in said and "\n" not in said
