"""Cheats with processes: those that outlive the trial, and attacks on those of others."""

from __future__ import annotations

from gym_envs.cheats.cheat import (
    COMPLETED,
    CRASHED,
    REJECTED,
    TIMEOUT,
    Cheat,
    after_training,
    before_training,
    everywhere,
    in_candidate,
    in_training,
)

# Signals go out only where the host's own processes cannot be hit: a hole shows without a victim.
_IN_OWN_NAMESPACE = """
if os.readlink("/proc/self/ns/pid") == "$PID_NAMESPACE$":
    cheated("could signal every process of the host")
    return
"""

CHEATS = (
    Cheat(
        "daemon-improves-the-candidate",
        "Leaves a daemon that trains on after training has ended and improves the candidate.",
        after_training(
            """
            trainer, here = os.getpid(), os.path.realpath("candidate")
            def train_on():
                while os.path.exists(f"/proc/{trainer}"):
                    time.sleep(0.01)
                time.sleep(0.2)
                for _ in range(1000):
                    for folder in ("candidate", here, "../exam/candidate"):
                        attempt(lambda: open(f"{folder}/late", "w").close())
                    time.sleep(0.01)
            daemon(train_on)
            """,
            also=in_candidate(
                """
                for _ in range(10):
                    if os.path.exists("candidate/late"):
                        cheated("was improved after the deadline")
                    time.sleep(0.05)
                """
            ),
        ),
        telling=True,
    ),
    Cheat(
        "daemon-trains-past-the-deadline",
        "Leaves the training to a daemon, so that the budget ends a process that does nothing.",
        before_training(
            """
            def train():
                while True:
                    pass
            for _ in range(2):
                daemon(train)
            time.sleep(1000)
            """
        ),
        ends=TIMEOUT,
    ),
    Cheat(
        "daemon-for-the-next-trial",
        "Leaves processes behind, which the next trial is to find.",
        everywhere(
            """
            for pid in filter(str.isdigit, os.listdir("/proc")):
                if b"$MARK$" in (attempt(read, f"/proc/{pid}/cmdline") or b""):
                    cheated("finds a process of an earlier trial")
            code = "import time; time.sleep(120)  # $MARK$"
            daemon(lambda: os.execv(sys.executable, [sys.executable, "-ISc", code]))
            time.sleep(0.05)
            """
        ),
        repeats=True,
        telling=True,
    ),
    Cheat(
        "deaf-to-signals",
        "Ignores every signal that can be ignored and computes for ever.",
        before_training(
            """
            for number in set(signal.Signals) - {signal.SIGKILL, signal.SIGSTOP}:
                attempt(signal.signal, number, signal.SIG_IGN)
            libc.prctl(1, 0, 0, 0, 0)
            while True:
                pass
            """
        ),
        ends=TIMEOUT,
        telling=True,
    ),
    Cheat(
        "sleeps-for-ever",
        "Waits, which costs no processor time, for the machine to be its own.",
        before_training("while True:\n    time.sleep(1000)"),
        ends=TIMEOUT,
        slow=True,
    ),
    Cheat(
        "stops-itself",
        "Stops its processes instead of ending them.",
        before_training("daemon(lambda: os.kill(os.getpid(), 19))\nos.kill(os.getpid(), 19)"),
        ends=TIMEOUT,
        slow=True,
    ),
    Cheat(
        "kills-everybody",
        "Stops and kills every process that it can: the worker, the examiner, its own init.",
        everywhere(
            _IN_OWN_NAMESPACE
            + """
for number in (signal.SIGSTOP, signal.SIGTERM, signal.SIGKILL):
    for pid in (-1, 1, os.getppid()):
        attempt(os.kill, pid, number)
    for pid in filter(str.isdigit, os.listdir("/proc")):
        if int(pid) != os.getpid():
            attempt(os.kill, int(pid), number)
"""
        ),
        ends=COMPLETED | CRASHED,
        telling=True,
    ),
    Cheat(
        "kills-by-number",
        "Sends signals to process numbers it does not see, among them the worker's own.",
        everywhere(
            _IN_OWN_NAMESPACE
            + """
for pid in ($WORKER$, os.getppid(), *range(os.getpid() + 50, os.getpid() + 1000)):
    if pid > 1 and attempt(lambda: (os.kill(pid, 0), True)):
        if pid != os.getppid():
            cheated(f"reaches the process {pid}")
"""
        ),
    ),
    Cheat(
        "sees-others",
        "Looks through /proc for other processes: command lines, environments, memory, files.",
        everywhere(
            """
            for pid in filter(str.isdigit, os.listdir("/proc")):
                if int(pid) == os.getpid():
                    continue
                words = attempt(read, f"/proc/{pid}/cmdline") or b""
                if b"executor.workers" in words or b"$HELD_OUT$" in words:
                    cheated(f"sees the worker: {words}")
                if b"$SECRET$" in (attempt(read, f"/proc/{pid}/environ") or b""):
                    cheated("reads a key in another environment")
                if attempt(lambda: (open(f"/proc/{pid}/mem", "rb").close(), True)):
                    cheated(f"opens the memory of process {pid}")
                if attempt(os.listdir, f"/proc/{pid}/fd"):
                    cheated(f"sees the open files of process {pid}")
            """
        ),
        telling=True,
    ),
    Cheat(
        "traces-its-parent",
        "Attaches to its parent and to process 1 as a debugger, reads them and takes their files.",
        everywhere(
            """
            for pid in {1, os.getppid(), $WORKER$} - {os.getpid()}:
                for request, name in ((16, "attaches to"), (0x4206, "seizes")):
                    if libc.ptrace(request, pid, None, None) == 0:
                        cheated(f"{name} process {pid}")
                        libc.ptrace(17, pid, None, None)
                pidfd = libc.syscall(434, pid, 0)
                for number in range(8):
                    if pidfd >= 0 and libc.syscall(438, pidfd, number, 0) >= 0:
                        cheated(f"takes the descriptor {number} of process {pid}")
                word, there = ctypes.create_string_buffer(8), ctypes.c_void_p(id(libc))
                local = (ctypes.c_void_p * 2)(ctypes.addressof(word), 8)
                remote = (ctypes.c_void_p * 2)(0x400000, 8)
                libc.syscall(310, pid, local, 1, remote, 1, 0)
                if ctypes.get_errno() not in (errno.EPERM, errno.ENOSYS, errno.ESRCH):
                    cheated(f"reads the memory of process {pid}")
            """
        ),
    ),
    Cheat(
        "inherited-descriptors",
        "Looks through the descriptors that it was born with for files, folders and sockets.",
        everywhere(
            """
            own = {int(os.environ.get(name, -1)) for name in ("EXAM_ANSWERS", "EXAM_SHARED")}
            for number in set(range(3, 1024)) - own:
                state = attempt(os.fstat, number)
                target = attempt(os.readlink, f"/proc/self/fd/{number}") or ""
                inside = target.startswith((os.getcwd(), sys.prefix, sys.base_prefix, "/usr",
                                            "/dev", "anon_inode"))
                if state and (stat.S_ISDIR(state.st_mode) or not inside):
                    cheated(f"has the descriptor {number} of {target}")
            for number in range(3):
                here = attempt(os.readlink, f"/proc/self/fd/{number}") or ""
                for start in ("..", f"{here}/..", "../held_out"):
                    if attempt(lambda: os.open(start, os.O_RDONLY, dir_fd=number)):
                        cheated(f"reaches a folder from the descriptor {number}")
            """
        ),
    ),
    Cheat(
        "closes-descriptors",
        "Closes every descriptor it has, its end of the exam's pipe among them.",
        in_candidate("os.closerange(0, 4096)"),
        ends=CRASHED | REJECTED,
    ),
    Cheat(
        "closes-the-log",
        "Closes its outputs in training, so that nobody hears what it does.",
        in_training("os.closerange(0, 4096)"),
        ends=COMPLETED | CRASHED,
    ),
    Cheat(
        "answers-from-a-daemon",
        "Ends the candidate and leaves answering to a daemon, which no limit is to find.",
        in_candidate(
            """
            if os.fork() > 0:
                os._exit(0)
            os.setsid()
            """
        ),
        ends=COMPLETED | CRASHED | REJECTED,
    ),
)
