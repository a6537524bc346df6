"""Cheats on warm starts: what the server of which a trial is a fork could leave in its reach."""

from __future__ import annotations

from gym_envs.cheats.cheat import Cheat, everywhere

CHEATS = (
    Cheat(
        "asks-for-a-fork-of-its-own",
        "Looks for the socket on which the server is asked for forks, and for other open ends.",
        everywhere(
            """
            known = {int(os.environ.get(name, 0)) for name in ("EXAM_ANSWERS", "EXAM_SHARED")}
            for number in {*range(3, 1024)} - known:
                mode = getattr(attempt(os.fstat, number), "st_mode", 0)
                if stat.S_ISSOCK(mode):
                    cheated(f"holds the socket {number}")
                    here = socket.socket(fileno=os.dup(number))
                    attempt(socket.send_fds, here, [b"?"], [1, 1, 1, 1])
                if stat.S_ISFIFO(mode):
                    cheated(f"holds the pipe {number}")
            """
        ),
        telling=True,
    ),
    Cheat(
        "reads-the-process-that-it-came-from",
        "Reads the memory, files and variables of its parent and of the first process of its box.",
        everywhere(
            """
            for pid in {1, os.getppid()} - {os.getpid()}:
                for name in ("mem", "environ", "maps"):
                    if attempt(read, f"/proc/{pid}/{name}", 1):
                        cheated(f"reads {name} of process {pid}")
                if attempt(os.listdir, f"/proc/{pid}/fd"):
                    cheated(f"sees the descriptors of process {pid}")
                local, remote = ctypes.create_string_buffer(8), id(None)
                pair = lambda place: (ctypes.c_size_t * 2)(place, 8)
                theirs, ours = pair(remote), pair(ctypes.addressof(local))
                if libc.process_vm_readv(pid, ours, 1, theirs, 1, 0) > 0:
                    cheated(f"reads the memory of process {pid} by a call")
                if libc.ptrace(16, pid, 0, 0) == 0:
                    cheated(f"traces process {pid}")
            """
        ),
    ),
)
