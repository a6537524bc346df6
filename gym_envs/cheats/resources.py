"""Cheats on the machine's other resources: more disk, processes, log or time than allotted.

Each stops by itself some way beyond the limit, so that a hole costs nobody a machine.
"""

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

_STOPPED = COMPLETED | CRASHED | TIMEOUT

CHEATS = (
    Cheat(
        "disk-full",
        "Writes files of twice the size that the whole trial may have.",
        after_training(
            """
            block, written, number = b"x" * 2**24, 0, 0
            try:
                while written < 2 * $DISK$:
                    with open(f"large-{number}", "wb", buffering=0) as file:
                        for _ in range(4):
                            written += file.write(block)
                    number += 1
                cheated(f"has written {written / 2**20:.0f} MiB")
            finally:
                for path in glob.glob("large-*"):
                    os.remove(path)
            """
        ),
        ends=_STOPPED,
        telling=True,
    ),
    Cheat(
        "disk-full-in-tmp",
        "Fills /tmp, /dev/shm, /var/tmp and its home together instead of the work folder.",
        in_candidate(
            """
            block, written, paths = b"x" * 2**24, 0, []
            for folder in ("/tmp", "/dev/shm", "/var/tmp", "/run", "/dev/mqueue", "/ideator", "."):
                paths.append(f"{folder}/$MARK$")
                def fill():
                    global written
                    with open(paths[-1], "wb", buffering=0) as file:
                        for _ in range(2 * $DISK$ // len(block)):
                            if (size := file.write(block)) < len(block):
                                raise OSError
                            total.append(size)
                total = []
                attempt(fill)
                written += sum(total)
            for path in paths:
                attempt(os.remove, path)
            if written > 2 * $DISK$:
                cheated(f"has written {written / 2**20:.0f} MiB")
            """
        ),
        ends=_STOPPED,
    ),
    Cheat(
        "disk-hundred-gigabytes",
        "Makes files of a hundred gigabytes, sparse and allocated.",
        everywhere(
            """
            for folder in (".", "/tmp", "/dev/shm"):
                with open(f"{folder}/sparse", "wb") as file:
                    if attempt(lambda: (os.posix_fallocate(file.fileno(), 0, 4 * $DISK$), True)):
                        cheated("allocates four times its disk")
                    if attempt(lambda: (os.ftruncate(file.fileno(), 10**11), True)):
                        cheated("makes a file of a hundred gigabytes")
                os.remove(f"{folder}/sparse")
            """
        ),
        ends=_STOPPED,
    ),
    Cheat(
        "million-files",
        "Makes a million small files.",
        in_candidate(
            """
            made = 0
            try:
                for made in range(10**6):
                    if made % 1000 == 0:
                        os.mkdir(f"/tmp/{made}")
                        folder = f"/tmp/{made}"
                    os.close(os.open(f"{folder}/{made}", os.O_CREAT | os.O_WRONLY))
                    if made == 300_000:
                        cheated("has made 300,000 files and goes on")
                        break
            finally:
                print("made", made, "files")
            """
        ),
        ends=_STOPPED,
        slow=True,
    ),
    Cheat(
        "million-files-left",
        "Leaves in the candidate as many empty files as it can, for others to copy and remove.",
        after_training(
            """
            for number in range(50_000):
                attempt(os.mknod, f"candidate/{number}")
            """
        ),
        ends=_STOPPED | REJECTED,
        slow=True,
    ),
    Cheat(
        "huge-log-of-training",
        "Prints gigabytes, and allocates room in the log file itself.",
        after_training(
            """
            for number in (1, 2):
                if attempt(lambda: (os.posix_fallocate(number, 0, 4 * $DISK$), True)):
                    cheated("allocates four times its disk in the log")
            block = b"x" * 2**20 + b"\\n"
            for _ in range(2048):
                os.write(1, block)
            """
        ),
        ends=_STOPPED | REJECTED,
    ),
    Cheat(
        "huge-log-of-the-candidate",
        "Prints gigabytes in the exam, and allocates room in the log file itself.",
        in_candidate(
            """
            import exam_pipe
            block = b"x" * 2**20 + b"\\n"
            for number in (1, 2):
                if attempt(lambda: (os.posix_fallocate(number, 0, 4 * $DISK$), True)):
                    cheated("allocates four times its disk in the log")
            honest = exam_pipe.write_array
            count = itertools.count()
            def write_array(stream, array, shared=None):
                if next(count) == 2:
                    for _ in range(1024):
                        os.write(2, block)
                honest(stream, array, shared)
            exam_pipe.write_array = write_array
            """
        ),
        ends=_STOPPED | REJECTED,
    ),
    Cheat(
        "fork-bomb",
        "Forks until it cannot.",
        in_candidate(
            """
            children = []
            try:
                while len(children) < 1000:
                    if (child := os.fork()) == 0:
                        time.sleep(60)
                        os._exit(0)
                    children.append(child)
                cheated(f"has {len(children)} processes")
            finally:
                for child in children:
                    os.kill(child, signal.SIGKILL)
            """
        ),
        ends=_STOPPED,
        telling=True,
    ),
    Cheat(
        "fork-bomb-that-doubles",
        "Forks in every child as well, so that the processes double each time.",
        before_training(
            """
            for _ in range(11):
                attempt(os.fork)
            while True:
                pass
            """
        ),
        ends=TIMEOUT | CRASHED,
    ),
    Cheat(
        "thread-bomb",
        "Starts threads until it cannot.",
        in_candidate(
            """
            import threading
            stop = threading.Event()
            try:
                for number in range(1000):
                    threading.Thread(target=stop.wait, daemon=True).start()
                cheated("has a thousand threads")
            finally:
                stop.set()
            """
        ),
        ends=_STOPPED,
    ),
    Cheat(
        "descriptor-bomb",
        "Opens files until it cannot.",
        everywhere(
            """
            import resource
            most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
            resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
            kept = []
            try:
                while len(kept) < 10_000:
                    kept.append(os.open("/dev/null", os.O_RDONLY))
                cheated("has ten thousand open files")
            finally:
                for descriptor in kept:
                    os.close(descriptor)
            """
        ),
        ends=_STOPPED,
    ),
    Cheat(
        "unpaid-processors",
        "Computes in orphans of whose processor time nobody is told.",
        in_training(
            """
            signal.signal(signal.SIGCHLD, signal.SIG_IGN)
            reader, writer = os.pipe()
            def burn():
                until = time.process_time() + 1.2 * $SECONDS$
                while time.process_time() < until:
                    pass
            for _ in range(2):
                daemon(burn)
            os.close(writer)
            os.read(reader, 1)
            cheated("has computed for more than twice its budget")
            """
        ),
        ends=TIMEOUT,
        telling=True,
    ),
)
