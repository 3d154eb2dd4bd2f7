"""What lies in a folder of pictures: splits, classes, and what is left out."""

import os
import re
from collections import Counter
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from evovae.base import InputError
from evovae.data.images import UNLABELLED, listed
from evovae.data.pictures import EXTENSIONS

_SPLITS = {
    name: split
    for split, names in {
        "train": ("train", "training"),
        "val": ("val", "valid", "validation"),
        "test": ("test", "testing"),
    }.items()
    for name in names
}
_MAX_FILES = 100_000
"""Files in deeper folders that are counted: a home folder may hold millions."""

Classes = dict[str, list[Path]]


@dataclass
class Survey:
    """Picture files by class, the classes in natural order, and what else there is.

    Attributes:
        train: pictures to learn from.
        test: those held back; none where they are to be held out of train.
        left_out: how many files of which kind will not be read.
        notes: what else the user should know.
    """

    train: Classes = field(default_factory=dict)
    test: Classes = field(default_factory=dict)
    left_out: Counter[str] = field(default_factory=Counter)
    notes: list[str] = field(default_factory=list)


def survey(folder: Path) -> Survey:
    """Look through a folder of pictures, as `load_picture_folder` describes it.

    Raises:
        InputError: if there are no pictures, or it is unclear which are meant.
    """
    found = Survey()
    splits = _find_splits(folder)
    if not splits:
        found.train = _find_classes(folder, found)
        if not found.train:
            raise _nothing_in(folder, found)
        return found
    for entry in _visible(folder):
        path = Path(entry)
        if entry.is_dir() and path not in splits.values() and (pictures := _count_pictures(path)):
            found.left_out[f"in {plain_name(path)}/"] += pictures
        elif entry.is_file() and _is_picture(entry.name):
            found.left_out["beside the splits"] += 1
    found.train = _find_classes(splits["train"], found)
    if not found.train:
        raise _nothing_in(splits["train"], found)
    _find_test(found, splits)
    return found


def natural_key(name: str) -> tuple[list[str | int], str]:
    """Key that sorts the numbers in names by value: 2 before 10."""
    parts = re.split("([0-9]+)", name)
    return [int(part) if index % 2 else part for index, part in enumerate(parts)], name


def plain_name(path: Path) -> str:
    """The name of a file as text that can be shown anywhere: what is no UTF-8 or does not print is escaped."""
    name = os.fsencode(path.name).decode("utf-8", "backslashreplace")
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in name)


def _find_splits(folder: Path) -> dict[str, Path]:
    """The folders train, val and test in `folder`; none where they are only classes that are called so."""
    splits: dict[str, Path] = {}
    others = False
    for entry in _visible(folder):
        split = _SPLITS.get(entry.name.lower()) if entry.is_dir() else None
        if split in splits:
            raise InputError(
                f"{str(folder)!r} holds both {splits[split].name!r} and {entry.name!r}; expected one folder for "
                f"{split}; join them or remove one"
            )
        if split is not None:
            splits[split] = Path(entry)
        elif any(_is_picture(other.name) for other in (_visible(Path(entry)) if entry.is_dir() else [entry])):
            others = True
    return splits if "train" in splits and (len(splits) > 1 or not others) else {}


def _find_test(found: Survey, splits: dict[str, Path]) -> None:
    """Take the test pictures from test/, else from val/, unless there are none with the classes of train/."""
    for split in ("test", "val"):
        if split not in splits:
            continue
        path = splits[split]
        if found.test:
            found.left_out[f"in {plain_name(path)}/"] += _count_pictures(path)
            continue
        classes = _find_classes(path, found)
        labelled = UNLABELLED not in found.train
        if labelled and UNLABELLED in classes:
            found.left_out[f"without a class in {plain_name(path)}/"] += len(classes[UNLABELLED])
            continue
        if unknown := [name for name in classes if name not in found.train]:
            raise InputError(
                f"{str(path.parent)!r} has class {unknown[0]!r} in only {path.name}/; expected the classes of "
                f"{splits['train'].name}/ ({listed([*found.train])}) in it; add or remove it"
            )
        found.test = classes
        missing = [name for name in found.train if name not in classes]
        if classes and missing:
            found.notes.append(f"in {plain_name(path)}/ no picture of {listed(missing)}")
        if classes and split == "val":
            found.notes.append(f"{plain_name(path)}/ taken for test")


def _find_classes(folder: Path, found: Survey) -> Classes:
    """The pictures in `folder`, or in the folders of it, by class; what is no picture is counted."""
    flat = _find_pictures(folder, found)
    folders = [Path(entry) for entry in _visible(folder) if entry.is_dir()]
    folders.sort(key=lambda path: natural_key(path.name))
    classes: Classes = {}
    for path in folders:
        classes.setdefault(plain_name(path), []).extend(_find_pictures(path, found))
        found.left_out["in deeper folders"] += sum(
            _count_pictures(Path(deeper)) for deeper in _visible(path) if deeper.is_dir()
        )
    empty = [name for name, pictures in classes.items() if not pictures]
    classes = {name: pictures for name, pictures in classes.items() if pictures}
    if flat and classes:
        raise InputError(
            f"{str(folder)!r} holds pictures, as {flat[0].name!r}, beside folders of pictures, as "
            f"{next(iter(classes))!r}; expected one or the other; move the loose pictures into a class folder"
        )
    if empty:
        found.notes.append(f"no pictures in {'folders' if len(empty) > 1 else 'folder'} {listed(empty)}")
    return {UNLABELLED: flat} if flat else classes


def _find_pictures(folder: Path, found: Survey) -> list[Path]:
    """The picture files in `folder`, by name; hidden files are passed over, other kinds counted."""
    pictures = []
    for entry in _visible(folder):
        if entry.is_file() and _is_picture(entry.name):
            pictures.append(Path(entry))
        elif entry.is_file():
            ending = os.path.splitext(entry.name)[1].lower()
            found.left_out[ascii(ending)[1:-1] or "without an ending"] += 1
        elif entry.is_symlink() and not os.path.exists(entry):
            found.left_out["linked to nothing"] += 1
    return pictures


def _count_pictures(folder: Path) -> int:
    names = (name for _, _, names in os.walk(folder) for name in names)
    return sum(_is_picture(name) for name in islice(names, _MAX_FILES))


def _visible(folder: Path) -> list[os.DirEntry[str]]:
    """What is in a folder and not hidden, by name; entries of the listing, which thousands of paths are slower than."""
    with os.scandir(folder) as entries:
        return sorted((entry for entry in entries if not entry.name.startswith(".")), key=lambda entry: entry.name)


def _is_picture(name: str) -> bool:
    return os.path.splitext(name)[1].lower() in EXTENSIONS and not name.startswith(".")


def _nothing_in(folder: Path, found: Survey) -> InputError:
    there = describe_counts(found.left_out)
    return InputError(
        f"{str(folder)!r} holds no images{f' that are read, but {there}' if there else ''}; expected idx files "
        "(train-images-idx3-ubyte.gz and train-labels-idx1-ubyte.gz), pictures (png, jpg, ...), a folder of pictures "
        "for each class, or train/ and test/ folders of pictures; put some there or name another folder"
    )


def describe_counts(counts: Counter[str]) -> str:
    """Counts in a line, the most frequent first: "300 .avif, 10 in deeper folders"."""
    return ", ".join(f"{count:,} {what}" for what, count in counts.most_common() if count)
