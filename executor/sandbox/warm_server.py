"""The server of warm starts: it has imported a problem's modules, and each trial is a fork of it.

    python -P -B warm_server.py SOCKET MODULES ROOT

Imports the comma-separated MODULES and says so on the descriptor SOCKET. From then on each request
there, see `warm`, is read by a fork, which locks itself in, puts everything that only the server
needs out of reach, and runs the script as `prelude.py` does. The server reads no request itself:
all forks begin with the same memory. ROOT is where the package `executor` lies.
"""

import gc
import importlib
import os
import runpy
import sys
import time


def main() -> None:
    descriptor, modules, root = int(sys.argv[1]), sys.argv[2], sys.argv[3]
    for module in filter(None, modules.split(",")):
        importlib.import_module(module)
    theirs = set(sys.modules)
    sys.path.insert(0, root)
    from executor.sandbox.warm_fork import serve

    sys.path.remove(root)
    # Also keeps the collector from copying the pages of what was imported in each fork.
    gc.freeze()
    job = serve(descriptor)

    # Now in a fork, locked in. What came for the server alone is imported anew by who wants it.
    for name in sys.modules.keys() - theirs:
        del sys.modules[name]
    if "numpy.random" in sys.modules:
        sys.modules["numpy.random"].seed()
    sys.path.insert(0, os.getcwd())
    sys.argv = job.script
    # Never 0, which would say that nothing is free: the box itself took some time.
    os.write(job.clock, f"{max(time.process_time(), 1e-6):.6f}".encode())
    os.close(job.clock)
    runpy.run_path(job.script[0], run_name="__main__")


if __name__ == "__main__":
    main()
