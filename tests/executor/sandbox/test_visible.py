"""What a box shows of the host, and what it covers."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

import executor
from executor.sandbox import Sandbox, visible
from executor.sandbox.box import Box
from executor.sandbox.bubblewrap import _FIRST_PROCESS as FIRST
from executor.sandbox.bubblewrap import arguments
from executor.sandbox.visible import masked_paths, parent_folders, visible_paths
from executor.trial.command import environment
from tests.executor.trials import Slot, make_spec


def test_system_and_interpreter_are_visible_and_nothing_of_the_user() -> None:
    paths = visible_paths()
    assert Path("/usr") in paths
    for needed in (sys.prefix, sys.base_prefix):
        assert any(path == Path(needed) or path in Path(needed).parents for path in paths)
    for secret in ("/etc/shadow", "/etc/ssh", "/proc", "/sys", "/run", "/var", "/tmp", "/home"):
        assert not any(path == Path(secret) or path in Path(secret).parents for path in paths)
    assert Path.home() not in paths and Path("/") not in paths


def test_no_visible_path_lies_below_another() -> None:
    paths = visible_paths()
    assert not any(a in b.parents for a in paths for b in paths)


@pytest.fixture
def shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that is the only visible one."""
    folder = tmp_path / "shown"
    (folder / "deep").mkdir(parents=True)
    (folder / "deep" / "labels").write_text("1 2 3")
    monkeypatch.setattr(visible, "visible_paths", lambda gpus: (folder,))
    return folder


