"""When transactions end that run in a given order, each as early as its conflicts allow.

A transaction is a list of (is_write, key), one operation a unit of time. Two operations on one key
conflict if one of them writes: the later transaction's has to wait until the earlier one has ended.
"""


def makespan(transactions, order):
    """The time at which the last transaction ends."""
    written, read = {}, {}  # key: when the last transaction that did so ends
    last = 0
    for number in order:
        start = 0
        for place, (is_write, key) in enumerate(transactions[number]):
            free = written.get(key, 0)
            if is_write:
                free = max(free, read.get(key, 0))
            start = max(start, free - place)
        end = start + len(transactions[number])
        for is_write, key in transactions[number]:
            ends = written if is_write else read
            ends[key] = max(ends.get(key, 0), end)
        last = max(last, end)
    return last
