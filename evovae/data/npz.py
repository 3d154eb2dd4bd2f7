"""An image set in an .npz file, as MedMNIST publishes them."""

import math
import warnings
import zipfile
from pathlib import Path
from typing import IO

import numpy as np
import torch
from numpy.lib import format as npy
from torch import Tensor

from evovae.base import InputError
from evovae.data.images import UNLABELLED, Images, ImageSet, hold_out
from evovae.data.limits import MAX_BYTES, check_classes

_CHUNK = 1 << 20


def load_npz(path: Path) -> ImageSet:
    """Read the image set in an .npz file.

    Args:
        path: holds `train_images`, uint8 (N, H, W), (N, H, W, 1) or (N, H, W, 3), and `train_labels`, whole
            numbers (N,) or (N, 1); the same for `test`, or else for `val`, or else a tenth is held out. Without
            labels, or with several for each image, there are no classes. No pickle in it is read.

    Raises:
        InputError: if the file is damaged or holds something else.
    """
    where = repr(str(path))
    try:
        with warnings.catch_warnings(), zipfile.ZipFile(path) as archive:
            warnings.simplefilter("ignore")  # numpy's on files of Python 2
            there = [name.removesuffix(".npy") for name in archive.namelist()]
            names = [f"{split}_{what}" for split in ("train", "val", "test") for what in ("images", "labels")]
            arrays = {name: _read(archive, name) for name in names if name in there}
    except InputError as error:
        raise InputError(f"{where} {error}") from error
    # A reader that trips over a damaged file raises whatever it stumbles on: BadZipFile, zlib.error, struct.error, ...
    except Exception as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise InputError(f"{where} cannot be read as an .npz file ({reason}); fetch or write it again") from error
    if "train_images" not in arrays:
        raise InputError(
            f"{where} holds {', '.join(map(repr, there[:8])) or 'nothing'}; expected train_images and train_labels, "
            "test_images and test_labels, as MedMNIST's files do; rename the arrays"
        )
    splits = {name: _split(arrays, name, where) for name in ("train", "val", "test") if f"{name}_images" in arrays}
    labelled = all(labels is not None for _, labels in splits.values())
    train, *others = (
        Images(images, labels if labelled and labels is not None else torch.zeros(len(images), dtype=torch.int64))
        for images, labels in splits.values()
    )
    if others:
        test = others[-1]
        notes = [] if "test" in splits else ["val taken for test"]
        notes += [f"left out: {len(others[0]):,} in val"] if len(others) > 1 else []
    else:
        train, test, held = hold_out(train, where)
        notes = [*held]
    highest = int(max(train.labels.max(), test.labels.max()))
    classes = tuple(str(label) for label in range(highest + 1)) if labelled else (UNLABELLED,)
    return ImageSet(str(path), train, test, classes, tuple(notes))


def _read(archive: zipfile.ZipFile, name: str) -> Tensor:
    """Read one array of whole numbers; memory grows with what the file really holds, whatever it claims."""
    with archive.open(f"{name}.npy") as stream:
        shape, fortran, kind = _read_header(stream)
        stated = math.prod(shape) * kind.itemsize
        pixels = name.endswith("images")
        fits = kind == np.uint8 if pixels else kind.kind in "biu"
        if not fits or not 0 < math.prod(shape) * (1 if pixels else 8) <= MAX_BYTES:
            raise InputError(
                f"holds {name} of {kind} and shape {shape}; expected {'uint8' if pixels else 'whole numbers'}, of 1 to "
                f"{MAX_BYTES} bytes in memory; convert or cut it"
            )
        values = bytearray()
        while len(values) < stated and (chunk := stream.read(min(_CHUNK, stated - len(values)))):
            values += chunk
        if len(values) < stated or stream.read(1):  # which makes zipfile verify the checksum
            raise InputError(f"holds another number of values in {name} than its shape {shape} states; fetch it again")
    array = np.frombuffer(values, dtype=kind).reshape(shape[::-1] if fortran else shape)
    array = array.T if fortran else array
    return torch.from_numpy(np.ascontiguousarray(array if pixels else array.astype(np.int64)))


def _read_header(stream: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype]:
    version = npy.read_magic(stream)
    read = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
    return read(stream)


def _split(arrays: dict[str, Tensor], split: str, where: str) -> tuple[Tensor, Tensor | None]:
    """Images (N, C, H, W) and labels (N,); None where there are none, or several for an image."""
    images, labels = arrays[f"{split}_images"], arrays.get(f"{split}_labels")
    images = images.unsqueeze(-1) if images.ndim == 3 else images
    if images.ndim != 4 or images.shape[-1] not in (1, 3):
        raise InputError(
            f"{where} holds {split}_images of shape {tuple(images.shape)}; expected (N, H, W), or (N, H, W, C) with "
            "C 1 or 3; reshape them"
        )
    images = images.permute(0, 3, 1, 2).contiguous()
    if labels is None:
        return images, None
    if labels.ndim not in (1, 2) or len(labels) != len(images):
        raise InputError(
            f"{where} holds {split}_labels of shape {tuple(labels.shape)} for {len(images)} images; expected (N,) or "
            "(N, 1); do they belong together?"
        )
    labels = labels.reshape(len(labels), -1)
    if labels.shape[1] > 1:
        return images, None
    if int(labels.min()) < 0:
        raise InputError(f"{where} holds {split}_labels from {int(labels.min())}; expected 0 or more; renumber them")
    check_classes(int(labels.max()) + 1, where)
    return images, labels[:, 0].to(torch.int64)
