"""Python's own parser, for the threads in which ideas are implemented."""

import threading

# CPython 3.11 builds a wrong tree, or fails, when two threads parse at once.
parser_lock = threading.Lock()
