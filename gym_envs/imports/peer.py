"""Reads a folder of another framework: which one, what its parts are called, what its settings say.

    peer = read_peer(Path("circle_packing"))
    peer.kind, peer.program, peer.evaluator  # ("openevolve", "initial_program.py", "evaluator.py")

Nothing of it is run: sources are parsed.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import yaml

from executor.edits.regions import frozen_lines, mistake_in_marks
from executor.errors import UserError

MARKS = ("EVOLVE-BLOCK-START", "EVOLVE-BLOCK-END")
Kind = Literal["openevolve", "shinka"]
# Programs and evaluators, where frameworks look for them.
_KINDS: tuple[tuple[Kind, str, tuple[str, ...], str], ...] = (
    (
        "openevolve",
        "initial_program.py",
        ("evaluator.py", "evaluator/evaluator.py", "eval/evaluator.py"),
        "evaluate",
    ),
    ("shinka", "initial.py", ("evaluate.py",), "main"),
)
_SCALARS = (bool, int, float, str)


@dataclass(frozen=True)
class Peer:
    """A folder that can be imported.

    Attributes:
        folder: where it lies.
        kind: whose form it has; SkyDiscover's is OpenEvolve's.
        program, evaluator: paths in it.
        text: the program.
        helpers: modules beside the evaluator that the program imports, name to text.
        task: what the folder says of its task; may be empty.
        timeout_s: wall seconds of an evaluation.
        cascade: thresholds between stages; empty where there are none.
        options: further arguments of the evaluator.
        features: metrics that no mean counts.
    """

    folder: Path
    kind: Kind
    program: str
    evaluator: str
    text: str
    helpers: Mapping[str, str]
    task: str
    timeout_s: float
    cascade: tuple[float, ...]
    options: Mapping[str, Any]
    features: tuple[str, ...]

    @property
    def has_regions(self) -> bool:
        """Whether marks in the program say what may change."""
        return frozen_lines(self.text, MARKS) is not None


def read_peer(folder: Path) -> Peer:
    """Reads a folder.

    Args:
        folder: of OpenEvolve's, SkyDiscover's or ShinkaEvolve's kind.

    Returns:
        What was found.

    Raises:
        UserError: it has none of the forms, or a part of it is malformed.
    """
    if not folder.is_dir():
        raise UserError(f"{folder}: no such folder")
    kind, program, evaluator, function = _parts(folder)
    text, source = _read(folder / program), _read(folder / evaluator)
    _parsed(folder / program, text)
    names = {node.name for node in _functions(_parsed(folder / evaluator, source))}
    if function not in names:
        raise UserError(f"{folder / evaluator}: has no function {function}")
    if wrong := mistake_in_marks(text, MARKS):
        raise UserError(f"{folder / program}: {wrong}")
    config = _config(folder)
    section = _section(config, "evaluator", folder)
    stages = {name for name in names if name.startswith("evaluate_stage")}
    return Peer(
        folder=folder,
        kind=kind,
        program=program,
        evaluator=evaluator,
        text=text,
        helpers=_helpers(text, folder, Path(evaluator).parent),
        task=_task(config, folder, text),
        timeout_s=_number(section, "timeout", 300.0, folder),
        cascade=_cascade(section, folder) if "evaluate_stage1" in stages else (),
        options=_options(section, folder),
        features=_features(config, folder),
    )


def imported_names(source: str) -> Iterator[str]:
    """The modules that a source imports, as it names them; those of try blocks are left out."""
    nodes: list[ast.AST] = list(ast.parse(source).body)
    while nodes:
        node = nodes.pop()
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module
        elif not isinstance(node, ast.Try | ast.If):
            nodes += ast.iter_child_nodes(node)


def _parts(folder: Path) -> tuple[Kind, str, str, str]:
    for kind, program, evaluators, function in _KINDS:
        if (folder / program).is_file():
            for evaluator in evaluators:
                if (folder / evaluator).is_file():
                    return kind, program, evaluator, function
            raise UserError(f"{folder}: has {program}, but no {' or '.join(evaluators[:2])}")
    raise UserError(
        f"{folder}: not a problem of OpenEvolve, SkyDiscover (initial_program.py and evaluator.py) "
        "or ShinkaEvolve (initial.py and evaluate.py)"
    )


def _read(path: Path) -> str:
    try:
        return path.read_bytes().decode()
    except UnicodeDecodeError:
        raise UserError(f"{path}: not UTF-8 text") from None


def _parsed(path: Path, text: str) -> ast.Module:
    try:
        return ast.parse(text)
    except (SyntaxError, ValueError) as error:
        line = getattr(error, "lineno", None) or 1
        raise UserError(f"{path}: line {line} is no Python: {error.args[0]}") from None


def _functions(tree: ast.Module) -> list[ast.FunctionDef | ast.AsyncFunctionDef]:
    return [n for n in tree.body if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef)]


def _helpers(text: str, folder: Path, beside: Path) -> dict[str, str]:
    """The modules beside the evaluator that a program imports, and those that these import."""
    found: dict[str, str] = {}
    sources = [text]
    while sources:
        for name in sorted({name.partition(".")[0] for name in imported_names(sources.pop())}):
            for place in (folder / beside, folder):
                path = place / f"{name}.py"
                if f"{name}.py" not in found and path.is_file():
                    found[path.name] = _read(path)
                    _parsed(path, found[path.name])
                    sources.append(found[path.name])
    return found


def _config(folder: Path) -> dict[str, Any]:
    path = folder / "config.yaml"
    if not path.is_file():
        return {}
    try:
        config = yaml.safe_load(_read(path)) or {}
    except yaml.YAMLError as error:
        raise UserError(f"{path}: not valid YAML: {' '.join(str(error).split())}") from None
    if not isinstance(config, dict):
        raise UserError(f"{path}: has no keys")
    return config


def _section(config: dict[str, Any], name: str, folder: Path) -> dict[str, Any]:
    section = config.get(name) or {}
    if not isinstance(section, dict):
        raise UserError(f"{folder / 'config.yaml'}: {name}: expected a section of keys")
    return section


def _number(section: dict[str, Any], name: str, default: float, folder: Path) -> float:
    value = section.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= 1e6:
        raise UserError(f"{folder / 'config.yaml'}: evaluator.{name}: expected a number of seconds")
    return float(value)


def _cascade(section: dict[str, Any], folder: Path) -> tuple[float, ...]:
    """OpenEvolve's defaults are stages, with thresholds of 0.5 and 0.75."""
    if not section.get("cascade_evaluation", True):
        return ()
    values = section.get("cascade_thresholds", (0.5, 0.75))
    numbers = isinstance(values, list | tuple) and all(
        isinstance(v, int | float) and not isinstance(v, bool) for v in values
    )
    if not numbers:
        raise UserError(
            f"{folder / 'config.yaml'}: evaluator.cascade_thresholds: expected a list of numbers"
        )
    return tuple(float(value) for value in values[:2])


