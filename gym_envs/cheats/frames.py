"""Cheats on the examination's protocol: malformed, early, double and endless answers."""

from __future__ import annotations

from textwrap import dedent

from gym_envs.cheats.cheat import (
    COMPLETED,
    CRASHED,
    REJECTED,
    TIMEOUT,
    Changes,
    Cheat,
    in_candidate,
)


def answers(code: str) -> Changes:
    """Patches the candidate's end of the pipe: `code` redefines `write_array` or `read_array`.

    `raw(data)` writes bytes as they are; `count` says how many answers went out before.
    """
    return in_candidate(
        f"""
import exam_pipe, numpy as np
honest, honest_read, count = exam_pipe.write_array, exam_pipe.read_array, itertools.count()
def raw(data):
    exam_pipe._answers.write(data)
    exam_pipe._answers.flush()
{dedent(code)}
exam_pipe.write_array, exam_pipe.read_array = write_array, read_array
"""
    )


def each_answer(body: str) -> Changes:
    lines = "".join(f"    {line}\n" for line in body.strip().splitlines())
    return answers(
        f"read_array = honest_read\ndef write_array(stream, array, shared=None):\n{lines}"
    )


CHEATS = (
    Cheat(
        "wrong-shape",
        "Answers with one row more than was asked for.",
        each_answer("honest(stream, np.concatenate([array, array[:1]]) if len(array) else array)"),
        ends=REJECTED,
        telling=True,
    ),
    Cheat(
        "too-few-answers",
        "Answers only the first half of each question.",
        each_answer("honest(stream, array[: len(array) // 2])"),
        ends=REJECTED,
    ),
    Cheat(
        "wrong-dtype",
        "Answers with numbers of another type.",
        each_answer("honest(stream, array.astype(np.float64))"),
        ends=REJECTED,
    ),
    Cheat(
        "malformed-frames",
        "Answers with a frame of an unknown type and two hundred dimensions.",
        each_answer('raw(b"XAM1" + bytes([99, 200]) + bytes(1000))'),
        ends=REJECTED,
    ),
    Cheat(
        "no-frame",
        "Answers with a pickle and text instead of a frame.",
        each_answer("import pickle\nraw(pickle.dumps(array) + b'accuracy 1.0')"),
        ends=REJECTED,
    ),
    Cheat(
        "huge-frame",
        "Announces a frame of terabytes, for which the examiner is to make room.",
        each_answer('raw(b"XAM1" + struct.pack("<BB3I", 2, 3, 2**31, 2**10, 2**3))'),
        ends=REJECTED,
    ),
    Cheat(
        "overflowing-frame",
        "Announces dimensions whose product overflows into a small number.",
        each_answer('raw(b"XAM1" + struct.pack("<BB4I", 2, 4, *[2**31] * 4))'),
        ends=REJECTED,
    ),
    Cheat(
        "whispers-a-size",
        "Puts what it was asked into the size of its answer, to be read in the reason.",
        each_answer('raw(b"XAM1" + struct.pack("<BB4I", 2, 4, *[4242424242] * 4))'),
        ends=REJECTED | CRASHED,
    ),
    Cheat(
        "whispers-a-shape",
        "Puts what it was asked into the shape of an empty answer, to be read in the reason.",
        each_answer('raw(b"XAM1" + struct.pack("<BB2I", 2, 2, 0, 4242424242))'),
        ends=REJECTED | CRASHED,
    ),
    Cheat(
        "flooded-pipe",
        "Answers the first question with a gigabyte of noise.",
        each_answer("for _ in range(1024):\n    raw(bytes(2**20))"),
        ends=REJECTED,
    ),
    Cheat(
        "half-a-frame",
        "Answers with half a frame and ends.",
        each_answer('raw(b"XAM1" + struct.pack("<BBI", 2, 1, len(array)))\nos._exit(0)'),
        ends=REJECTED | CRASHED,
    ),
    Cheat(
        "half-a-frame-and-silence",
        "Answers with half a frame and waits for ever.",
        each_answer('raw(b"XAM1" + struct.pack("<BBI", 2, 1, 10**6))\ntime.sleep(1000)'),
        ends=TIMEOUT | REJECTED,
        slow=True,
    ),
    Cheat(
        "shared-memory-empty",
        "Says that its answer lies in the shared memory, and takes the memory away.",
        each_answer(
            'os.ftruncate(int(os.environ["EXAM_SHARED"]), 0)\n'
            "code = exam_pipe.DTYPES.index(array.dtype.name)\n"
            'raw(struct.pack(f"<4sBB{array.ndim}I", b"XAM2", code, array.ndim, *array.shape))'
        ),
        ends=REJECTED | COMPLETED,
    ),
    Cheat(
        "shared-memory-flickering",
        "Goes on changing the shared memory, from valid to invalid numbers, while it is checked.",
        answers(
            """
            import threading
            shared_memory = int(os.environ["EXAM_SHARED"])
            read_array = honest_read
            def write_array(stream, array, shared=None):
                code = exam_pipe.DTYPES.index(array.dtype.name)
                os.pwrite(shared_memory, array.tobytes(), 0)
                raw(struct.pack(f"<4sBB{array.ndim}I", b"XAM2", code, array.ndim, *array.shape))
            def flicker():
                while True:
                    os.pwrite(shared_memory, b"\\xff" * 64, 0)
            threading.Thread(target=flicker, daemon=True).start()
            """
        ),
        ends=REJECTED | COMPLETED,
    ),
    Cheat(
        "two-answers",
        "Answers every question twice.",
        each_answer("honest(stream, array)\nhonest(stream, array)"),
        ends=REJECTED | COMPLETED,
    ),
    Cheat(
        "answers-before-the-question",
        "Writes a hundred answers before it has seen a question.",
        in_candidate(
            """
            import exam_pipe, numpy as np
            def write_ahead():
                with os.fdopen(os.dup(int(os.environ["EXAM_ANSWERS"])), "wb") as stream:
                    for _ in range(10):
                        exam_pipe.write_array(stream, np.zeros(256, np.int64))
            write_ahead()
            """
        ),
        ends=REJECTED | COMPLETED,
    ),
)
