"""The device nodes that CUDA would make by itself outside of a box."""

from __future__ import annotations

from pathlib import Path

import pytest

from executor.sandbox import gpu_driver


@pytest.fixture
def devices(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of devices, and a program that makes one there."""
    folder, program = tmp_path / "dev", tmp_path / "bin" / "nvidia-modprobe"
    folder.mkdir()
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\n[ "$*" = "-u -c=0" ] && echo made >> {folder}/nvidia-uvm\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin:/bin")
    monkeypatch.setattr(gpu_driver, "DEVICES", folder)
    return folder


def test_a_driver_without_its_memory_device_gets_it_once(devices: Path) -> None:
    (devices / "nvidiactl").touch()
    gpu_driver.make_device_nodes()
    gpu_driver.make_device_nodes()
    assert (devices / "nvidia-uvm").read_text() == "made\n"


def test_nothing_is_made_without_a_driver_or_without_its_program(
    devices: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gpu_driver.make_device_nodes()
    (devices / "nvidiactl").touch()
    monkeypatch.setenv("PATH", "/nowhere")
    gpu_driver.make_device_nodes()
    assert [path.name for path in devices.iterdir()] == ["nvidiactl"]
