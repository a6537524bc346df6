"""The server of commands: it has imported next to nothing, and each command begins as a fork of it.

    python -I -S -B launcher.py SOCKET

Each request on the descriptor SOCKET, see `servers`, is read by a fork, which locks itself in and
becomes the command.
"""

import gc
import os
import signal
import sys


def main() -> None:
    descriptor, here = int(sys.argv[1]), os.path.dirname(os.path.abspath(__file__))
    # Without what a package's own `__init__` imports.
    for name, place in (("executor", os.path.dirname(here)), ("executor.sandbox", here)):
        package = sys.modules[name] = type(sys)(name)
        package.__path__ = [place]
    from executor.sandbox.fork_server import serve

    # Keeps the collector from copying pages in each fork.
    gc.freeze()
    job = serve(descriptor)

    # Now in a fork, locked in. Python ignores these two; a command shall not.
    for number in (signal.SIGPIPE, signal.SIGXFSZ):
        signal.signal(number, signal.SIG_DFL)
    try:
        os.execvpe(job.words[0], job.words, job.env)
    except OSError as error:
        os.write(2, f"{job.words[0]}: {error.strerror}\n".encode())
        os._exit(127)


if __name__ == "__main__":
    main()
