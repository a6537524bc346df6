"""What a box with GPUs has besides, as far as a machine without one can show it: what CUDA's driver
asks for as it starts, and what several processes need to meet."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from executor.sandbox import Sandbox
from tests.executor.trials import TRAIN, Slot, make_spec

ASK = """
import ctypes, errno, json, os, socket, threading
libc = ctypes.CDLL(None, use_errno=True)
def code(result):
    return ctypes.get_errno() if result < 0 else 0
thread = f"/proc/self/task/{threading.get_native_id()}/comm"
with open(thread, "w") as file:
    file.write("cuda-worker")
print(json.dumps({
    "files in memory": code(libc.memfd_create(b"cuda", 0)),
    "memory of the machine": code(libc.sysinfo(ctypes.create_string_buffer(128))),
    "name of a thread": open(thread).read().strip(),
    "order": os.environ.get("CUDA_DEVICE_ORDER"),
    "nodes": os.path.isdir("/sys/devices/system/node"),
    "constants": os.access("/proc/sys/vm/mmap_min_addr", os.R_OK),
    "driver": os.access("/proc/driver", os.R_OK),
    "shared": os.statvfs("/dev/shm").f_bavail > 0,
}))
"""
MEET = """
import socket
listener = socket.create_server(("127.0.0.1", 0))
caller = socket.create_connection(listener.getsockname(), timeout=5)
caller.sendall(b"met")
print(listener.accept()[0].recv(3).decode())
"""


@pytest.mark.parametrize("gpus", [0, 1])
def test_only_a_box_with_gpus_has_what_their_driver_asks_for(
    slot: Slot, tmp_path: Path, lock: Sandbox, gpus: int
) -> None:
    found = json.loads(slot.run(make_spec(tmp_path, ASK + TRAIN, gpus=gpus)).log)
    assert found["constants"] and found["shared"] and found["name of a thread"] == "cuda-worker"
    shown = bool(gpus) or not lock.isolates
    assert found["nodes"] == shown and found["driver"] == Path("/proc/driver").exists()
    assert found["order"] == ("PCI_BUS_ID" if gpus else None)
    assert (found["memory of the machine"] == 0) == shown
    assert found["files in memory"] == 0


def test_the_processes_of_a_box_meet_on_its_own_loopback(slot: Slot, tmp_path: Path) -> None:
    trial = slot.run(make_spec(tmp_path, MEET + TRAIN))
    assert (trial.status, trial.log) == ("completed", "met\n")


@pytest.mark.slow
def test_torchrun_s_processes_add_up_what_they_have_in_a_box(tmp_path: Path, lock: Sandbox) -> None:
    train = """
    import os, torch, torch.distributed as dist
    dist.init_process_group("gloo")
    total = torch.tensor([1.0 + dist.get_rank()])
    dist.all_reduce(total)
    if dist.get_rank() == 0:
        os.mkdir("candidate")
        print("sum", total.item(), "of", dist.get_world_size())
    dist.destroy_process_group()
    """
    slot = Slot(tmp_path / "slot", lock, {"CUDA_VISIBLE_DEVICES": "0,1"})
    many = {"entry": ["torchrun", "train.py"], "gpus": 2, "processes": 512}
    trial = slot.run(make_spec(tmp_path / "spec", train, **many, memory_mib=4096))
    assert slot.close() == 0
    assert (trial.status, trial.log.splitlines()[-1]) == ("completed", "sum 3.0 of 2"), trial
