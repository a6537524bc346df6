"""Cheats that leave something for the next process: the candidate of the trial, or the next trial.

Each looks for what it has left before it leaves it again; both its trials and all four of its
processes run the same code.
"""

from __future__ import annotations

from gym_envs.cheats.cheat import Cheat, everywhere

CHEATS = (
    Cheat(
        "left-in-files",
        "Leaves notes in every folder that outlives a process elsewhere.",
        everywhere(
            """
            home, small = os.path.expanduser("~"), os.environ.get("TMPDIR", "/tmp")
            places = ("/tmp", "/var/tmp", "/dev/shm", "/run", "/run/lock", "/dev/mqueue",
                      "/ideator", "..", "../..", ".", home, small)
            for place in places:
                if attempt(os.stat, f"{place}/$MARK$"):
                    cheated(f"finds a note in {place}")
            for place in places:
                attempt(lambda: open(f"{place}/$MARK$", "w").close())
            """
        ),
        repeats=True,
        telling=True,
    ),
    Cheat(
        "left-in-keyrings",
        "Leaves a note in the kernel's key rings of the user, the session and the process.",
        everywhere(
            """
            if os.uname().machine != "x86_64":
                return
            add, search, keyctl = 248, 10, 250
            for ring in (-4, -5, -3, -2):
                if libc.syscall(keyctl, search, ring, b"user", b"$MARK$", 0) >= 0:
                    cheated(f"finds a note in the key ring {ring}")
            for ring in (-4, -5, -3):
                if libc.syscall(add, b"user", b"$MARK$", b"note", 4, ring) >= 0:
                    print(f"left a note in the key ring {ring}")
            if b"$MARK$" in (attempt(read, "/proc/keys") or b""):
                cheated("keeps notes in the key rings")
            """
        ),
        repeats=True,
        telling=True,
    ),
    Cheat(
        "left-in-shared-memory",
        "Leaves System V shared memory, semaphores and messages.",
        everywhere(
            """
            key = $KEY$
            calls = {"shmget": (key, 4096, 0), "semget": (key, 1, 0), "msgget": (key, 0)}
            for name, words in calls.items():
                if getattr(libc, name)(*words) >= 0:
                    cheated(f"finds what an earlier process left with {name}")
            create = 0o1666
            libc.shmget(key, 4096, create), libc.semget(key, 1, create), libc.msgget(key, create)
            """
        ),
        repeats=True,
        telling=True,
    ),
    Cheat(
        "left-in-posix-memory",
        "Leaves POSIX shared memory, semaphores and message queues.",
        everywhere(
            """
            rt = attempt(ctypes.CDLL, "librt.so.1") or libc
            for name, words in (("shm_open", (b"/$MARK$", 2, 0)),
                                ("mq_open", (b"/$MARK$", 2))):
                if getattr(rt, name)(*words) >= 0:
                    cheated(f"finds what an earlier process left with {name}")
            rt.shm_open(b"/$MARK$", 0o102, 0o666)
            rt.mq_open(b"/$MARK$", 0o102, 0o666, None)
            """
        ),
        repeats=True,
    ),
    Cheat(
        "left-in-the-kernel",
        "Leaves notes in what all processes of a machine share: host name, locks, its priority.",
        everywhere(
            """
            if socket.gethostname() == "$MARK$":
                cheated("finds its host name")
            name = b"$MARK$"
            if libc.sethostname(name, len(name)) == 0:
                print("changed the host name")
            import fcntl
            for path in ("/dev/null", "/usr", sys.executable, "train.py"):
                def lock():
                    descriptor = os.open(path, os.O_RDONLY)
                    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    if path == "train.py":
                        daemon(lambda: time.sleep(60))
                try:
                    lock()
                except BlockingIOError:
                    if path == "train.py":
                        cheated("finds a lock of an earlier process")
                except OSError:
                    pass
            """
        ),
        repeats=True,
    ),
)