def test_hidden_files_are_masked_where_they_can_be_seen(shown: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").write_text("")
    hidden = [shown / "deep" / "labels", tmp_path / "elsewhere", shown / "not there"]
    assert masked_paths(tuple(hidden)) == (shown / "deep" / "labels",)


def test_a_masked_folder_masks_what_is_in_it(shown: Path) -> None:
    assert masked_paths((shown / "deep", shown / "deep" / "labels")) == (shown / "deep",)


def test_a_hidden_file_is_masked_under_every_name(shown: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(shown / "deep")
    assert masked_paths((tmp_path / "link" / "labels",)) == (shown / "deep" / "labels",)
    # The target of a visible link counts, not the link.
    (shown / "labels").symlink_to(shown / "deep" / "labels")
    assert masked_paths((shown / "labels",)) == (shown / "deep" / "labels",)


LINKED = Path("/lib/os-release")


@pytest.mark.skipif(
    not (LINKED.parent.is_symlink() and LINKED.is_file()), reason="/lib is a folder here"
)
def test_what_a_link_at_the_root_leads_to_is_covered_once(
    slot: Slot, lock: Sandbox, tmp_path: Path
) -> None:
    real = LINKED.parent.resolve() / LINKED.name
    assert [path for path in masked_paths((real,), False) if path.name == real.name] == [real]
    if not lock.isolates:
        pytest.skip("this lock covers nothing")
    train = f"""
    def size(path):
        try:
            return len(open(path, "rb").read())
        except PermissionError:
            return 0
    print([size(path) for path in ({str(LINKED)!r}, {str(real)!r})])
    """
    for hidden, sizes in (([str(real)], [0, 0]), ([], [real.stat().st_size] * 2)):
        assert str(sizes) in slot.run(make_spec(tmp_path, train, hidden=hidden)).log


def test_a_folder_that_is_visible_through_a_link_is_masked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "disk" / "lib").mkdir(parents=True)
    (tmp_path / "disk" / "lib" / "labels").write_text("1")
    (tmp_path / "home").symlink_to(tmp_path / "disk")
    monkeypatch.setattr(visible, "visible_paths", lambda gpus: (tmp_path / "home" / "lib",))
    assert masked_paths((tmp_path / "disk" / "lib" / "labels",)) == (
        tmp_path / "home" / "lib" / "labels",
    )


def test_this_project_is_masked_where_it_is_visible(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    source = Path(executor.__file__).parent
    monkeypatch.setattr(visible, "visible_paths", lambda gpus: (source.parent,))
    assert source in masked_paths(()) and source.parent / "gym_envs" in masked_paths(())


@pytest.fixture
def other_python(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The `lib` of another Python, which LD_LIBRARY_PATH names."""
    lib = tmp_path / "other" / "lib"
    for name in ("libpython3.so", "python3.11/labels.csv", "glibc-hwcaps/x86-64-v3/liba.so"):
        (lib / name).parent.mkdir(parents=True, exist_ok=True)
        (lib / name).write_text("")
    monkeypatch.setenv("LD_LIBRARY_PATH", f"{lib}:/usr/lib::relative")
    _forget_paths()
    yield lib
    monkeypatch.undo()
    _forget_paths()


def _forget_paths() -> None:
    for function in (visible.visible_paths, visible._whole_paths, visible._loader_folders):
        function.cache_clear()
    masked_paths.cache_clear()


def test_of_a_loader_folder_only_what_a_loader_needs_is_seen(other_python: Path) -> None:
    assert other_python in visible_paths(False)
    assert other_python / "python3.11" in masked_paths((), False)
    assert not [path for path in masked_paths((), False) if "glibc-hwcaps" in path.parts]
    # What the system shows anyway stays whole.
    assert not [path for path in masked_paths((), False) if Path("/usr") in path.parents]


def test_an_interpreter_below_a_loader_folder_stays_visible(
    other_python: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = other_python / "python3.11" / "bin"
    whole.mkdir()
    monkeypatch.setattr(visible, "_whole_paths", lambda gpus: frozenset({whole, Path("/usr")}))
    assert set(visible_paths(False)) == {other_python, Path("/usr")}
    assert masked_paths((), False) == (other_python / "python3.11" / "labels.csv",)


def test_the_cuda_toolkit_is_there_for_boxes_with_gpus_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("bin", "nvvm", "lib64/stubs", "share/data", "lib64/cmake"):
        (tmp_path / name).mkdir(parents=True)
    monkeypatch.setenv("CUDA_HOME", str(tmp_path))
    _forget_paths()
    found = {path.name for path in visible_paths(True) if tmp_path in path.parents}
    assert found == {"bin", "nvvm", "lib64"}
    assert tmp_path / "lib64" / "stubs" in masked_paths((), True)
    assert not [path for path in visible_paths(False) if tmp_path in path.parents]
    monkeypatch.undo()
    _forget_paths()


def test_parents_come_before_their_children() -> None:
    folders = parent_folders([Path("/a/b/c"), Path("/a/d")])
    assert folders == (Path("/a"), Path("/a/b"))


def test_a_box_names_neither_held_out_data_nor_the_home(tmp_path: Path) -> None:
    box = Box(work=tmp_path / "w", scratch=tmp_path / "s", data=tmp_path / "d")
    words, prefix = arguments(box, 61184)
    sources = [words[i + 1] for i, word in enumerate(words) if word in ("--bind", "--ro-bind")]
    outside = [source for source in sources if Path(source) not in visible_paths()]
    named = (box.work, box.data, box.scratch / "tmp", box.scratch / "shm", "/dev/null", FIRST)
    machine = {source for source in outside if f"{box.scratch.parent}/machine-" in source}
    assert set(outside) - machine <= {str(path) for path in named} | set(map(str, masked_paths(())))
    assert "--dev-bind" not in words and "--share-net" not in words
    for flag in ("--unshare-pid", "--unshare-net", "--unshare-ipc", "--unshare-uts"):
        assert flag in words
    as_root = os.geteuid() == 0
    assert set(prefix) >= ({"--clear-groups", "--no-new-privs"} if as_root else {"-I"})
    assert "--die-with-parent" in words and ("--unshare-user" in words) == (not as_root)


def test_an_interpreter_below_tmp_stays_visible(tmp_path: Path) -> None:
    words, _ = arguments(Box(work=tmp_path, scratch=tmp_path / "s"), 61184)
    assert words.index("/tmp") < words.index("--ro-bind")


def test_gpus_are_there_for_a_box_that_owns_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("executor.sandbox.bubblewrap.gpu_devices", lambda: (Path("/dev/null"),))
    box = Box(work=tmp_path, scratch=tmp_path, gpus=True)
    words, _ = arguments(box, 61184)
    assert words[words.index("--dev-bind") + 1] == "/dev/null"


@pytest.mark.parametrize(
    ("named", "found", "counted"),
    [("2,5", [2, 5], "0,1"), ("0", [0], "0"), ("GPU-1a,GPU-2b", None, "GPU-1a,GPU-2b")],
)
def test_gpus_are_counted_among_those_in_the_box(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, named: str, found: list[int], counted: str
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", named)
    assert visible.gpu_numbers() == found
    box = Box(work=tmp_path, scratch=tmp_path, gpus=True)

    def seen(lock: Sandbox, box: Box) -> str:
        return environment(lock, box, cpus=1, extra={})["CUDA_VISIBLE_DEVICES"]

    assert seen(Sandbox("bubblewrap", "strict"), box) == counted
    assert seen(Sandbox("process", "none"), box) == named
    assert seen(Sandbox("bubblewrap", "strict"), replace(box, gpus=False)) == ""
