"""How much memory a model may use, and whether its weights fit.

check_memory(folder, free_memory(), bytes_a_number=4)      # UserError when they do not
"""

from __future__ import annotations

from pathlib import Path

import psutil

from executor.errors import UserError
from ideator_rl.ideators.language_model.model_folder import count_weights, weight_files

_GIB = 2**30
_CONTAINER_LIMITS = (
    Path("/sys/fs/cgroup/memory.max"),
    Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"),
)


def has_gpu() -> bool:
    import torch

    return torch.cuda.is_available()


def check_memory(folder: Path, free: int, bytes_a_number: int | None) -> None:
    """Raises UserError when the weights alone take more than `free` bytes; without
    `bytes_a_number` they are held as they are on disk."""
    sizes = [count_weights(file) for file in weight_files(folder)]
    needed = sum(s.numbers * bytes_a_number if bytes_a_number else s.bytes for s in sizes)
    if needed > free:
        raise UserError(
            f"{folder}: its weights need {needed / _GIB:.1f} GiB of memory, and {free / _GIB:.1f} "
            "GiB are free; use a smaller model or a larger machine"
        )


def free_memory() -> int:
    """Bytes that a model may use: of the first GPU, else of the machine or this container."""
    if has_gpu():
        import torch

        return torch.cuda.mem_get_info()[0]
    limits = [path.read_text().strip() for path in _CONTAINER_LIMITS if path.is_file()]
    free = psutil.virtual_memory().available
    return min([free, *(int(limit) for limit in limits if limit.isdigit())])
