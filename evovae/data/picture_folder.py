"""An image set in a folder of pictures."""

from pathlib import Path

import torch

from evovae.data.images import Images, ImageSet, hold_out
from evovae.data.pictures import find_pictures, read_pictures
from evovae.errors import InputError

_FLAT = "all"


def load_picture_folder(folder: Path, image_size: int | None, grey: bool) -> ImageSet:
    """Read the image set in a folder of pictures.

    Args:
        folder: Holds pictures (png, jpg, bmp, gif, webp, tif, ppm), which are one class named `all`; or a folder of
            pictures for each class; or folders `train` and `test` of either kind, with the same classes. Without
            these two, a tenth is held out for test. Names are sorted, so that labels and order are always the
            same. Deeper folders are not read.
        image_size: Side to resize to; None requires all pictures to have one size.
        grey: Whether to read one channel; False reads colour unless every picture is stored as grey.

    Raises:
        InputError: There are no pictures, too few to split, or some that cannot be used.
    """
    if (folder / "train").is_dir() and (folder / "test").is_dir():
        train_classes, test_classes = _find_classes(folder / "train"), _find_classes(folder / "test")
        if unshared := sorted(train_classes.keys() ^ test_classes.keys()):
            raise InputError(
                f"{str(folder)!r} has class {unshared[0]!r} in only one of train/ and test/; expected the same classes "
                "in both; add or remove it"
            )
        pixels = read_pictures(_paths(train_classes) + _paths(test_classes), image_size, grey)
        in_train = len(_paths(train_classes))
        train = Images(pixels[:in_train], _labels(train_classes))
        test = Images(pixels[in_train:], _labels(test_classes))
        return ImageSet(str(folder), train, test, tuple(train_classes))

    classes = _find_classes(folder)
    for name, paths in classes.items():
        if len(paths) < 2:
            raise InputError(
                f"{str(folder)!r} holds 1 picture of class {name!r}; expected 2 or more of each class, to hold one "
                "out for test; add pictures, or give the splits as train/ and test/"
            )
    train, test = hold_out(Images(read_pictures(_paths(classes), image_size, grey), _labels(classes)))
    return ImageSet(str(folder), train, test, tuple(classes))


def _find_classes(folder: Path) -> dict[str, list[Path]]:
    flat = find_pictures(folder)
    subfolders = sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))
    classes = {path.name: pictures for path in subfolders if (pictures := find_pictures(path))}
    if flat and classes:
        raise InputError(
            f"{str(folder)!r} holds pictures, as {flat[0].name!r}, beside folders of pictures, as "
            f"{next(iter(classes))!r}; expected one or the other; move the loose pictures into a class folder"
        )
    if not flat and not classes:
        raise InputError(
            f"{str(folder)!r} holds no images; expected idx files (train-images-idx3-ubyte.gz and "
            "train-labels-idx1-ubyte.gz), pictures (png, jpg, ...), a folder of pictures for each class, or train/ "
            "and test/ folders of pictures; put some there or name another folder"
        )
    return classes or {_FLAT: flat}


def _paths(classes: dict[str, list[Path]]) -> list[Path]:
    return [path for paths in classes.values() for path in paths]


def _labels(classes: dict[str, list[Path]]) -> torch.Tensor:
    return torch.tensor([label for label, paths in enumerate(classes.values()) for _ in paths])
