"""Starts a problem's Python script with its imports already paid for.

    python -P -B prelude.py FD MODULES train.py [argument …]

Imports the comma-separated MODULES (nothing of the idea's can run yet: its folder is not on the
path), writes the CPU seconds used so far to the file descriptor FD as the sign that the budget's
clock starts, closes it, and runs the script as `__main__`.
"""

import gc
import importlib
import os
import runpy
import sys
import time


def main() -> None:
    descriptor, modules, script = int(sys.argv[1]), sys.argv[2], sys.argv[3]
    for module in filter(None, modules.split(",")):
        importlib.import_module(module)
    # Or the collector would search what was preloaded again and again, once more at the exit.
    gc.freeze()
    sys.path.insert(0, os.getcwd())
    sys.argv = sys.argv[3:]
    os.write(descriptor, f"{time.process_time():.6f}".encode())
    os.close(descriptor)
    runpy.run_path(script, run_name="__main__")


if __name__ == "__main__":
    main()
