"""Runs a problem's Python script as `__main__`, in a process that has its imports already.

    run_script(["train.py", "--fast"], clock=5)

The budget's clock starts when the CPU seconds used so far are on the descriptor `clock`. Once the
script ends, so does the process: what the script made is finished as Python does it, but what was
imported before is not taken apart, which is 0.2 to 0.4 s of CPU time for PyTorch.

This file is also a tool of boxes: it imports nothing but the standard library.
"""

import gc
import os
import sys
import time
import types


def run_script(script: list[str], clock: int) -> None:
    """Runs a script; the process ends with it.

    Args:
        script: its path, and its arguments.
        clock: a descriptor.

    Raises:
        SystemExit: the script ends with a code other than 0; any other exception of it, too.
    """
    imported, folder = set(sys.modules), os.getcwd()
    sys.path.insert(0, folder)
    sys.argv = script
    main = types.ModuleType("__main__")
    main.__file__ = script[0]
    sys.modules["__main__"] = main
    # Never 0, which would say that nothing is free: the box itself took some time.
    os.write(clock, f"{max(time.process_time(), 1e-6):.6f}".encode())
    os.close(clock)
    with open(script[0], "rb") as file:
        code = compile(file.read(), script[0], "exec", dont_inherit=True)
    try:
        exec(code, main.__dict__)
    except SystemExit as end:
        if end.code not in (None, 0):
            raise
    _leave(imported, folder)


def _leave(imported: set[str], folder: str) -> None:
    """Ends the process, in the order in which Python does."""
    import atexit  # here, so that the script finds no module that it would not find elsewhere

    if threading := sys.modules.get("threading"):
        threading._shutdown()
    atexit._run_exitfuncs()
    # What the script made goes: files that were left open are written then.
    for name in ("__main__", *(sys.modules.keys() - imported)):
        module = sys.modules.pop(name, None)
        if isinstance(module, types.ModuleType) and (
            name == "__main__" or str(module.__dict__.get("__file__")).startswith(folder)
        ):
            _clear(module.__dict__)
    gc.collect()
    code = 0
    for stream in (sys.stdout, sys.stderr):
        try:
            if not (stream is None or stream.closed):
                stream.flush()
        except Exception:
            # Python's own code for this.
            code = 120
    os._exit(code)


def _clear(names: dict) -> None:
    """Of a module, the private names first; one by one, since a file that goes together with all
    that refers to it may lose its last text."""
    for name in sorted(names, key=lambda name: not str(name).startswith("_")):
        if name != "__builtins__":
            names[name] = None
