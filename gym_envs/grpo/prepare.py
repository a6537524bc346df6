"""MATH and the model to start from: 7,500 problems to train on, 500 held out, Qwen2.5-Math-1.5B.

    ideator-rl envs prepare grpo                          # both from the Hugging Face hub
    ideator-rl envs prepare grpo --source math.jsonl      # the problems from a file
    ideator-rl envs prepare grpo --source folder/         # from train.jsonl and test.jsonl in it

A row has `problem`, `answer` and, if it is known, `solution`. From the hub, MATH-500 is held out;
of a folder its test.jsonl; of a single file a sixteenth, drawn by the installation's secret. The
secret also draws the final problems, which no search ever asks: of the rows that are left 500, or a
sixteenth of fewer, are taken out of training. A folder `model/` beside the file, or in the folder,
is taken for the model (any that transformers knows, as safetensors); without one it comes from the
hub.

Training sees problems, solutions, answers and the model; the examiner alone sees the held-out and
the final problems, and of those no solutions are kept.
"""

import importlib.util
import json
import random
import shutil
import struct
from collections.abc import Iterator
from pathlib import Path

MODEL = "Qwen/Qwen2.5-Math-1.5B"
TRAIN, HELD_OUT = "EleutherAI/hendrycks_math", "HuggingFaceH4/MATH-500"
SUBJECTS = (
    "algebra",
    "counting_and_probability",
    "geometry",
    "intermediate_algebra",
    "number_theory",
    "prealgebra",
    "precalculus",
)
FIELDS = ("problem", "solution", "answer")
EXAM = {"samples": 2, "max_new_tokens": 1024, "batch": 500}
TRAIN_ROWS, FINAL_ROWS, SHARE = 7500, 500, 16
NEEDS = ("transformers", "math_verify", "datasets")
LEAST = 16

Row = dict[str, str]


