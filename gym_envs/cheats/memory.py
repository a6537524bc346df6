"""Cheats on memory: more of it than allotted, where nobody might look.

Each stops by itself at twice the limit, so that a hole costs nobody a machine.
"""

from __future__ import annotations

from gym_envs.cheats.cheat import COMPLETED, CRASHED, TIMEOUT, Cheat, everywhere, in_candidate

_STOPPED = COMPLETED | CRASHED | TIMEOUT

CHEATS = (
    Cheat(
        "memory-heap",
        "Takes twice the memory that it may have.",
        in_candidate(
            """
            kept = [b"x" * 2**24 for _ in range(2 * $MEMORY$ // 2**24)]
            cheated(f"has {len(kept) * 16} MiB of memory")
            """
        ),
        ends=_STOPPED,
        telling=True,
    ),
    Cheat(
        "memory-of-children",
        "Spreads its memory over children, none of which takes more than its share.",
        in_candidate(
            """
            pipes, children = [os.pipe() for _ in range(4)], []
            for _, writer in pipes:
                if (child := os.fork()) == 0:
                    kept = b"x" * int(0.6 * $MEMORY$)
                    os.write(writer, b"x")
                    time.sleep(60)
                    os._exit(0)
                children.append(child)
            import select
            waiting, until = {reader for reader, _ in pipes}, time.monotonic() + 8
            while waiting and time.monotonic() < until:
                if os.waitpid(-1, os.WNOHANG)[0]:
                    break
                waiting -= set(select.select(waiting, [], [], 0.05)[0])
            time.sleep(0.2)
            running = lambda child: attempt(os.waitpid, child, os.WNOHANG) == (0, 0)
            alive = list(filter(running, children))
            for child in alive:
                os.kill(child, signal.SIGKILL)
            # one that is still filling its share has not got it
            if len(alive) == 4 and not waiting:
                cheated("has more than twice its memory in children")
            """
        ),
        ends=_STOPPED,
    ),
    Cheat(
        "memory-mapped",
        "Maps shared memory without a file and fills it.",
        in_candidate(
            """
            import mmap
            kept = []
            for _ in range(2 * $MEMORY$ // 2**26):
                kept.append(mmap.mmap(-1, 2**26, flags=mmap.MAP_SHARED | mmap.MAP_ANONYMOUS))
                kept[-1].write(b"x" * 2**26)
            cheated("has twice its memory in shared mappings")
            """
        ),
        ends=_STOPPED,
    ),
    Cheat(
        "memory-files",
        "Fills files that lie in memory and have no name.",
        in_candidate(
            """
            kept, block = [], b"x" * 2**24
            for _ in range(2 * $MEMORY$ // 2**24):
                kept.append(os.memfd_create("cheat"))
                if os.write(kept[-1], block) != len(block):
                    raise MemoryError
            cheated("has twice its memory in nameless files")
            """
        ),
        ends=_STOPPED,
    ),
    Cheat(
        "memory-locked",
        "Locks its memory so that it cannot be swapped out, and raises its own limits.",
        everywhere(
            """
            import resource
            for kind in ("AS", "DATA", "NPROC", "NOFILE", "FSIZE", "CPU", "CORE", "MEMLOCK"):
                number = getattr(resource, f"RLIMIT_{kind}")
                soft, hard = resource.getrlimit(number)
                if hard != resource.RLIM_INFINITY:
                    for value in (hard + 1, resource.RLIM_INFINITY):
                        if attempt(lambda: (resource.setrlimit(number, (soft, value)), True)):
                            cheated(f"raises its limit on {kind}")
            """
        ),
    ),
)
