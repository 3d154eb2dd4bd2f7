"""An image set in a folder of pictures."""

import os
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from evovae.base import InputError
from evovae.data import cache
from evovae.data.config import Unreadable
from evovae.data.images import Images, ImageSet, hold_out, listed, without_copies
from evovae.data.limits import check_bytes, check_classes, check_sides
from evovae.data.pictures import Picture, bits_of, read_file
from evovae.data.survey import Survey, describe_counts, plain_name, survey
from evovae.data.transforms import Look

Report = Callable[[int, int], None]
"""Told how many pictures are read, and of how many."""


@dataclass(frozen=True)
class _Listed:
    path: Path
    name: str
    """Of its class."""
    is_test: bool


def load_picture_folder(
    folder: Path, look: Look, unreadable: Unreadable = "stop", report: Report | None = None
) -> ImageSet:
    """Read the image set in a folder of pictures.

    What was read is kept in the user's cache (`kept`), and read from there while the files are the same.

    Args:
        folder: holds pictures (png, jpg, bmp, gif, webp, tif, ppm), which have no classes; or a folder of pictures for
            each class; or splits, folders `train` and `test` of either kind, in any case. The classes of test must
            be among those of train. Folders `val`, `valid` and `validation` are taken for test where there is none,
            and left out otherwise. Without either, a tenth is held out (`hold_out`). Classes are in natural order, 2
            before 10, and pictures by name, so that labels and order are always the same; folders without pictures
            are no classes. Deeper folders are not read. A test picture whose pixels are also in train is left out.
        look: size, channels, fit and background that pictures are brought to. Without a size, all must have the same;
            unless grey is asked for, they have colour where a single one has.
        unreadable: whether a picture that cannot be read is an error, or is left out and mentioned in the notes.
        report: called after each picture.

    Returns:
        The image set; its notes say what was left out.

    Raises:
        InputError: if there are no pictures, too few to split, or some that cannot be used.
    """
    found = survey(folder)
    check_classes(len(found.train), repr(str(folder)))
    listing = [_Listed(path, name, False) for name, paths in found.train.items() for path in paths]
    listing += [_Listed(path, name, True) for name, paths in found.test.items() for path in paths]
    names = [(os.fspath(one.path)[len(os.fspath(folder)) :], one.name, one.is_test) for one in listing]
    key = cache.key_of((one.path for one in listing), names, found.left_out, found.notes, look, unreadable)
    image_set = cache.find(key, str(folder))
    if image_set is None:
        begun = time.monotonic()
        image_set = _read(folder, listing, found, look, unreadable, report or (lambda done, total: None))
        cache.keep(key, image_set, time.monotonic() - begun)
    return image_set


def read_pictures(
    paths: Sequence[Path], look: Look, unreadable: Unreadable, report: Report
) -> tuple[Tensor, list[int], Counter[str]]:
    """Read pictures as `read_file` does, as one tensor.

    Where grey pictures have 16 bits, the highest value in all of them shows how many are used.

    Args:
        paths: at least one picture file.
        look: what they are brought to; without a size, all must have one.
        unreadable: whether to stop at a picture that cannot be read, or to skip it.
        report: called after each picture.

    Returns:
        uint8 (N, C, H, W) of those that could be read; their places among the `paths`; and what was done to how
        many.

    Raises:
        InputError: if a file cannot be read and is not to be skipped, or none can; if sizes differ, or are too small or
            too large; or if there is too much for memory.
    """
    pictures: dict[int, Picture] = {}
    for place, path in enumerate(paths):
        try:
            pictures[place] = read_file(path, look)
        except InputError as error:
            if unreadable == "stop":
                raise InputError(f"{error}, or leave out what cannot be read with --unreadable skip") from error
            if place == len(paths) - 1 and not pictures:
                raise InputError(f"none of {len(paths)} pictures can be read; the last: {error}") from error
        else:
            _check_size(pictures, place, paths, look.grey)
        report(place + 1, len(paths))
    remarks = Counter(remark for picture in pictures.values() for remark in picture.remarks)
    deep = [place for place, picture in pictures.items() if picture.peak]
    if deep:
        bits = bits_of(max(pictures[place].peak for place in deep))
        remarks[f"with {bits} bits in 16, scaled to 8" if bits < 16 else "with 16 bits, scaled to 8"] = len(deep)
        if bits < 16:
            pictures |= {place: read_file(paths[place], look, bits) for place in deep}
    channels = max(len(picture.pixels) for picture in pictures.values())
    pixels = torch.stack([picture.pixels.expand(channels, -1, -1) for picture in pictures.values()])
    return pixels, list(pictures), remarks


def _check_size(pictures: dict[int, Picture], place: int, paths: Sequence[Path], grey: bool) -> None:
    """Refuse the picture just read unless it is of a size that fits, and of that of the first."""
    first = next(iter(pictures))
    height, width = pictures[place].pixels.shape[1:]
    first_height, first_width = pictures[first].pixels.shape[1:]
    if place == first:
        check_sides(height, width, repr(str(paths[place])))
        check_bytes(len(paths) * (1 if grey else 3) * height * width, f"{len(paths)} pictures as {str(paths[place])!r}")
    elif (height, width) != (first_height, first_width):
        raise InputError(
            f"{str(paths[place])!r} has {height} x {width} pixels and {str(paths[first])!r} {first_height} x "
            f"{first_width}; expected one size; resize them, as with --image-size 28"
        )


def _read(
    folder: Path, listing: list[_Listed], found: Survey, look: Look, unreadable: Unreadable, report: Report
) -> ImageSet:
    pixels, places, remarks = read_pictures([one.path for one in listing], look, unreadable, report)
    left_out, notes = found.left_out.copy(), found.notes.copy()
    if lost := [plain_name(listing[place].path) for place in sorted({*range(len(listing))} - {*places})]:
        left_out[f"unreadable ({listed(lost, 4)})"] = len(lost)
    read = [listing[place] for place in places]
    classes = list(dict.fromkeys(one.name for one in read if not one.is_test))  # some may be lost with all pictures
    label_of = {name: label for label, name in enumerate(classes)}
    labels = torch.tensor([label_of.get(one.name, -1) for one in read])
    is_test = torch.tensor([one.is_test for one in read])
    if not classes:
        raise InputError(f"{str(folder)!r}: no train picture can be read; expected some; repair them")
    train = Images(pixels[~is_test], labels[~is_test])
    in_test = is_test & (labels >= 0)
    test = None
    if in_test.any():
        test, copies = without_copies(Images(pixels[in_test], labels[in_test]), train)
        left_out["of test found in train, too"] = copies
    if test is None:
        train, test, held_out = hold_out(train, repr(str(folder)))
        notes.extend(held_out)
    notes.extend(f"{count:,} {what}" for what, count in remarks.items())
    told = [f"left out: {describe_counts(left_out)}"] if +left_out else []
    return ImageSet(str(folder), train, test, tuple(classes), (*told, *notes))
