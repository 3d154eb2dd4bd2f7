"""One door to every image set."""

import os
from dataclasses import replace
from importlib import resources
from pathlib import Path

import torch

from evovae.data.fit import fit
from evovae.data.idx import read_idx
from evovae.data.idx_folder import find_idx_files, load_idx_folder
from evovae.data.images import Images, ImageSet
from evovae.data.limits import MAX_SIDE, MIN_SIDE
from evovae.data.names import find_known_set, known_sets
from evovae.data.picture_folder import load_picture_folder
from evovae.data.torchvision_sets import default_data_dir, load_torchvision_set
from evovae.errors import InputError


def load_images(
    name: str | os.PathLike[str] = "mnist",
    data_dir: str | os.PathLike[str] | None = None,
    image_size: int | None = None,
    grey: bool = False,
) -> ImageSet:
    """Load an image set into memory.

    Args:
        name: `"mnist"`, which ships with evovae; another of `known_sets()`, in any case, with or without hyphens; or
            a folder of idx files (`load_idx_folder`) or of pictures (`load_picture_folder`). A known name wins over
            a folder of that name, which can be given as `"./mnist"` or as a `Path`.
        data_dir: Where the files of a torchvision set lie or are put; None means `default_data_dir()`. The other
            sets do not need it.
        image_size: Pixels on each side, 8 to 128: images are cut to their centred square and resized, antialiased.
            None leaves the size, which must then be in this range.
        grey: Whether to turn colour into one channel (ITU-R BT.601 luma).

    Returns:
        The image set. Its pixels are 0..255, as stored.

    Raises:
        InputError: The name is neither known nor a folder, or what it names cannot be used.
    """
    if image_size is not None and not MIN_SIDE <= image_size <= MAX_SIDE:
        raise InputError(f"image size {image_size}: expected {MIN_SIDE} to {MAX_SIDE} pixels; change --image-size")
    if data_dir is not None and os.path.exists(data_dir) and not os.path.isdir(data_dir):
        raise InputError(f"{str(data_dir)!r} is a file; expected a folder for image sets; change --data-dir")
    known = find_known_set(name) if isinstance(name, str) else None
    if known is None:
        image_set = _load_folder(name, image_size, grey)
    elif known == "mnist":
        image_set = _load_mnist()
    else:
        image_set = load_torchvision_set(known, default_data_dir() if data_dir is None else Path(_expand(data_dir)))
    return replace(
        image_set,
        train=fit(image_set.train, image_size, grey, repr(image_set.name)),
        test=fit(image_set.test, image_size, grey, repr(image_set.name)),
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


def _load_folder(name: str | os.PathLike[str], image_size: int | None, grey: bool) -> ImageSet:
    place = _expand(name)
    if not os.path.isdir(place):
        if os.path.exists(place):
            problem = "is not a folder"
        elif os.sep in place:
            problem = "does not exist"
        else:
            problem = "is neither a known image set nor a folder"
        raise InputError(
            f"{str(name)!r} {problem}; expected {', '.join(known_sets())}, or a folder of idx files or of pictures; "
            "check the spelling"
        )
    folder = Path(place).resolve()
    try:
        return load_idx_folder(folder) if find_idx_files(folder) else load_picture_folder(folder, image_size, grey)
    except OSError as error:
        raise InputError(f"{str(folder)!r} cannot be read ({error.strerror}); make it readable") from error