def prepare(
    train: Path, held_out: Path, source: str | None = None, *, secret: str, final: Path
) -> None:
    """Fill the three folders. Raises ValueError with what is missing and what to do."""
    missing = [name for name in NEEDS if importlib.util.find_spec(name) is None]
    if missing:
        raise ValueError(f"{', '.join(missing)} missing; run: pip install 'ideator-rl[grpo]'")
    place = Path(source).expanduser() if source else None
    rows, examined = problems_of(place, secret) if place else problems_from_the_hub()
    rows = without(rows, examined)
    last = draw(rows, min(FINAL_ROWS, -(-len(rows) // SHARE)), f"{secret} final")
    rows = without(rows, last)
    if not place:
        rows = draw(rows, min(TRAIN_ROWS, len(rows)), f"{secret} train")
    if min(len(rows), len(examined)) < LEAST:
        raise ValueError(
            f"only {len(rows)} problems to train on and {len(examined)} to hold out: too few"
        )
    model = (place if place.is_dir() else place.parent) / "model" if place else None
    model = model if model and model.exists() else model_from_the_hub()

    write_jsonl(train / "train.jsonl", rows, FIELDS)
    for folder, part in ((held_out, examined), (final, last)):
        write_jsonl(folder / "problems.jsonl", part, ("problem", "answer"))
        seed = random.Random(f"{secret} sampling {folder.name}").randrange(2**31)
        (folder / "exam.json").write_text(json.dumps({**EXAM, "seed": seed}))
    copy_model(model, train / "model", (held_out, final))


def problems_of(place: Path, secret: str) -> tuple[list[Row], list[Row]]:
    """The training problems and the held-out ones of a file or a folder."""
    if place.is_dir():
        return list(read_rows(place / "train.jsonl")), list(read_rows(place / "test.jsonl"))
    rows = list(read_rows(place))
    return rows, draw(rows, len(rows) // SHARE, f"{secret} held out")


def draw(rows: list[Row], count: int, secret: str) -> list[Row]:
    """`count` of the rows, in their order, which tells nothing of how they were drawn."""
    chosen = random.Random(secret).sample(range(len(rows)), count)
    return [rows[n] for n in sorted(chosen)]


def without(rows: list[Row], others: list[Row]) -> list[Row]:
    """The rows whose problems none of `others` has."""
    problems = {row["problem"] for row in others}
    return [row for row in rows if row["problem"] not in problems]


def read_rows(path: Path) -> Iterator[Row]:
    """The rows of a JSONL file. Raises ValueError naming the line that is not one."""
    if not path.is_file():
        raise ValueError(
            f"{path}: no such file; --source takes a JSONL file, or a folder with "
            "train.jsonl and test.jsonl"
        )
    for number, line in enumerate(path.read_bytes().splitlines(), start=1):
        try:
            row = json.loads(line)
            yield {
                "problem": _text(row["problem"]),
                "solution": row.get("solution") or "",
                "answer": _text(row["answer"]),
            }
        except (ValueError, KeyError, TypeError):
            raise ValueError(
                f"{path}, line {number}: not an object with the texts problem and answer; "
                "is the file whole?"
            ) from None


def problems_from_the_hub() -> tuple[list[Row], list[Row]]:
    from datasets import load_dataset

    boxed = _grader().last_boxed
    try:
        held_out = [dict(row) for row in load_dataset(HELD_OUT, split="test")]
        rows = [
            {**row, "answer": boxed(row["solution"]) or ""}
            for subject in SUBJECTS
            for split in ("train", "test")
            for row in load_dataset(TRAIN, subject, split=split)
        ]
    except Exception as error:  # whatever a network can do
        raise ValueError(_unreachable(error)) from None
    return [row for row in rows if row["answer"]], held_out


def model_from_the_hub() -> Path:
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(MODEL, allow_patterns=["*.json", "*.txt", "*.safetensors"]))
    except Exception as error:  # whatever a network can do
        raise ValueError(_unreachable(error)) from None


def copy_model(model: Path, place: Path, examined: tuple[Path, ...]) -> None:
    """The model to `place`; its small files, and the shapes of its weights, to each `examined`."""
    files = [path for path in model.iterdir() if path.suffix in (".json", ".txt", ".safetensors")]
    weights = [path for path in files if path.suffix == ".safetensors"]
    if not weights or not (model / "config.json").is_file():
        raise ValueError(f"{model}: no model; a folder with config.json and *.safetensors is one")
    place.mkdir()
    for path in files:
        shutil.copyfile(path, place / path.name)
    shapes = {name: shape for path in weights for name, shape in shapes_in(path).items()}
    for folder in examined:
        (folder / "model").mkdir()
        for path in files:
            if "safetensors" not in path.name:
                shutil.copyfile(path, folder / "model" / path.name)
        (folder / "shapes.json").write_text(json.dumps(shapes))


def shapes_in(path: Path) -> dict[str, list[int]]:
    try:
        with path.open("rb") as file:
            (length,) = struct.unpack("<Q", file.read(8))
            header = json.loads(file.read(length))
        header.pop("__metadata__", None)
        last = max(entry["data_offsets"][1] for entry in header.values())
        if path.stat().st_size != 8 + length + last:
            raise ValueError
        return {name: entry["shape"] for name, entry in header.items()}
    except (ValueError, KeyError, TypeError, struct.error, MemoryError, OverflowError):
        raise ValueError(f"{path}: not a whole safetensors file; fetch it again") from None


def write_jsonl(path: Path, rows: list[Row], fields: tuple[str, ...]) -> None:
    lines = (json.dumps({field: row[field] for field in fields}) for row in rows)
    path.write_text("".join(f"{line}\n" for line in lines))


def _text(value: object) -> str:
    if not isinstance(value, str) or not value:
        raise TypeError
    return value


def _unreachable(error: Exception) -> str:
    reason = (str(error).strip() or type(error).__name__).splitlines()[0][:200]
    return (
        f"the hub did not give them ({reason}); without a connection use: "
        "ideator-rl envs prepare grpo --source FOLDER, with train.jsonl, test.jsonl and model/"
    )


def _grader():
    path = Path(__file__).parent / "codebase" / "grader.py"
    spec = importlib.util.spec_from_file_location("grpo_prepare_grader", path)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
