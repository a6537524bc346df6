"""Ways to take a defence away: functions that replace parts of the sandbox, in this process only.

remove = without("--unshare-net")     # nothing happens yet
remove()                              # from here on bwrap is told less
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from executor.sandbox import bubblewrap, seccomp, servers, visible
from executor.sandbox.box import Box

# A variable that names a folder of the host that everybody may read and write: only a defence
# keeps a cheat from it.
EXPOSED = "IDEATOR_CHEAT_EXPOSED"


def put(module: object, name: str, value: Any) -> Callable[[], None]:
    return lambda: setattr(module, name, value)


def no_project_masks() -> None:
    visible._PROJECT = ()
    visible.masked_paths.cache_clear()


def no_filter() -> None:
    """Boxes start without a filter of system calls."""
    seccomp.program = lambda **_: None


def exposed_to_the_loader() -> None:
    """The loader is told to look where held-out data lies in a folder."""
    os.environ["LD_LIBRARY_PATH"] = str(exposed())
    for function in (visible.visible_paths, visible._loader_folders, visible.masked_paths):
        function.cache_clear()


def no_loader_covers() -> None:
    visible._below_loader_folders = lambda gpus: iter(())
    visible.masked_paths.cache_clear()


def around(module: object, name: str, change: Callable[..., Any]) -> Callable[[], None]:
    """Puts `change(honest, *arguments)` in the place of a function."""
    honest = getattr(module, name)

    def changed(*words: Any, **named: Any) -> Any:
        return change(honest, *words, **named)

    return lambda: setattr(module, name, changed)


def bwrap_options(change: Callable[[list[str], Box], list[str]]) -> Callable[[], None]:
    """Changes the arguments of bwrap."""

    def changed(honest: Any, box: Box, uid: int) -> tuple[list[str], list[str]]:
        options, prefix = honest(box, uid)
        return change(options, box), prefix

    return around(bubblewrap, "arguments", changed)


def without(*words: str) -> Callable[[], None]:
    return bwrap_options(lambda found, box: [word for word in found if word not in words])


def instead(old: Sequence[str], new: Sequence[str]) -> Callable[[], None]:
    return bwrap_options(lambda words, box: replaced(words, list(old), list(new)))


def replaced(words: list[str], old: list[str], new: list[str]) -> list[str]:
    at = [i for i in range(len(words)) if words[i : i + len(old)] == old]
    assert at, f"{old} is not among the arguments"
    return [*words[: at[0]], *new, *words[at[0] + len(old) :]]


def servers_run(script: str) -> Callable[[], None]:
    """Servers of warm starts are of this folder's `script`."""

    def replace_servers() -> None:
        servers.stop_servers()
        servers._WARM = Path(__file__).with_name(script)

    return replace_servers


def launchers_do(code: str) -> Callable[[], None]:
    """Launchers run some code, which knows `os` and `syscalls`, before they serve."""
    launcher = servers._BARE

    def replace_launchers() -> None:
        servers.stop_servers()
        servers._BARE = exposed() / "open_launcher.py"
        servers._BARE.write_text(
            "import os, runpy, sys\n"
            f"sys.path.insert(0, {str(launcher.parents[2])!r})\n"
            "from executor.sandbox import syscalls\n"
            f"{code}\n"
            f"runpy.run_path({str(launcher)!r}, run_name='__main__')\n"
        )

    return replace_launchers


def exposed() -> Path:
    return Path(os.environ[EXPOSED])


def writable_data(words: list[str], box: Box) -> list[str]:
    if not box.data:
        return words
    return replaced(words, ["--ro-bind", str(box.data)], ["--bind", str(box.data)])


def shared_folder(name: str, place: str) -> Callable[[], None]:
    """A folder of the host's in the place of a private one."""
    return bwrap_options(
        lambda words, box: replaced(
            words, [str(box.scratch / name), place], [str(exposed() / name), place]
        )
    )


def setpriv(old: str, new: Sequence[str]) -> Callable[[], None]:
    return around(
        bubblewrap,
        "_give_up_root",
        lambda honest, uid: [
            word for old_word in honest(uid) for word in (new if old_word == old else [old_word])
        ],
    )


def everything_training_left(honest: Any, *words: Any) -> Box:
    folder, name = words[1:3]
    box = honest(*words)
    if name == "exam":
        left = shutil.ignore_patterns("candidate")
        shutil.copytree(folder / "train", box.work, ignore=left, dirs_exist_ok=True)
    return box


def installed_in(module: object) -> Callable[[], None]:
    """As if the project were installed among the packages that a box sees."""

    def install() -> None:
        visible.__file__ = str(exposed() / "site" / "executor" / "sandbox" / "visible.py")
        for place in (module, visible):
            around(
                place, "visible_paths", lambda honest, gpus: (*honest(gpus), exposed() / "site")
            )()
        visible.masked_paths.cache_clear()

    return install
