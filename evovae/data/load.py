"""One door to every image set."""

import os
from collections.abc import Callable
from dataclasses import replace
from importlib import resources
from pathlib import Path

import torch

from evovae.base import InputError
from evovae.data.config import Fit, Unreadable, find_known_set, known_sets, parse_colour
from evovae.data.idx import find_idx_files, load_idx_folder, read_idx
from evovae.data.images import Images, ImageSet
from evovae.data.limits import MAX_SIDE, MIN_SIDE
from evovae.data.npz import load_npz
from evovae.data.picture_folder import load_picture_folder
from evovae.data.torchvision_sets import default_data_dir, load_torchvision_set
from evovae.data.transforms import Look, bring


def load_images(
    name: str | os.PathLike[str] = "mnist",
    data_dir: str | os.PathLike[str] | None = None,
    image_size: int | None = None,
    grey: bool = False,
    fit: Fit = "crop",
    background: str = "white",
    unreadable: Unreadable = "stop",
    report: Callable[[int, int], None] | None = None,
) -> ImageSet:
    """Load an image set into memory.

    Args:
        name: `"mnist"`, which ships with evovae; another of `known_sets()`, in any case, with or without hyphens; a
            folder of idx files (`load_idx_folder`) or of pictures (`load_picture_folder`); or an .npz file
            (`load_npz`). A known name wins over a folder of that name, which can be given as `"./mnist"` or as a
            `Path`.
        data_dir: where the files of a torchvision set lie or are put; None means `default_data_dir()`. The other
            sets do not need it.
        image_size: pixels on each side, 8 to 256: images are made square and resized, antialiased. None leaves the
            size, which must then be in this range.
        grey: whether to turn colour into one channel (ITU-R BT.601 luma).
        fit: how images become square: `"crop"` cuts out the largest centred square, `"pad"` puts background around
            the whole, `"stretch"` changes its proportions.
        background: what is put around padded images and under transparent parts of pictures: white, black, grey, or
            six hexadecimal digits such as ff8800.
        unreadable: whether a picture in a folder that cannot be read is an error (`"stop"`), or is left out, and noted
            (`"skip"`).
        report: called after each picture with the number read so far and in all.

    Returns:
        The image set. Its pixels are 0..255; its `summary` says what was read and what was left out.

    Raises:
        InputError: if the name is neither known nor a folder, or what it names cannot be used.
    """
    if image_size is not None and not MIN_SIDE <= image_size <= MAX_SIDE:
        raise InputError(f"image size {image_size}: expected {MIN_SIDE} to {MAX_SIDE} pixels; change --image-size")
    if data_dir is not None and os.path.exists(data_dir) and not os.path.isdir(data_dir):
        raise InputError(f"{str(data_dir)!r} is a file; expected a folder for image sets; change --data-dir")
    look = Look(image_size, grey, fit, parse_colour(background))
    known = find_known_set(name) if isinstance(name, str) else None
    if known is None:
        image_set = _load_path(name, look, unreadable, report)
    elif known == "mnist":
        image_set = _load_mnist()
    else:
        image_set = load_torchvision_set(known, default_data_dir() if data_dir is None else Path(_expand(data_dir)))
    return replace(
        image_set,
        train=bring(image_set.train, look, repr(image_set.name)),
        test=bring(image_set.test, look, repr(image_set.name)),
    )


def _load_mnist() -> ImageSet:
    train, test = (
        Images(
            _read_shipped(f"{split}-images-idx3-ubyte.gz").unsqueeze(1),
            _read_shipped(f"{split}-labels-idx1-ubyte.gz").long(),
        )
        for split in ("train", "t10k")
    )
    return ImageSet("mnist", train, test, tuple("0123456789"))


def _read_shipped(file: str) -> torch.Tensor:
    with resources.as_file(resources.files("evovae.data") / "mnist" / file) as path:
        return read_idx(path)


def _expand(name: str | os.PathLike[str]) -> str:
    try:
        return os.path.expanduser(os.fspath(name))
    except ValueError as error:  # a configuration may hold what no path does
        raise InputError(f"{str(name)!r} is no name of a folder ({error}); check the spelling") from error


def _load_path(
    name: str | os.PathLike[str], look: Look, unreadable: Unreadable, report: Callable[[int, int], None] | None
) -> ImageSet:
    place = _expand(name)
    try:
        if os.path.isfile(place) and place.lower().endswith(".npz"):
            return load_npz(Path(place).resolve())
        if os.path.isdir(place):
            folder = Path(place).resolve()
            if find_idx_files(folder):
                return load_idx_folder(folder)
            return load_picture_folder(folder, look, unreadable, report)
    except OSError as error:
        raise InputError(f"{place!r} cannot be read ({error.strerror}); make it readable") from error
    if os.path.exists(place):
        problem = "is neither a folder nor an .npz file"
    elif os.sep in place:
        problem = "does not exist"
    else:
        problem = "is neither a known image set nor a folder"
    raise InputError(
        f"{str(name)!r} {problem}; expected {', '.join(known_sets())}, a folder of idx files or of pictures, or an "
        ".npz file; check the spelling"
    )
