"""Sets of pictures that were read once, kept as bytes in the user's cache folder.

A file there is named by what decides its content: the pictures' names, sizes and times, how they are read, and by which
version of what. One that is damaged, or cannot be written, is no error. What was read in no time is not kept; of the
others the most recently used stay, up to `MAX_SETS` and `MAX_BYTES`.
"""

import contextlib
import hashlib
import os
from collections.abc import Iterable
from pathlib import Path

import PIL
import torch

from evovae.base import InputError, files
from evovae.data.images import Images, ImageSet
from evovae.data.torchvision_sets import default_data_dir

MAX_SETS = 100
MAX_BYTES = 4 << 30
"""Of all sets that are kept: 4 GiB. One larger than half of it is not."""
WORTHWHILE = 0.25
"""Seconds that it must have taken to read a set, for it to be kept."""
_KIND = "pictures"
_VERSION = 1
"""To be raised when the same files come to give other images or notes."""


def key_of(paths: Iterable[Path], *circumstances: object) -> str:
    """What identifies a set: a SHA-256 of what the file system says of each file.

    The time of its last change is among it, which cannot be set: other content has another key.

    Args:
        paths: the files that will be read.
        circumstances: all else that decides what comes of them; their `repr` must say it.

    Raises:
        OSError: A file is not there any more.
    """
    digest = hashlib.sha256(repr((_VERSION, PIL.__version__, torch.__version__, circumstances)).encode())
    for path in paths:
        state = path.stat()
        digest.update(repr((state.st_size, state.st_mtime_ns, state.st_ctime_ns)).encode())
    return digest.hexdigest()


def find(key: str, name: str) -> ImageSet | None:
    """The image set that is kept under `key`, called `name`; None where there is none that is whole."""
    # Whatever is wrong with it, the pictures themselves are there.
    with contextlib.suppress(OSError, InputError, KeyError, TypeError):
        path = _folder() / f"{key}.safetensors"
        if not path.is_file():
            return None
        tensors, config = files.load_tensors(path, _KIND)
        os.utime(path)  # used now
        train, test = (Images(tensors[f"{split}/images"], tensors[f"{split}/labels"]) for split in ("train", "test"))
        return ImageSet(name, train, test, tuple(config["classes"]), tuple(config["notes"]))
    return None


def keep(key: str, image_set: ImageSet, seconds: float) -> None:
    """Keep an image set under `key`, if that can be done, and let go of those that were not used for longest.

    Args:
        key: from `key_of`.
        image_set: what was read.
        seconds: how long it took.
    """
    if seconds < WORTHWHILE:
        return
    tensors = {
        f"{split}/{name}": getattr(getattr(image_set, split), name)
        for split in ("train", "test")
        for name in ("images", "labels")
    }
    if sum(tensor.nbytes for tensor in tensors.values()) > MAX_BYTES // 2:
        return
    with contextlib.suppress(OSError, InputError):
        folder = _folder()
        folder.mkdir(parents=True, exist_ok=True)
        config = {"classes": image_set.classes, "notes": image_set.notes}
        files.save_tensors(folder / f"{key}.safetensors", _KIND, tensors, config)
        _tidy(folder)


def _tidy(folder: Path) -> None:
    found = sorted(((path.stat(), path) for path in folder.glob("*.safetensors")), key=lambda one: -one[0].st_mtime_ns)
    total = 0
    for number, (state, path) in enumerate(found):
        total += state.st_size
        if number >= MAX_SETS or total > MAX_BYTES:
            path.unlink()


def _folder() -> Path:
    return default_data_dir() / "pictures"
