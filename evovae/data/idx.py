"""The idx format of MNIST, and an image set in a folder of such files.

A file is a magic number, the dimensions, then the values.
"""

import gzip
import math
import os
import re
import struct
import zlib
from pathlib import Path
from typing import BinaryIO, cast

import torch
from torch import Tensor

from evovae.base import InputError
from evovae.data.images import Images, ImageSet, hold_out
from evovae.data.limits import MAX_BYTES

_UNSIGNED_BYTE = 8
_CHUNK = 1 << 20


def read_idx(path: str | os.PathLike[str]) -> Tensor:
    """Read one idx file, compressed with gzip if its name ends in `.gz`.

    Memory grows with what the file really holds, and never beyond `MAX_BYTES`, whatever the header claims.

    Args:
        path: the file.

    Returns:
        uint8, of the one to four dimensions that the header states.

    Raises:
        InputError: if the file cannot be opened or decompressed, is not idx, holds other values than unsigned bytes,
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
    # One byte more than stated shows that a file is too long, and makes gzip verify its checksum.
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


_NAME = re.compile(r"(?P<split>train|t10k|test)-(?P<what>images|labels)[-.]idx\d-ubyte(\.gz)?")


def find_idx_files(folder: Path) -> dict[tuple[str, str], Path]:
    """The idx files in `folder` by split (`train`, `test`) and content (`images`, `labels`)."""
    found: dict[tuple[str, str], Path] = {}
    # Sorted, an uncompressed file comes before its .gz, and is the quicker to read.
    for path in sorted(path for path in folder.iterdir() if _NAME.fullmatch(path.name)):
        if (match := _NAME.fullmatch(path.name)) and path.is_file():
            split = "train" if match["split"] == "train" else "test"
            found.setdefault((split, match["what"]), path)
    return found


def load_idx_folder(folder: Path) -> ImageSet:
    """Read the image set in a folder of idx or idx.gz files.

    Args:
        folder: holds `train-images-idx3-ubyte` (N, H, W) or `train-images-idx4-ubyte` (N, C, H, W) and
            `train-labels-idx1-ubyte`, and the same for test as `t10k-` or `test-`, each perhaps with `.gz` added or
            with a dot before `idx`. Without a test pair, a tenth of train is held out.

    Raises:
        InputError: if a file is missing, damaged, or does not fit the others.
    """
    files = find_idx_files(folder)
    notes: tuple[str, ...] = ()
    train = _read_pair(folder, files, "train")
    if any(split == "test" for split, _ in files):
        test = _read_pair(folder, files, "test")
    else:
        train, test, notes = hold_out(train, repr(str(folder)))
    highest = int(max(train.labels.max(), test.labels.max()))
    return ImageSet(str(folder), train, test, tuple(str(label) for label in range(highest + 1)), notes)


def _read_pair(folder: Path, files: dict[tuple[str, str], Path], split: str) -> Images:
    for what, dimensions in (("images", 3), ("labels", 1)):
        if (split, what) not in files:
            name = f"{'train' if split == 'train' else 't10k'}-{what}-idx{dimensions}-ubyte"
            raise InputError(f"{str(folder)!r} has no {split} {what}; expected {name} or {name}.gz; add the file")
    images_path, labels_path = files[split, "images"], files[split, "labels"]
    images, labels = read_idx(images_path), read_idx(labels_path)
    if images.ndim == 3:
        images = images.unsqueeze(1)
    if images.ndim != 4 or images.shape[1] not in (1, 3):
        raise InputError(
            f"{str(images_path)!r} has dimensions {tuple(images.shape)}; expected (N, H, W), or (N, C, H, W) with "
            "C 1 or 3; reshape it"
        )
    if labels.ndim != 1:
        raise InputError(f"{str(labels_path)!r} has dimensions {tuple(labels.shape)}; expected (N,); reshape it")
    if len(images) != len(labels):
        raise InputError(
            f"{str(labels_path)!r} holds {len(labels)} labels for {len(images)} images; expected one for each; "
            "do the two files belong together?"
        )
    return Images(images, labels.to(torch.int64))
