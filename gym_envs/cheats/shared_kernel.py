"""Cheats through what all boxes share in one kernel: inodes of the system, page cache, counters.

Where one box can change such a thing and another can see it, a candidate under examination can tell
a training run the questions. Each cheat tries both ends in one box: whatever answers is a channel.
"""

from __future__ import annotations

from gym_envs.cheats.cheat import Cheat, everywhere

# Files that every box sees, as descriptors, and the numbers of calls that Python does not know.
_SHARED = """
import fcntl, mmap
if os.uname().machine != "x86_64":
    return
paths = ("/usr/bin/env", os.path.realpath(sys.executable), "/dev/null")
shared = {path: os.open(path, os.O_RDONLY) for path in paths}
word, size = ctypes.create_string_buffer(4096), 1 << 14
def answers(number, *words):
    return libc.syscall(number, *words) >= 0
"""

CHEATS = (
    Cheat(
        "locks-shared-files",
        "Takes locks and leases on files that every box sees, and asks who else has some.",
        everywhere(
            _SHARED
            + """
for path, file in shared.items():
    if attempt(lambda: (fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB), True)):
        cheated(f"has a flock on {path}")
    if attempt(lambda: (fcntl.lockf(file, fcntl.LOCK_SH | fcntl.LOCK_NB, 1, 7), True)):
        cheated(f"has a record lock on {path}")
    # struct flock: kind, whence, start, length, process
    request = struct.pack("hhxxxxqqixxxx", fcntl.F_RDLCK, 0, 7, 1, 0)
    # both kinds of record locks asked for and taken, a lease, news of a folder, a hint on writes
    for command, words in ((5, request), (36, request), (37, request), (1024, 0), (1025, 0),
                           (1026, 4), (1035, bytes(8))):
        if attempt(lambda: (fcntl.fcntl(file, command, words), True)):
            cheated(f"reaches the command {command} of fcntl on {path}")
"""
        ),
        telling=True,
    ),
    Cheat(
        "watches-shared-files",
        "Asks the kernel for news of what other boxes do with files that all of them see.",
        everywhere(
            _SHARED
            + """
for number in (253, 294):
    watcher = libc.syscall(number, 0)
    if watcher >= 0:
        for path in (*paths, "/usr/bin", "/"):
            if answers(254, watcher, path.encode(), 0xFFF):
                cheated(f"watches {path}")
if answers(300, 0x200, 0):
    cheated("has a fanotify group")
"""
        ),
    ),
    Cheat(
        "asks-the-page-cache",
        "Sets and reads which pages of the system's files are in memory, by every call for that.",
        everywhere(
            _SHARED
            + """
file = shared[paths[1]]
memory = mmap.mmap(file, size, prot=mmap.PROT_READ)
libc.mmap.restype = ctypes.c_void_p
start = ctypes.c_void_p(libc.mmap(None, size, 1, 2, file, 0))
part = (ctypes.c_uint64 * 2)(ctypes.addressof(word), 4096)
span = (ctypes.c_uint64 * 2)(0, size)
if answers(27, start, size, word):
    cheated("asks mincore")
if answers(327, file, part, 1, 0, 0, 8) or answers(327, file, part, 1, 0, 0, 0x80):
    cheated("reads what is in memory only, or past it")
if answers(451, file, span, word, 0):
    cheated("asks cachestat")
for advice in range(6):
    if answers(221, file, 0, 0, advice):
        cheated(f"gives the advice {advice} on a file")
if answers(187, file, 0, size) or answers(277, file, 0, size, 2):
    cheated("fills or flushes the cache")
# random and sequential access, soon to be used, merging, cold, out, read in, collapsed
for advice in (1, 2, 3, 12, 20, 21, 22, 25):
    if answers(28, start, size, advice):
        cheated(f"gives the advice {advice} on a mapping")
    if answers(440, attempt(os.pidfd_open, os.getpid()) or 0, part, 1, advice, 0):
        cheated(f"gives the advice {advice} on a process")
if answers(279, 0, 1, (ctypes.c_void_p * 1)(start), None, word, 0):
    cheated("asks where its pages are")
"""
        ),
        telling=True,
    ),
    Cheat(
        "takes-the-slots-of-the-machine",
        "Takes the machine's slots for asynchronous reads and writes, of which there are few.",
        everywhere(
            _SHARED
            + """
if answers(206, 1024, word):
    cheated("has slots of aio")
if answers(425, 8, word):
    cheated("has an io_uring")
"""
        ),
        telling=True,
    ),
    Cheat(
        "asks-about-shared-inodes",
        "Asks for flags, versions and blocks of files that every box sees.",
        everywhere(
            _SHARED
            + """
for path, file in shared.items():
    for request in (0x80086601, 0xC020660B, 0x80087601, 0x801C581F, 0x80111500, 0x6612):
        if answers(16, file, ctypes.c_ulong(request), word):
            cheated(f"reaches the request {request:x} on {path}")
if answers(303, -100, b"/usr/bin/env", word, word, 0) or ctypes.get_errno() == errno.EOVERFLOW:
    cheated("has a handle of a file")
"""
        ),
    ),
    Cheat(
        "counts-the-machine",
        "Looks for numbers of the whole machine that change while it works.",
        everywhere(
            """
            word = ctypes.create_string_buffer(4096)
            if libc.sysinfo(word) == 0:
                cheated("knows memory and processes of the machine")
            def numbers():
                found = {}
                for folder, folders, names in os.walk("/proc"):
                    if folder == "/proc":
                        # its own processes, and what belongs to their namespaces
                        folders[:] = {name for name in folders if not name.isdigit()} - {
                            "self", "thread-self", "net", "sysvipc"}
                    for name in names:
                        if name not in ("mounts", "kmsg", "kcore"):
                            path = f"{folder}/{name}"
                            found[path] = attempt(read, path, 1 << 14) or b""
                return found
            before = numbers()
            files = [open("/dev/null") for _ in range(200)]
            memory = bytearray(10**7)
            subprocess.run(["true"])
            after = numbers()
            for path, text in after.items():
                if before.get(path, text) != text:
                    cheated(f"sees {path} change")
            """
        ),
        telling=True,
    ),
    Cheat(
        "other-copies-by-the-loader",
        "Looks for copies of held-out data where variables tell the loader and CUDA to look.",
        everywhere(
            """
            for name in ("LD_LIBRARY_PATH", "CUDA_HOME"):
                for folder in filter(None, os.environ.get(name, "").split(":")):
                    for place, _, names in os.walk(folder):
                        if {"labels.npy", "held_out.bin"} & set(names):
                            use(place)
                        if "os.py" in names:
                            cheated(f"sees another Python in {place}")
            """
        ),
    ),
)
