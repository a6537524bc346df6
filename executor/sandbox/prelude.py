"""Starts a problem's Python script with its imports already paid for.

    python -P -B prelude.py CLOCK MODULES train.py [argument …]

Imports the comma-separated MODULES (nothing of the idea's can run yet: its folder is not on the
path) and runs the script, see `run_script.py`, which lies in the same folder.
"""

import gc
import importlib
import os
import sys


def main() -> None:
    clock, modules, script = int(sys.argv[1]), sys.argv[2], sys.argv[3:]
    sys.path.insert(0, os.path.dirname(__file__))
    from run_script import run_script  # type: ignore[import-not-found]

    del sys.path[0], sys.modules["run_script"]
    for module in filter(None, modules.split(",")):
        importlib.import_module(module)
    # Or the collector would search what was preloaded again and again.
    gc.freeze()
    run_script(script, clock)


if __name__ == "__main__":
    main()
