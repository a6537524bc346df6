"""A worker's mounts are its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = """
import sys
from pathlib import Path
from executor.sandbox.workspace import enter_private_mounts, trial_folder, used_mib
folder = Path(sys.argv[1])
try:
    enter_private_mounts()
except OSError:
    sys.exit(77)
with trial_folder(folder / "trial", 4, 20, mounted=True):
    before = used_mib(folder / "trial")
    (folder / "trial" / "x").write_bytes(bytes(2**20))
    assert 1 <= used_mib(folder / "trial") - before < 1.2
    input()
    try:
        (folder / "trial" / "y").write_bytes(bytes(4 * 2**20))
        raise SystemExit("five MiB fit into four")
    except OSError as error:
        print(error.strerror)
assert not (folder / "trial").exists()
"""


def test_a_trial_s_files_are_bounded_unseen_by_others_and_gone_afterwards(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    while process.poll() is None and not (tmp_path / "trial").exists():
        pass
    seen = list((tmp_path / "trial").iterdir()) if (tmp_path / "trial").exists() else []
    mounts = Path("/proc/self/mounts").read_text()
    out, _ = process.communicate("\n", timeout=20)
    if process.returncode == 77:
        pytest.skip("no mounts of one's own here")
    assert process.returncode == 0 and out == "No space left on device\n"
    assert seen == [] and str(tmp_path) not in mounts
    assert list(tmp_path.iterdir()) == []
