"""How fast two boxes can still talk: through cold reads, one after the other, and through futexes.

    python benchmarks/covert_channel.py [--json]

- cold reads: one box reads a page of a cold file of the system for each bit that is 1; the next box
  reads all of them and times each: what is in the page cache comes quickly;
- futexes: two boxes at the same time; for a 1 the sender waits, for a fixed moment, on a word of
  the C library, whose pages both map; the receiver wakes whoever waits there and is told how many.

Each is sent known random bits; the rate is what remains of them after errors (the capacity of a
binary symmetric channel), a second of both boxes' time. Starting the boxes is not counted.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import math
import mmap
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

from executor.sandbox import Box, Sandbox, box_uid, choose, start
from executor.sandbox.call_numbers import NUMBERS

# Farther apart than the kernel reads ahead.
STRIDE, MAX_BITS, SLOTS, SLOT_S = 1 << 18, 4000, 2000, 0.002
COLD_SENDER = """
import json, os, sys, time
place, bits = json.loads(sys.argv[1])
file, begun = os.open(place, os.O_RDONLY), time.perf_counter()
for number, bit in enumerate(bits):
    if bit:
        os.pread(file, 1, number * %(stride)d)
print(json.dumps([time.perf_counter() - begun]))
"""
COLD_RECEIVER = """
import json, os, sys, time
place, bits = json.loads(sys.argv[1])
file, begun, times = os.open(place, os.O_RDONLY), time.perf_counter(), []
for number in range(len(bits)):
    start = time.perf_counter()
    os.pread(file, 1, number * %(stride)d)
    times.append(time.perf_counter() - start)
print(json.dumps([time.perf_counter() - begun, times]))
"""
FUTEX = """
import ctypes, json, platform, sys, time
sends, first, bits = json.loads(sys.argv[1])
libc = ctypes.CDLL(None)
word = ctypes.cast(libc.printf, ctypes.c_void_p).value & ~3
value = ctypes.c_uint32.from_address(word).value
def futex(operation, number, seconds=0.0):
    limit = (ctypes.c_long * 2)(0, int(seconds * 1e9))
    return libc.syscall(%(futex)d, ctypes.c_void_p(word), operation, number, limit, None, 0)
seen = []
for slot, bit in enumerate(bits):
    start = first + slot * %(slot)f
    time.sleep(max(0, start + (0 if sends else %(slot)f / 2) - time.time()))
    if not sends:
        seen.append(int(futex(1, 9) > 0))
    elif bit:
        futex(0, ctypes.c_uint32(value), max(0, start + %(slot)f * 0.9 - time.time()))
print(json.dumps(seen))
"""


def in_box(stack: ExitStack, lock: Sandbox, code: str, *words: object) -> Iterator[str]:
    """Starts the code in a box of its own at the first `next`; the second gives what it prints."""
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="covert-")))
    folder.chmod(0o755)
    box = Box(work=folder / "work", scratch=folder / "scratch")
    for path in (box.work, box.scratch / "tmp", box.scratch / "shm"):
        path.mkdir(parents=True)
        os.chown(path, box_uid(), -1)
    number = NUMBERS["futex"][os.uname().machine != "x86_64"]
    numbers = {"stride": STRIDE, "slot": SLOT_S, "futex": number}
    with (folder / "output").open("wb") as output:
        command = [sys.executable, "-I", "-S", "-c", code % numbers, json.dumps(words)]
        process = start(lock, box, command, env={}, output=output.fileno())
    yield ""
    if process.wait() != 0:
        raise subprocess.CalledProcessError(process.returncode, "the box")
    yield (folder / "output").read_text()


def cold_file() -> Path:
    """The largest file of the system that can be dropped from the page cache."""
    files = [path for path in Path("/usr").rglob("*") if path.is_file() and not path.is_symlink()]
    for path in sorted(files, key=lambda path: -path.stat().st_size)[:50]:
        if is_cold(path):
            return path
    raise SystemExit("no file below /usr can be made cold here")


def is_cold(path: Path) -> bool:
    """Drops a file from the page cache; whether nothing of it stays there."""
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY) as memory:
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        pages = (ctypes.c_ubyte * -(-len(memory) // mmap.PAGESIZE))()
        first = ctypes.c_char.from_buffer(memory)
        failed = ctypes.CDLL(None).mincore(ctypes.byref(first), ctypes.c_size_t(len(memory)), pages)
        del first
    return failed == 0 and not any(page & 1 for page in pages)


def bits_per_second(sent: list[int], seen: list[int], seconds: float) -> dict[str, float]:
    errors = sum(a != b for a, b in zip(sent, seen, strict=True)) / len(sent)
    share = min(max(errors, 1e-9), 1 - 1e-9)
    noise = -share * math.log2(share) - (1 - share) * math.log2(1 - share)
    rate = len(sent) * (1 - noise) / seconds
    return {"bits": len(sent), "errors": errors, "seconds": seconds, "bits_per_s": rate}


def cold_reads(stack: ExitStack, lock: Sandbox) -> dict[str, float]:
    place = cold_file()
    bits = random.Random(0).choices((0, 1), k=min(MAX_BITS, place.stat().st_size // STRIDE))
    found = []
    for code in (COLD_SENDER, COLD_RECEIVER):
        box = in_box(stack, lock, code, str(place), bits)
        next(box)
        found.append(json.loads(next(box)))
    [[sending], [receiving, times]] = found
    # Below this a page was in memory: the middle of what one read from memory and from disk takes.
    bound = math.sqrt(sorted(times)[len(times) // 10] * sorted(times)[-len(times) // 10])
    return bits_per_second(bits, [int(seconds < bound) for seconds in times], sending + receiving)


def futexes(stack: ExitStack, lock: Sandbox) -> dict[str, float]:
    bits, first = random.Random(0).choices((0, 1), k=SLOTS), time.time() + 2
    boxes = [in_box(stack, lock, FUTEX, sends, first, bits) for sends in (True, False)]
    for box in boxes:
        next(box)
    _, seen = (json.loads(next(box)) for box in boxes)
    return bits_per_second(bits, seen, SLOTS * SLOT_S)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--json", action="store_true", help="print the figures as one JSON object")
    args = parser.parse_args()
    lock = choose("strict")
    with ExitStack() as stack:
        figures = {"cold reads": cold_reads(stack, lock), "futexes": futexes(stack, lock)}
    if args.json:
        print(json.dumps({"lock": str(lock), **figures}))
        return
    print(lock)
    for name, found in figures.items():
        print(
            f"{name:12} {found['bits_per_s']:8.0f} bits/s: {found['bits']} bits in "
            f"{found['seconds']:.2f} s, {100 * found['errors']:.1f} % of them wrong"
        )


if __name__ == "__main__":
    main()
