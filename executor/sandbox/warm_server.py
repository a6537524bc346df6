"""The server of warm starts: it has imported a problem's modules, and each trial is a fork of it.

    python -P -B warm_server.py SOCKET MODULES ROOT

Imports the comma-separated MODULES and says so on the descriptor SOCKET. From then on each request
there, see `warm`, is read by a fork, which locks itself in, puts everything that only the server
needs out of reach, and runs the script as `prelude.py` does. The server reads no request itself:
all forks begin with the same memory. ROOT is where the package `executor` lies.
"""

import gc
import importlib
import sys
import time  # noqa: F401  (as in a cold start, where the script finds it)
import types  # noqa: F401


def main() -> None:
    descriptor, modules, root = int(sys.argv[1]), sys.argv[2], sys.argv[3]
    for module in filter(None, modules.split(",")):
        importlib.import_module(module)
    theirs = set(sys.modules)
    sys.path.insert(0, root)
    from executor.sandbox.run_script import run_script
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
    run_script(job.script, job.clock)


if __name__ == "__main__":
    main()
