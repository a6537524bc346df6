"""Whether an evaluator believes a number that the program returned beside its answer.

    transcript = Transcript(candidate)               # asks the candidate, and remembers
    transcript.has_claims                            # `makespan` of (makespan, schedule), say
    believes(transcript, score_of=evaluate_again)    # True: the score follows that number

The evaluation is repeated without the program: the same answers in the same order, with other
claims. A score that rises or falls with them was not computed from the answer. An evaluator that
computes it anew, or refuses a claim that does not fit, knows two scores at most. Where it asks in
another order, takes too long, or was told too much to remember, nothing is found.
"""

from __future__ import annotations

import json
import math
import struct
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from gym_envs.imports.boxed.wire import MALFORMED, MAX_BYTES

if TYPE_CHECKING:
    from executor.trial.examiner import Candidate

Ask = Callable[[bytes], bytes]
Change = Callable[[float], float]
LEAST_REPLAY_S, MOST_BYTES = 10.0, 2**28
_NOISE = 10.0


def _same(value: float) -> float:
    return value


def _by(steps: int) -> Change:
    """Adds so many quarters of a number; whole numbers stay whole."""

    def change(value: float) -> float:
        if isinstance(value, int):
            return value + steps * max(1, abs(value) // 4)
        return value + steps * (abs(value) / 4 or 1.0)

    return change


def _to(number: float) -> Change:
    """Puts another number in its place."""
    return lambda value: round(number) if isinstance(value, int) else number


# Near the claim, and far from it: a score may have a highest value. No honest claim is likely to be
# one of the latter.
NEAR = ((_same, _by(1), _by(2)), (_same, _by(-1), _by(-2)))
FAR = tuple(_to(1.37 * 10.0**n) for n in (0, 1, 2, 3, 4, 6))


class Diverged(Exception):
    """The evaluator asked in another way than the first time."""


class Transcript:
    """What was asked of the candidate and what it answered, in order."""

    def __init__(self, candidate: Candidate) -> None:
        self._candidate = candidate
        self._begun, self._bytes = time.monotonic(), 0
        self.exchanges: list[tuple[bytes, bytes]] = []

    def ask(self, message: bytes) -> bytes:
        """The candidate's answer to a message of the evaluator's."""
        ask = self._candidate.ask
        question = np.frombuffer(message, np.uint8)
        (size,) = ask(question, shape=(1,), dtype="int64", low=1, high=MAX_BYTES)
        reply = ask(np.zeros(0, np.uint8), shape=(int(size),), dtype="uint8").tobytes()
        self._bytes += len(message) + len(reply)
        if self._bytes <= MOST_BYTES:
            self.exchanges.append((message, reply))
        return reply

    @property
    def seconds(self) -> float:
        """Since it began."""
        return time.monotonic() - self._begun

    @property
    def has_claims(self) -> bool:
        """Whether an answer holds numbers beside something larger, and all is remembered."""
        told = any(with_claims(reply, _by(1)) != reply for _, reply in self.exchanges)
        return told and self._bytes <= MOST_BYTES

    def replay(self, change: Change) -> Ask:
        """Gives the same answers once more, with changed claims."""
        left = iter(self.exchanges)

        def ask(message: bytes) -> bytes:
            known, reply = next(left, (b"", b""))
            # What is asked may depend on chance, or on the claim itself.
            if message[:1] != known[:1]:
                raise Diverged
            return with_claims(reply, change)

        return ask


def believes(transcript: Transcript, score_of: Callable[[Ask], float | None]) -> bool:
    """Whether the score follows what the program claims.

    Args:
        transcript: of the evaluation that counts.
        score_of: evaluates once more with other answers; None where that fails.
    """
    if not transcript.has_claims:
        return False
    until = transcript.seconds + max(transcript.seconds, LEAST_REPLAY_S)

    def score(change: Change) -> float | None:
        return score_of(transcript.replay(change)) if transcript.seconds < until else None

    first, second = score(_same), score(_same)
    if first is None or second is None:
        return False
    # What differs by itself is no change.
    least = max(_NOISE * abs(first - second), 1e-9 * abs(first))
    return any(_follows(list(map(score, row)), least) for row in (*NEAR, FAR))


def _follows(scores: Sequence[float | None], least: float) -> bool:
    """Whether scores take three levels or more, and never turn."""
    known = [score for score in scores if score is not None]
    if len(known) < len(scores):
        return False
    steps = np.diff(known)
    moves = np.abs(steps) > least
    return bool(moves.sum() >= 2 and (np.all(steps[moves] > 0) or np.all(steps[moves] < 0)))


def with_claims(reply: bytes, change: Change) -> bytes:
    """An answer with changed claims.

    A claim is a number in a returned tuple, list or mapping that holds something larger, too:
    lists, arrays, objects. Numbers alone are an answer.
    """
    if reply[:1] != b"R" or change is _same:
        return reply
    try:
        (length,) = struct.unpack_from("<I", reply, 1)
        buffers = bytearray(reply[5 + length :])
        altered = _altered(json.loads(reply[5 : 5 + length]), change, buffers)
    except MALFORMED:
        return reply
    packed = json.dumps(altered).encode()
    return b"".join([b"R", struct.pack("<I", len(packed)), packed, buffers])


def _altered(packed: Any, change: Change, buffers: bytearray) -> Any:
    """The header with other numbers; those that lie in the buffers are overwritten."""
    kind, parts = _parts(packed)
    if not kind or all(map(_is_number, parts)):
        return packed
    places = {id(part): place for part, place in _buffered(packed)}
    made = [_changed(part, change, buffers, places) if _is_number(part) else part for part in parts]
    if kind == "dict":
        return {"dict": [[pair[0], part] for pair, part in zip(packed["dict"], made, strict=True)]}
    if kind == "named":
        return {"named": [*packed["named"][:2], made]}
    return {kind: made}


def _changed(packed: Any, change: Change, buffers: bytearray, places: Mapping[int, int]) -> Any:
    if isinstance(packed, int | float):
        return change(packed)
    ((_, (dtype, _shape)),) = packed.items()
    place, size = places[id(packed)], np.dtype(dtype).itemsize
    value = np.frombuffer(bytes(buffers[place : place + size]), dtype)
    new = np.array([change(value[0].item())]).astype(dtype)
    buffers[place : place + size] = new.tobytes()
    return packed


def _parts(packed: Any) -> tuple[str, list]:
    """The kind of a container and what is in it; an empty kind for anything else."""
    kind, content = next(iter(packed.items())) if isinstance(packed, dict) else ("", [])
    if kind == "dict":
        return kind, [pair[1] for pair in content]
    if kind == "named":
        return kind, content[2]
    return (kind, content) if kind in ("tuple", "list") else ("", [])


def _is_number(packed: Any) -> bool:
    """A bare one, or an array of one number."""
    if isinstance(packed, int | float):
        return True
    kind, content = next(iter(packed.items())) if isinstance(packed, dict) else ("", [])
    return kind in ("scalar", "array") and all(size == 1 for size in content[1])


def _buffered(packed: Any, place: int = 0) -> Iterator[tuple[Any, int]]:
    """What lies in the buffers, and where it begins."""
    for part in _in_buffers(packed):
        yield part, place
        ((kind, content),) = part.items()
        if kind == "bytes":
            place += content
        else:
            place += np.dtype(content[0]).itemsize * math.prod(content[1])


def _in_buffers(packed: Any) -> Iterator[Any]:
    if isinstance(packed, dict):
        ((kind, packed),) = (whole := packed).items()
        if kind in ("array", "scalar", "bytes"):
            yield whole
            return
    if isinstance(packed, list):
        for part in packed:
            yield from _in_buffers(part)
