"""The idx format of MNIST: a magic number, the dimensions, then the values.

Four bytes (0, 0, type of value, number of dimensions), each dimension as a big-endian 32-bit integer, and the
values in row-major order. Described by LeCun, Cortes and Burges with the MNIST database. Only unsigned bytes
(type 8) are read here, because images and labels are made of them.
"""

import gzip
import math
import os
import struct
import zlib
from pathlib import Path
from typing import BinaryIO, cast

import torch
from torch import Tensor

from evovae.data.limits import MAX_BYTES
from evovae.errors import InputError

_UNSIGNED_BYTE = 8
_CHUNK = 1 << 20


def read_idx(path: str | os.PathLike[str]) -> Tensor:
    """Read one idx file, compressed with gzip if its name ends in `.gz`.

    Memory grows with what the file really holds, and never beyond `MAX_BYTES`, whatever the header claims.

    Args:
        path: The file.

    Returns:
        uint8, of the one to four dimensions that the header states.

    Raises:
        InputError: The file cannot be opened or decompressed, is not idx, holds other values than unsigned bytes,
            states no value or more than `MAX_BYTES`, holds fewer or more values than it states, or does not fit into
            memory.
    """
    path = Path(path)
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as stream:
            return _read(cast(BinaryIO, stream), str(path))
    except (OSError, EOFError, zlib.error, MemoryError) as error:
        reason = " ".join(str(error).split()) or "it does not fit into memory"
        raise InputError(f"{str(path)!r} cannot be read as an idx file ({reason}); fetch or write it again") from error


def _read(stream: BinaryIO, name: str) -> Tensor:
    shape = _read_header(stream, name)
    stated = math.prod(shape)
    if not 0 < stated <= MAX_BYTES:
        raise InputError(
            f"{name!r} states {stated} bytes in its dimensions {shape}; expected 1 to {MAX_BYTES}; "
            "is the file damaged, or should it be cut?"
        )
    values = bytearray()
    # One byte more than stated tells a file that is too long, and makes gzip verify its checksum.
    while len(values) <= stated and (chunk := stream.read(min(_CHUNK, stated + 1 - len(values)))):
        values += chunk
    if len(values) != stated:
        found = f"only {len(values)}" if len(values) < stated else "more"
        raise InputError(
            f"{name!r} holds {found} values where its dimensions {shape} state {stated}; fetch or write it again"
        )
    return torch.frombuffer(values, dtype=torch.uint8).reshape(shape)


def _read_header(stream: BinaryIO, name: str) -> tuple[int, ...]:
    magic = stream.read(4)
    if len(magic) < 4 or magic[:2] != b"\0\0" or not 1 <= magic[3] <= 4:
        raise InputError(
            f"{name!r} begins with {magic.hex(' ') or 'nothing'}; expected 00 00 08 and 1 to 4 dimensions, as idx "
            "files do; is it another format?"
        )
    if magic[2] != _UNSIGNED_BYTE:
        raise InputError(
            f"{name!r} holds values of idx type {magic[2]:#04x}; expected 0x08, unsigned bytes; convert the file"
        )
    dimensions = stream.read(4 * magic[3])
    if len(dimensions) < 4 * magic[3]:
        raise InputError(f"{name!r} ends within its header; expected {magic[3]} dimensions; fetch or write it again")
    return struct.unpack(f">{magic[3]}I", dimensions)
