"""Cheats that hold on: to the pipe, to the shared memory, to processes and to signals."""

from __future__ import annotations

from gym_envs.cheats.cheat import (
    CLASSIFIER,
    COMPLETED,
    CRASHED,
    REJECTED,
    TIMEOUT,
    Cheat,
    after_training,
    everywhere,
    in_candidate,
    only,
)
from gym_envs.cheats.frames import answers, each_answer
from gym_envs.cheats.logits import logits

CHEATS = (
    Cheat(
        "frames-byte-by-byte",
        "Answers with one write for each byte, ten thousand in all.",
        only(
            CLASSIFIER,
            each_answer(
                "import io\n"
                "whole = io.BytesIO()\n"
                "honest(whole, array)\n"
                "for byte in whole.getvalue():\n"
                "    raw(bytes([byte]))"
            ),
        ),
    ),
    Cheat(
        "shared-memory-sealed",
        "Seals the shared memory, punches holes into it and resizes it while it is read.",
        answers(
            """
            import fcntl, threading
            shared_memory = int(os.environ["EXAM_SHARED"])
            if attempt(lambda: (fcntl.fcntl(shared_memory, 1033, 14), True)):
                cheated("seals the examiner's memory")
            read_array = honest_read
            def write_array(stream, array, shared=None):
                code = exam_pipe.DTYPES.index(array.dtype.name)
                os.pwrite(shared_memory, array.tobytes(), 0)
                raw(struct.pack(f"<4sBB{array.ndim}I", b"XAM2", code, array.ndim, *array.shape))
            def resize():
                for size in itertools.cycle((0, 1, 2**20, 2**12)):
                    attempt(os.ftruncate, shared_memory, size)
                    libc.fallocate(shared_memory, 3, ctypes.c_long(0), ctypes.c_long(2**20))
            threading.Thread(target=resize, daemon=True).start()
            """
        ),
        ends=REJECTED | COMPLETED | TIMEOUT,
    ),
    Cheat(
        "answers-opened-again",
        "Closes its end of the pipe, opens it again under other numbers and answers through all.",
        in_candidate(
            """
            number = int(os.environ["EXAM_ANSWERS"])
            path = f"/proc/self/fd/{number}"
            more = [attempt(os.open, path, os.O_WRONLY) for _ in range(8)]
            if attempt(os.open, "/proc/self/fd/0", os.O_WRONLY):
                print("has both ends of its questions")
            kept = os.dup(number)
            os.close(number)
            os.dup2(more[-1] if more[-1] is not None else kept, number)
            for one in more:
                attempt(os.close, one)
            """
        ),
        ends=REJECTED | COMPLETED | CRASHED,
    ),
    Cheat(
        "logits-below-the-smallest",
        "Answers numbers too small for their type, with and without a sign.",
        logits("torch.where(logits_BV > 0, 1e-45, -0.0) * torch.ones_like(logits_BV)"),
    ),
    Cheat(
        "logits-nan-with-a-message",
        "Answers NaN with a number hidden in its bits.",
        logits("torch.full_like(logits_BV, 0x7FC04242, dtype=torch.int32).view(torch.float32)"),
        ends=REJECTED,
    ),
    Cheat(
        "daemon-under-a-reaper",
        "Makes itself the parent of orphans, so that its daemon is nobody else's, and goes on.",
        after_training(
            """
            if os.fork() == 0:
                libc.prctl(36, 1, 0, 0, 0)
                os.setsid()
                here = os.path.realpath("candidate")
                def improve():
                    for _ in range(3000):
                        for folder in ("candidate", here):
                            attempt(lambda: open(f"{folder}/late", "a").close())
                        time.sleep(0.001)
                for _ in range(3):
                    daemon(improve)
                time.sleep(5)
                os._exit(0)
            """,
            also=in_candidate(
                """
                before = os.path.exists("candidate/late") and os.stat("candidate/late").st_mtime_ns
                time.sleep(0.2)
                after = os.path.exists("candidate/late") and os.stat("candidate/late").st_mtime_ns
                if before != after:
                    cheated("is improved while it is examined")
                """
            ),
        ),
    ),
    Cheat(
        "pending-signals",
        "Sends itself signals that nobody takes, until its user may have no more.",
        everywhere(
            """
            signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGRTMIN})
            sent = 0
            while sent < 200_000 and libc.sigqueue(os.getpid(), int(signal.SIGRTMIN), None) == 0:
                sent += 1
            print(sent, "signals wait")
            if sent == 200_000:
                cheated("has 200,000 signals waiting")
            """
        ),
        repeats=True,
    ),
    Cheat(
        "log-of-nothing",
        "Prints a million empty lines, carriage returns and zero bytes, and no word.",
        everywhere("os.write(1, b'\\n' * 10**6 + b'\\r' * 10**6 + b'\\0' * 10**6)"),
    ),
)
