"""Weights as safetensors files, read and written without a library: names, shapes and raw numbers.

    write_weights(Path("model.safetensors"), model.state_dict())
    model.load_state_dict(read_weights(Path("model.safetensors")))

The format: a little-endian uint64 with the length of the header, the header as JSON (for each name
its dtype, shape and first and last byte), then the numbers. Nothing in it can be executed.
"""

import json
import math
import struct
from pathlib import Path

import torch

DTYPES = {"F32": torch.float32, "BF16": torch.bfloat16, "F16": torch.float16}
LONGEST_HEADER, MOST_DIMENSIONS = 10_000_000, 8


def write_weights(path: Path, tensors: dict[str, torch.Tensor]) -> None:
    header, end = {}, 0
    names = {dtype: name for name, dtype in DTYPES.items()}
    data = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    for name, tensor in data.items():
        start, end = end, end + tensor.nbytes
        header[name] = {
            "dtype": names[tensor.dtype],
            "shape": list(tensor.shape),
            "data_offsets": [start, end],
        }
    text = json.dumps(header).encode()
    with path.open("wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for tensor in data.values():
            file.write(tensor.reshape(-1).view(torch.uint8).numpy().tobytes())


def read_header(path: Path) -> dict[str, dict]:
    """Dtype, shape and place of every tensor by name. Raises ValueError for no such file."""
    with path.open("rb") as file:
        size = file.read(8)
        length = struct.unpack("<Q", size)[0] if len(size) == 8 else LONGEST_HEADER + 1
        if length > LONGEST_HEADER:
            raise ValueError(f"{path.name} is not a safetensors file")
        text = file.read(length)
    try:
        header = json.loads(text)
        header.pop("__metadata__", None)
        last = 0
        for entry in header.values():
            start, end = entry["data_offsets"]
            if len(entry["shape"]) > MOST_DIMENSIONS:
                raise ValueError("a tensor of too many dimensions")
            count = math.prod(entry["shape"])
            if start != last or end - start != count * DTYPES[entry["dtype"]].itemsize:
                raise ValueError("its parts do not fit together")
            last = end
        if path.stat().st_size != 8 + length + last:
            raise ValueError("its end is missing, or more follows")
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError(f"{path.name} is not a safetensors file: {error}") from None
    return header


def read_weights(path: Path) -> dict[str, torch.Tensor]:
    """Every tensor by name. Raises ValueError for a file that is not what it says."""
    header = read_header(path)
    data = bytearray(path.read_bytes())
    start = struct.unpack("<Q", data[:8])[0] + 8
    tensors = {}
    for name, entry in header.items():
        first, last = entry["data_offsets"]
        dtype = DTYPES[entry["dtype"]]
        flat = torch.frombuffer(data[start + first : start + last], dtype=dtype)
        tensors[name] = flat.reshape(entry["shape"])
    return tensors