def _options(section: dict[str, Any], folder: Path) -> dict[str, Any]:
    options = section.get("evaluator_args") or {}
    if not isinstance(options, dict) or not all(isinstance(v, _SCALARS) for v in options.values()):
        raise UserError(
            f"{folder / 'config.yaml'}: evaluator.evaluator_args: expected names with plain values"
        )
    return {str(name): value for name, value in options.items()}


def _features(config: dict[str, Any], folder: Path) -> tuple[str, ...]:
    features = _section(config, "database", folder).get("feature_dimensions") or ()
    return tuple(str(name) for name in features) if isinstance(features, list) else ()


def _task(config: dict[str, Any], folder: Path, text: str) -> str:
    """The message to the language model, else what the program says of itself."""
    told = _section(config, "prompt", folder).get("system_message")
    if isinstance(told, str) and told.strip():
        return told.strip()
    run = folder / "run_evo.py"
    if run.is_file():
        for node in ast.walk(_parsed(run, _read(run))):
            names = [n.id for n in getattr(node, "targets", ()) if isinstance(n, ast.Name)]
            value = getattr(node, "value", None)
            is_text = isinstance(value, ast.Constant) and isinstance(value.value, str)
            if is_text and any("task_sys_msg" in name for name in names):
                return value.value.strip()  # type: ignore[union-attr]
    return (ast.get_docstring(ast.parse(text)) or "").strip()
