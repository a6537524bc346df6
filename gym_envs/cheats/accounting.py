"""Cheats on the accounts: memory and processor time where nobody might count them.

Each stops by itself some way beyond its limit, so that a hole costs nobody a machine.
"""

from __future__ import annotations

from gym_envs.cheats.cheat import (
    COMPLETED,
    CRASHED,
    TIMEOUT,
    Cheat,
    in_candidate,
    in_training,
)

_STOPPED = COMPLETED | CRASHED | TIMEOUT

CHEATS = (
    Cheat(
        "memory-in-sockets",
        "Keeps what it has no memory for in the buffers of sockets that nobody reads.",
        in_candidate(
            """
            pairs, held, block = [], 0, bytes(2**16)
            try:
                while held < 2 * $MEMORY$:
                    pairs.append(socket.socketpair())
                    for one in pairs[-1]:
                        one.setblocking(False)
                        while sent := attempt(one.send, block):
                            held += sent
                cheated(f"has {held / 2**20:.0f} MiB in sockets")
            finally:
                print(f"{held / 2**20:.0f} MiB in {len(pairs)} pairs of sockets")
            """
        ),
        ends=_STOPPED,
    ),
    Cheat(
        "memory-in-pipes",
        "Keeps what it has no memory for in pipes, as large as they get, in many processes.",
        in_candidate(
            """
            import fcntl
            reader, writer = os.pipe()
            for _ in range(20):
                if os.fork() == 0:
                    pipes, held = [], 0
                    while pair := attempt(os.pipe):
                        pipes.append(pair)
                        attempt(fcntl.fcntl, pair[1], 1031, 2**20)
                        os.set_blocking(pair[1], False)
                        while sent := attempt(os.write, pair[1], bytes(2**16)):
                            held += sent
                    os.write(writer, struct.pack("Q", held))
                    time.sleep(3)
                    os._exit(0)
            os.close(writer)
            held = 0
            while len(told := os.read(reader, 8)) == 8:
                held += struct.unpack("Q", told)[0]
                if held > 2 * $MEMORY$:
                    cheated(f"has {held / 2**20:.0f} MiB in pipes")
                    break
            """
        ),
        ends=_STOPPED,
        slow=True,
    ),
    Cheat(
        "memory-in-page-tables",
        "Touches one page in each of thousands of regions, so that the kernel keeps tables.",
        in_candidate(
            """
            import mmap
            size, step, tables = 2**44, 2**21, 0
            region = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | 0x4000,
                               prot=mmap.PROT_READ)
            while tables * 4096 < 2 * $MEMORY$:
                region[tables * step]
                tables += 1
            cheated("has twice its memory in tables of pages")
            """
        ),
        ends=_STOPPED,
    ),
    Cheat(
        "memory-in-attributes",
        "Keeps what it has neither memory nor disk for in attributes of empty files.",
        in_candidate(
            """
            held, block = 0, os.urandom(2**15)
            for number in range(2 * max($MEMORY$, $DISK$) // len(block)):
                path = f"attributes-{number}"
                os.close(os.open(path, os.O_CREAT | os.O_WRONLY))
                os.setxattr(path, "user.cheat", block)
                held += len(block)
            cheated(f"has {held / 2**20:.0f} MiB in attributes")
            """
        ),
        ends=_STOPPED,
    ),
    Cheat(
        "memory-in-huge-pages",
        "Takes huge pages, which have an account of their own.",
        in_candidate(
            """
            import mmap
            kept = []
            for flags in (0x40000, 0x40000 | 21 << 26, 0x40000 | 30 << 26):
                size = 2**30 if flags >> 26 == 30 else 2**21
                kept.append(attempt(lambda: mmap.mmap(
                    -1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | flags)))
                descriptor = attempt(os.memfd_create, "cheat", 4 | flags >> 26 << 26)
                if descriptor is not None:
                    kept.append(attempt(lambda: (os.ftruncate(descriptor, size),
                                                 mmap.mmap(descriptor, size))[1]))
            for region in filter(None, kept):
                region[0] = 1
                cheated("has huge pages")
            """
        ),
        ends=_STOPPED,
    ),
    Cheat(
        "memory-in-flight",
        "Sends files in memory to itself and closes them: no process has them open any more.",
        in_candidate(
            """
            here, there = socket.socketpair()
            held, block = 0, bytes(2**24)
            while held < 2 * $MEMORY$:
                file = os.memfd_create("cheat")
                held += os.write(file, block)
                socket.send_fds(here, [b"x"], [file])
                os.close(file)
                time.sleep(0.01)
            cheated(f"has {held / 2**20:.0f} MiB in flight")
            """
        ),
        ends=_STOPPED,
    ),
    Cheat(
        "processor-of-the-short-lived",
        "Computes in a storm of children, none of which lives until anybody looks.",
        in_training(
            """
            signal.signal(signal.SIGCHLD, signal.SIG_IGN)
            reader, writer = os.pipe()
            for _ in range(int(3 * $SECONDS$ / 0.02)):
                if os.fork() == 0:
                    began = time.process_time()
                    while time.process_time() - began < 0.02:
                        pass
                    os.write(writer, b"x")
                    os._exit(0)
                os.read(reader, 1)
            cheated("has computed for three times its budget")
            """
        ),
        ends=TIMEOUT,
        needs_group=True,
    ),
    Cheat(
        "processor-between-ticks",
        "Sleeps whenever the clock ticks, so that an account by ticks finds it asleep.",
        in_training(
            """
            tick = 0.004
            began = time.thread_time()
            while time.thread_time() - began < 2 * $SECONDS$:
                until = time.monotonic() // tick * tick + 0.8 * tick
                while time.monotonic() < until:
                    pass
                time.sleep(0.4 * tick)
            cheated("has computed for twice its budget")
            """
        ),
        ends=TIMEOUT,
        slow=True,
    ),
)
