"""An image set in a folder of idx files, named as MNIST's are."""

import re
from pathlib import Path

import torch

from evovae.data.idx import read_idx
from evovae.data.images import Images, ImageSet, hold_out
from evovae.errors import InputError

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
        folder: Holds `train-images-idx3-ubyte` (N, H, W) or `train-images-idx4-ubyte` (N, C, H, W) and
            `train-labels-idx1-ubyte`, and the same for test as `t10k-` or `test-`, each perhaps with `.gz` added or
            with a dot before `idx`. Without a test pair, a tenth of train is held out.

    Raises:
        InputError: A file is missing, damaged, or does not fit the others.
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
