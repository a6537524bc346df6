"""The choice of a lock: the best there is, tested, and never weaker than asked."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from executor.errors import UserError
from executor.sandbox import (
    SANDBOXES,
    Sandbox,
    choose,
    choose_ahead,
    guarantees,
    levels,
    meets,
)

CHOOSE = """
import json, sys
from executor.errors import UserError
from executor.sandbox import choose
try:
    lock = choose(sys.argv[1], json.loads(sys.argv[2]))
    print(json.dumps([lock.name, str(lock)]))
except UserError as error:
    print(json.dumps(["refused", str(error)]))
"""
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="changes the machine for one process")


def chosen(
    level: str, names: tuple[str, ...] = SANDBOXES, *, prefix: tuple[str, ...] = (), path: str = ""
) -> tuple[str, str]:
    """What is chosen in a process of its own, started through `prefix`."""
    env = {**os.environ, "PATH": path or os.environ["PATH"]}
    words = [*prefix, sys.executable, "-c", CHOOSE, level, json.dumps(names)]
    result = subprocess.run(words, env=env, capture_output=True, text=True, check=True)
    name, text = json.loads(result.stdout)
    return name, text


def without_capability(name: str) -> tuple[str, ...]:
    return ("setpriv", f"--bounding-set=-{name}", f"--inh-caps=-{name}")


def in_private_mounts(script: str) -> tuple[str, ...]:
    return ("unshare", "--mount", "sh", "-c", f'{script} && exec "$@"', "sh")


@pytest.mark.parametrize("name", ["bubblewrap", "namespaces"])
def test_a_lock_that_holds_here_is_strict(name: str) -> None:
    try:
        lock = choose("strict", (name,))
    except UserError as error:
        pytest.skip(str(error))
    assert (lock.name, lock.level, lock.isolates) == (name, "strict", True)
    assert str(lock).startswith(f"strict: {name}")
    assert all(held for text, held in guarantees(lock) if "bounded" not in text)


def test_a_process_is_no_strict_lock() -> None:
    with pytest.raises(UserError, match="strict sandbox cannot be had"):
        choose("strict", ("process",))
    assert choose("best-effort", ("process",)).level == "best-effort"
    assert choose("best-effort").level == choose("best-effort", SANDBOXES[:1]).level


def test_none_is_given_when_asked_for_by_name() -> None:
    lock = choose("none")
    assert (lock.level, str(lock)) == ("none", "none")
    assert not any(held for text, held in guarantees(lock) if "tree ends" not in text)


@as_root
def test_a_machine_without_namespaces_is_told_what_to_do() -> None:
    prefix = without_capability("sys_admin")
    name, text = chosen("strict", prefix=prefix)
    assert name == "refused" and "\n" not in text
    for part in ("bubblewrap: ", "namespaces: ", "not permitted", "--sandbox best-effort"):
        assert part in text
    assert chosen("best-effort", prefix=prefix)[0] == "process"


@as_root
def test_without_control_groups_the_worker_watches() -> None:
    hide = in_private_mounts("mount -t tmpfs none /sys/fs/cgroup")
    for name in ("bubblewrap", "namespaces"):
        assert "memory by watching" in chosen("strict", (name,), prefix=hide)[1]


@as_root
def test_a_bubblewrap_that_does_not_lock_in_is_found_out(tmp_path: Path) -> None:
    # It runs the command all the same: the last words are what it was asked to start.
    fake = tmp_path / "bwrap"
    fake.write_text(
        "#!/bin/sh\n[ $1 = --version ] && echo bubblewrap 0.99 && exit\n"
        'while [ "$1" != -- ]; do shift; done; shift\nexec "$@"\n'
    )
    fake.chmod(0o755)
    path = f"{tmp_path}:{os.environ['PATH']}"
    name, text = chosen("strict", ("bubblewrap",), path=path)
    assert name == "refused" and "it does not hold that" in text
    # The next lock takes its place.
    assert chosen("strict", path=path)[0] == "namespaces"


def test_a_bubblewrap_that_is_not_there_says_how_to_get_it(tmp_path: Path) -> None:
    script = CHOOSE.replace(
        "try:", "from executor.sandbox import bubblewrap\nbubblewrap._REVIEWED.clear()\ntry:"
    )
    path = os.pathsep.join(
        folder
        for folder in os.environ["PATH"].split(os.pathsep)
        if not (Path(folder) / "bwrap").exists()
    )
    result = subprocess.run(
        [sys.executable, "-c", script, "strict", '["bubblewrap"]'],
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
        check=True,
    )
    name, text = json.loads(result.stdout)
    assert name == "refused" and "apt install bubblewrap" in text


@pytest.mark.parametrize(
    ("reached", "asked", "enough"),
    [
        ("strict: bubblewrap 0.11.0, memory by control groups", "strict", True),
        ("strict: namespaces", "best-effort", True),
        ("best-effort: process", "strict", False),
        ("best-effort: process", "none", True),
        ("none", "none", True),
        ("none", "best-effort", False),
        ("", "none", False),
    ],
)
def test_an_outcome_meets_the_level_that_it_was_measured_under(
    reached: str, asked: str, enough: bool
) -> None:
    assert meets(reached, asked) is enough  # type: ignore[arg-type]


def test_a_lock_travels_to_its_worker() -> None:
    lock = Sandbox("bubblewrap", "strict", "0.11.0", "/usr/bin/bwrap", grouped=True, mounted=True)
    assert Sandbox.from_json(lock.to_json()) == lock


@as_root
def test_an_ordinary_user_gets_a_strict_lock_too(tmp_path: Path) -> None:
    if not shutil.which("setpriv"):
        pytest.skip("needs setpriv")
    # The interpreter has to be in sight of that user, whatever folder it is in.
    user = ("setpriv", "--reuid=1000", "--regid=1000", "--clear-groups")
    if subprocess.run([*user, "test", "-x", os.path.realpath(sys.executable)]).returncode:
        user = (*_home_made_visible(), *user)
    for name in ("bubblewrap", "namespaces"):
        assert chosen("strict", (name,), prefix=user)[0] in (name, "refused")
    assert chosen("best-effort", prefix=user)[0] != "refused"


def _home_made_visible() -> tuple[str, ...]:
    base = Path(sys.base_prefix)
    home = Path("/", base.parts[1])
    script = (
        "d=$(mktemp -d) && mount --make-rprivate / "
        f"&& mount --bind {base} $d && mount -t tmpfs -o mode=755 none {home} "
        f"&& mkdir -p {base} && mount --bind $d {base} && umount $d && rmdir $d"
    )
    return in_private_mounts(script)


def test_a_sandbox_chosen_ahead_is_tested_once(monkeypatch: pytest.MonkeyPatch) -> None:
    run, begun = subprocess.run, []

    def counted(command: list[str], **how: object) -> object:
        begun.append(command)
        return run(command, **how)  # type: ignore[call-overload]

    levels._tested.cache_clear()
    monkeypatch.setattr(subprocess, "run", counted)
    choose_ahead("best-effort")
    chosen = choose("best-effort")
    assert choose("best-effort") == chosen
    assert len(begun) == len({tuple(command) for command in begun}) >= 1
