"""Process 1 of a bubblewrap box whose user is the worker's: starts a command and waits for it.

    python -I -S -B first_process.py COMMAND [argument …]

bwrap's own process 1 would have no filter of system calls, and memory that the box may write, since
its user is the same. This one closes itself to the box, and ends with the code of the command.
"""

import ctypes
import os
import sys

_PR_SET_DUMPABLE = 4


def main() -> None:
    if ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0):
        sys.exit("process 1 of the box cannot be closed to it")
    if (child := os.fork()) == 0:
        try:
            os.execvp(sys.argv[1], sys.argv[1:])
        except OSError as error:
            print(f"{sys.argv[1]}: {error.strerror}", file=sys.stderr)
            os._exit(127)
    # The other ends of the command's pipes must see when it closes them.
    os.closerange(3, os.sysconf("SC_OPEN_MAX"))
    pid = status = 0
    while pid != child:
        # As process 1 this one also reaps the orphans of the box.
        pid, status = os.wait()
    code = os.waitstatus_to_exitcode(status)
    os._exit(code if code >= 0 else 128 - code)


if __name__ == "__main__":
    main()
