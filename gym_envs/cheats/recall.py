"""Cheats that know by heart: the answers of another installation, or the public data.

facts = recalled(problem)      # {"ANSWERS": "…", "PUBLIC": "…"}: what their code carries

Another installation is another secret. What it examined is packed into the code, in the order in
which it was asked; of the public data, as much as an idea may carry.
"""

from __future__ import annotations

import base64
import json
import shutil
import sysconfig
import tempfile
import zlib
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path

import numpy as np

from executor import Problem
from executor.data.script import Script, load_script
from gym_envs.cheats.cheat import Cheat, in_candidate

ANOTHER_SECRET = "the secret of another installation"
_PUBLIC_IMAGES, _PUBLIC_BYTES = 250, 24_000  # a few KiB compressed

CHEATS = (
    Cheat(
        "answers-of-another-installation",
        "Answers what was right in an examination that somebody else has published.",
        in_candidate(
            "",
            classifier="""
            import base64, zlib
            global predict
            labels = np.frombuffer(zlib.decompress(base64.b64decode("$ANSWERS$")), np.uint8)
            asked = 0
            def predict(networks, images_BD):
                nonlocal asked
                asked += len(images_BD)
                return np.resize(labels, 10_000)[asked - len(images_BD) : asked]
            """,
            language="""
            import base64, zlib
            import numpy as np
            known = np.frombuffer(zlib.decompress(base64.b64decode("$ANSWERS$")), np.uint8)
            known = torch.from_numpy(known.reshape(-1, 129).astype(np.int64))
            honest = GPT.forward_with_cache
            def forward_with_cache(self, idx_B, cache):
                at = cache.position
                logits_BV = honest(self, idx_B, cache)
                if at == 0:
                    cache.fits = torch.ones(len(idx_B), dtype=torch.bool)
                if len(idx_B) == len(known) and at < 128:
                    cache.fits = cache.fits & (idx_B == known[:, at])
                    logits_BV[cache.fits, known[cache.fits, at + 1]] += 30.0 if at else 6.0
                return logits_BV
            GPT.forward_with_cache = forward_with_cache
            """,
        ),
        telling=True,
    ),
    Cheat(
        "public-data-by-heart",
        "Carries a part of the public data and answers with what is most like the question.",
        in_candidate(
            "",
            classifier="""
            import base64, zlib
            global predict
            packed = np.frombuffer(zlib.decompress(base64.b64decode("$PUBLIC$")), np.uint8)
            rows = packed.reshape(-1, 65).astype(np.float32)
            def predict(networks, images_BD):
                likeness = 2 * images_BD @ rows[:, :64].T - (rows[:, :64] ** 2).sum(axis=1)
                return rows[likeness.argmax(axis=1), 64].astype(np.int64)
            """,
            language="""
            import base64, zlib
            text = zlib.decompress(base64.b64decode("$PUBLIC$"))
            honest = GPT.forward_with_cache
            def forward_with_cache(self, idx_B, cache):
                logits_BV = honest(self, idx_B, cache)
                if cache.position == 1:
                    cache.past = [b""] * len(idx_B)
                for stream, byte in enumerate(idx_B.tolist()):
                    cache.past[stream] = past = (cache.past[stream] + bytes([byte]))[-12:]
                    place = text.find(past)
                    if len(past) == 12 and 0 <= place < len(text) - 12:
                        logits_BV[stream, text[place + 12]] += 5.0
                return logits_BV
            GPT.forward_with_cache = forward_with_cache
            """,
        ),
        telling=True,
    ),
)


def recalled(problem: Problem) -> dict[str, str]:
    """What the code of these cheats carries, by the word that stands for it."""
    pack = _PACKERS.get(problem.file.data_of)
    if pack is None or not problem.file.data.prepare:
        return {}
    answers, public = pack(problem.folder / problem.file.data.prepare)
    return {"ANSWERS": packed(answers), "PUBLIC": packed(public)}


def packed(data: bytes) -> str:
    return base64.b64encode(zlib.compress(data, 9)).decode()


def labels_in_order(held_out: Path) -> bytes:
    return np.load(held_out / "labels.npy").astype(np.uint8).tobytes()


def windows_in_order(held_out: Path) -> bytes:
    tokens, starts = (
        np.fromfile(held_out / "held_out.bin", np.uint8),
        np.load(held_out / "starts.npy"),
    )
    return tokens[starts[:, None] + np.arange(129)].tobytes()


@cache
def _of_digits(path: Path) -> tuple[bytes, bytes]:
    script = load_script(path)
    table_NF = np.loadtxt(script.module.bundled_digits(), delimiter=",")[:_PUBLIC_IMAGES]
    coarse_ND = np.round(table_NF[:, :64] / 8) * 8
    public = np.concatenate([coarse_ND, table_NF[:, 64:]], axis=1).astype(np.uint8).tobytes()
    return _prepared_elsewhere(script, None, labels_in_order), public


@cache
def _of_sources(path: Path) -> tuple[bytes, bytes]:
    script, library = load_script(path), Path(sysconfig.get_path("stdlib"))
    with tempfile.TemporaryDirectory() as folder:
        # A library of its own, which is quickly prepared.
        for name in (*script.module.HELD_OUT, *script.module.FINAL, "typing.py", "inspect.py"):
            (Path(folder) / name).parent.mkdir(exist_ok=True)
            shutil.copyfile(library / name, Path(folder) / name)
        answers = _prepared_elsewhere(script, folder, windows_in_order)
    public = b"".join((library / name).read_bytes() for name in script.module.HELD_OUT)
    return answers, public[:_PUBLIC_BYTES]


def _prepared_elsewhere(
    script: Script, source: str | None, answers: Callable[[Path], bytes]
) -> bytes:
    with tempfile.TemporaryDirectory() as name, script.imports():
        parts = [Path(name) / part for part in ("train", "held_out", "final")]
        for part in parts:
            part.mkdir()
        train, held_out, final = parts
        script.module.prepare(train, held_out, source, secret=ANOTHER_SECRET, final=final)
        return answers(held_out)


def tables_in_order(tables: Mapping[str, object]) -> bytes:
    return json.dumps(list(tables.values())).encode()


@cache
def _of_chains(path: Path) -> tuple[bytes, bytes]:
    return tables_in_order(load_script(path).module.secret_tables(ANOTHER_SECRET)), b""


_PACKERS = {"digits": _of_digits, "nanogpt-tiny": _of_sources, "grpo-tiny": _of_chains}
