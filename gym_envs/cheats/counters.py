"""Cheats on counters of the kernel that all boxes move: numbers that tell what others do."""

from __future__ import annotations

from gym_envs.cheats.cheat import Cheat, everywhere

CHEATS = (
    Cheat(
        "counts-processes-by-descriptors",
        "Asks for descriptors of processes, whose numbers count all that the machine has started.",
        everywhere(
            """
            if os.uname().machine != "x86_64":
                return
            def child():
                if (pid := os.fork()) == 0:
                    time.sleep(1)
                    os._exit(0)
                return pid
            def opened():
                pid = child()
                yield libc.syscall(434, pid, 0)
                os.kill(pid, signal.SIGKILL)
                os.waitpid(pid, 0)
            def cloned():
                number = ctypes.c_int(-1)
                if (pid := libc.syscall(56, 0x1000 | 17, 0, ctypes.byref(number), 0, 0)) == 0:
                    os._exit(0)
                if pid > 0:
                    os.waitpid(pid, 0)
                yield number.value
            def of_a_peer():
                here, there = socket.socketpair()
                yield struct.unpack("i", here.getsockopt(socket.SOL_SOCKET, 77, 4))[0]
            def number(way):
                for descriptor in way():
                    if descriptor >= 0:
                        inode = os.fstat(descriptor).st_ino
                        os.close(descriptor)
                        return inode
            for way in (opened, cloned, of_a_peer):
                before = attempt(number, way)
                for _ in range(10):
                    os.waitpid(child_pid := child(), os.WNOHANG)
                    os.kill(child_pid, signal.SIGKILL)
                    os.waitpid(child_pid, 0)
                after = attempt(number, way)
                if before and after and way is not of_a_peer and after - before >= 10:
                    cheated(f"counts the machine's processes by what it has {way.__name__}")
                if way is of_a_peer and before:
                    cheated("has a descriptor of a process from a socket")
            """
        ),
        slow=True,
    ),
)
