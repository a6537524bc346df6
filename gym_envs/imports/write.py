"""Writes a problem of ours that runs another framework's folder as it is."""

from __future__ import annotations

import importlib.util
import re
import shutil
from pathlib import Path

from executor.errors import UserError
from executor.problem.problem import load_problem
from gym_envs.imports.data import LEFT_OUT, PEER, key_of
from gym_envs.imports.peer import MARKS, Peer, imported_names
from gym_envs.imports.settings_found import ideas_yaml

MAX_BYTES = 500_000_000
START = "start.py"
WALL = 4  # times the evaluator's own limit of time
_PREPARE = '''"""Gives the evaluator's folder to whoever may see it."""

from pathlib import Path

from gym_envs.imports.data import check as unchanged
from gym_envs.imports.data import fill

HERE = Path(__file__).parent
KEY = "{key}"  # of peer/ and of how it is run


def prepare(train: Path, held_out: Path, source: str | None = None) -> None:
    fill(HERE, KEY, train, held_out)


def check(train: Path, held_out: Path) -> None:
    unchanged(HERE, KEY, train)
'''
_EVALUATE = '''"""Has the evaluator of peer/ say what the program is worth."""

from gym_envs.imports.examination import examination

examine = examination(__file__)
'''
_START = '''"""Starts the evaluation; no part of an idea."""

import os
import runpy

runpy.run_path(os.environ["DATA_DIR"] + "/boxed/{script}", run_name="__main__")
'''
_SEARCH = """# Evolutionary search on this problem, from the folder above it:
#   ideator-rl search --config {folder}/config_evolution.yaml
env: {folder}/
run: {name}-evolution
search:
  method: evolution
  epoch_size: 8
budget:
  ideas: 24
"""
_TOML = """# Imported by `ideator-rl envs import`; see README.md beside this file.
name = "{name}"
id = "{id}"
title = "{title}"
task = '''
{task}
'''

[run]
entry = ["python", "{start}"]
preload = {preload}
{candidate}
[files]
editable = ["{program}"]
frozen = {frozen}
{regions}
[resources]
memory_gb = 2.0

[budget]
kind = "cpu"
seconds = {seconds}
startup_seconds = 60.0
examine_seconds = {examine_seconds}
{candidate_seconds}
[data]
prepare = "prepare.py"

[reward]
metric = "{metric}"
failure = 0.0
{plausible}
[imported]
kind = "{kind}"
program = "{program}"
evaluator = "{evaluator}"
examined = {examined}
exceptions = "rejected"  # or "allowed"; only an examined problem can tell
numbers = "claims"  # beside a returned answer; or "answers", where they are a part of it; as above
cascade = {cascade}
features = {features}
{options}"""


def write_problem(
    peer: Peer, out: Path, *, examined: bool, metric: str, plausible: float | None
) -> Path:
    """Writes the folder, whole or not at all.

    Args:
        peer: what is imported.
        out: the folder, which does not exist yet; its name becomes the problem's.
        examined: whether the evaluator runs outside of the program's box.
        metric: which one is the reward.
        plausible: a reward that no honest run exceeds, if one is known.

    Returns:
        The folder.

    Raises:
        UserError: it exists, or cannot be written.
    """
    name = re.sub(r"[^a-z0-9]+", "-", out.name.lower()).strip("-")
    if not name:
        raise UserError(f"{out}: a name has letters or digits")
    if out.exists():
        raise UserError(f"{out} exists already; choose another with --out")
    size = sum(path.stat().st_size for path in peer.folder.rglob("*") if path.is_file())
    if size > MAX_BYTES:
        raise UserError(
            f"{peer.folder}: {size // 10**6} MB; at most {MAX_BYTES // 10**6} are copied"
        )
    fresh = out.with_name(f".{out.name}.part")
    shutil.rmtree(fresh, ignore_errors=True)
    try:
        shutil.copytree(peer.folder, fresh / PEER, ignore=shutil.ignore_patterns(*LEFT_OUT))
        _write(fresh, _files(peer, name, out.name, examined, metric, plausible))
        _write(fresh, {"prepare.py": _PREPARE.format(key=key_of(fresh))})
        load_problem(fresh)
        fresh.rename(out)
    except OSError as error:
        raise UserError(f"{out}: cannot be written: {error.strerror or error}") from None
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
    return out


