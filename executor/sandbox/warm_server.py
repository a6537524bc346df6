"""The server of warm starts: it has imported a problem's modules, and each trial is a fork of it.

    python -P -B warm_server.py MODULES SOCKET

Imports the comma-separated MODULES and says so on the descriptor SOCKET. From then on each request
there, see `servers`, is read by a fork, which locks itself in, puts everything that only the server
needs out of reach, and runs the script as `prelude.py` does. The server reads no request itself:
all forks begin with the same memory.
"""

import gc
import importlib
import os
import sys
import time  # noqa: F401  (as in a cold start, where the script finds it)
import types


def main() -> None:
    modules, descriptor = sys.argv[1], int(sys.argv[2])
    for module in filter(None, modules.split(",")):
        importlib.import_module(module)
    theirs = set(sys.modules)
    here = os.path.dirname(os.path.abspath(__file__))
    # Without what a package's own `__init__` imports.
    for name, place in (("executor", os.path.dirname(here)), ("executor.sandbox", here)):
        package = sys.modules[name] = types.ModuleType(name)
        package.__path__ = [place]
    from executor.sandbox.fork_server import serve
    from executor.sandbox.run_script import run_script

    # Also keeps the collector from copying the pages of what was imported in each fork.
    gc.freeze()
    job = serve(descriptor)

    # Now in a fork, locked in. For who looks at the machine: the command line stays the server's.
    with open("/proc/self/comm", "w") as file:
        file.write(os.path.basename(job.words[0]))
    os.environ.update(job.env)
    # What came for the server alone is imported anew by who wants it.
    for name in sys.modules.keys() - theirs:
        del sys.modules[name]
    if "numpy.random" in sys.modules:
        sys.modules["numpy.random"].seed()
    run_script(job.words, job.clock)


if __name__ == "__main__":
    main()