def installed(peer: Peer) -> tuple[list[str], list[str]]:
    """The packages that program and evaluator import: those that are here, and the others."""
    sources = [peer.text, (peer.folder / peer.evaluator).read_text(), *peer.helpers.values()]
    names = {name for source in sources for name in imported_names(source)}
    beside = {path.stem for path in peer.folder.rglob("*.py")} | {
        "openevolve",
        "shinka",
        "skydiscover",
    }
    names = {name for name in names if name.partition(".")[0] not in beside}
    found = {name: _is_there(name.partition(".")[0]) for name in names}
    return sorted(n for n in names if found[n]), sorted(n for n in names if not found[n])


def _is_there(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except (ImportError, ValueError):
        return False


def _write(folder: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def _files(
    peer: Peer,
    name: str,
    folder: str,
    examined: bool,
    metric: str,
    plausible: float | None,
) -> dict[str, str]:
    script = "leave.py" if examined else "together.py"
    files = {
        "problem.toml": _toml(peer, name, examined, metric, plausible),
        "evaluate.py": _EVALUATE,
        "README.md": _readme(peer, folder, examined),
        "config_evolution.yaml": _SEARCH.format(name=name, folder=folder),
        f"codebase/{START}": _START.format(script=script),
        f"codebase/{peer.program}": peer.text,
        **{f"codebase/{helper}": text for helper, text in peer.helpers.items()},
    }
    own = peer.folder / "ideas.yaml"
    if ideas := own.read_text() if own.is_file() else ideas_yaml(peer.text):
        files["ideas.yaml"] = ideas
    return files


def _toml(peer: Peer, name: str, examined: bool, metric: str, plausible: float | None) -> str:
    preload = [module for module in installed(peer)[0] if module != "__main__"]
    command = ["python", "candidate/serve.py", peer.program]
    words = re.split(r"[^A-Za-z0-9]+", name)
    task = peer.task or f"Improve {peer.program}, which peer/{peer.evaluator} evaluates."
    options = "".join(f"{key} = {_value(value)}\n" for key, value in peer.options.items())
    return _TOML.format(
        name=name,
        id="".join(word.capitalize() for word in words) + "-v0",
        title=name.replace("-", " "),
        task=task.replace("'''", '"""'),
        start=START,
        preload=_value(preload),
        candidate=f"candidate = {_value(command)}\n" if examined else "",
        program=peer.program,
        frozen=_value([START, *sorted(peer.helpers)]),
        regions=f"regions = {_value(list(MARKS))}\n" if peer.has_regions else "",
        # Processor time, so that other load shortens nothing; the wall only bounds it.
        seconds=10.0 if examined else peer.timeout_s,
        # Twice: what the program claims is tried out in as much time again.
        examine_seconds=2 * WALL * peer.timeout_s if examined else 60.0,
        candidate_seconds=f"candidate_seconds = {peer.timeout_s}\n" if examined else "",
        metric=metric,
        plausible="" if plausible is None else f"plausible = {plausible!r}\n",
        kind=peer.kind,
        evaluator=peer.evaluator,
        examined=_value(examined),
        cascade=_value(list(peer.cascade)),
        features=_value(list(peer.features)),
        options=f"\n[imported.options]\n{options}" if options else "",
    )


def _value(value: object) -> str:
    """A value as TOML has it."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return f"[{', '.join(map(_value, value))}]"
    if isinstance(value, str):
        escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
        return f'"{escaped}"'
    return repr(value)


def _readme(peer: Peer, folder: str, examined: bool) -> str:
    split = EXAMINED if examined else TOGETHER
    return (
        f"# {folder}\n\nThe folder `{peer.folder.name}` as it is, in `peer/`. An idea may change "
        f"`codebase/{peer.program}`{', between its marks' if peer.has_regions else ''}; "
        f"`peer/{peer.evaluator}` says what that is worth.\n\n{split}\n\n"
        f"    ideator-rl envs check {folder}/\n"
        f"    ideator-rl search --config {folder}/config_evolution.yaml\n\n"
        "Set `plausible` in `problem.toml` to a reward that no honest program reaches, and "
        "`failure` below any success where scores can be negative. After a change in `peer/`, "
        "import it again.\n"
    )


EXAMINED = (
    "The evaluator runs in the examiner, outside of the program's box: patching it changes "
    "nothing. A trial in which the program raises an exception is rejected, and so is a score that "
    "follows a number which the program returns beside its answer. What else the evaluator "
    "believes is the evaluator's to check."
)
TOGETHER = (
    "Code of an idea runs in the process that computes the score, so it can write its own score: "
    "no reward here is proof of anything until a person has read the code. `envs import "
    "--examined` keeps the two apart."
)
