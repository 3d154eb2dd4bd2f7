"""Image sets that torchvision finds in the data directory, or downloads into it."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from itertools import chain
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.error import HTTPError

import numpy as np
import torch

from evovae.base import InputError
from evovae.data.config import TORCHVISION_SETS, TorchvisionSet
from evovae.data.idx import find_idx_files
from evovae.data.images import Images, ImageSet


def default_data_dir() -> Path:
    """Where downloaded image sets are kept: `evovae` below `$XDG_CACHE_HOME`, or below `~/.cache`.

    Raises:
        InputError: if neither that variable nor a home folder is known.
    """
    try:
        return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "evovae"
    except RuntimeError as error:
        raise InputError(
            "the user's home folder is not known (HOME is not set): expected a folder for image sets; name one with "
            "--data-dir"
        ) from error


def load_torchvision_set(name: str, data_dir: Path) -> ImageSet:
    """Read one of torchvision's image sets, downloading it first if it is not there.

    CIFAR is published as pickles. They are the one exception to the rule that no pickle is loaded: torchvision reads
    them, whether downloaded or found in `data_dir`, only after each file's MD5 proved to be the published one. The
    same check is made for every other set, except for idx files found already decompressed, whose MD5 torchvision
    does not know.

    Args:
        name: a key of `TORCHVISION_SETS`.
        data_dir: where the files lie or are put.

    Raises:
        InputError: if the files are neither there nor to be had, or are not the published ones.
    """
    # Takes seconds, and most runs do not need it.
    from torchvision import datasets

    source = TORCHVISION_SETS[name]
    dataset_class = getattr(datasets, source.class_name)
    _refuse_unverified(source, dataset_class, data_dir)
    with _writable(source, data_dir) as root:
        splits = [_read(name, dataset_class, arguments, root, data_dir) for arguments in (source.train, source.test)]
    train, test = (_to_images(split, source.transposed) for split in splits)
    classes = getattr(splits[0], "classes", range(int(train.labels.max()) + 1))
    return ImageSet(name, train, test, tuple(str(label) for label in classes))


def _read(name: str, dataset_class: Any, arguments: dict[str, Any], root: Path, data_dir: Path) -> Any:
    try:
        # Standard output belongs to results; older torchvision announces its downloads there.
        with redirect_stdout(sys.stderr):
            return dataset_class(str(root), download=True, **arguments)
    # Readers that trip over a damaged file raise whatever they stumble on, beside the network's own errors.
    except Exception as error:
        source = TORCHVISION_SETS[name]
        raw = data_dir / source.class_name / "raw"
        idx = next((folder for folder in (raw, data_dir) if folder.is_dir() and find_idx_files(folder)), None)
        hint = f"; --dataset {idx} reads the idx files in it, whatever they are" if idx else ""
        if damaged := _find_damaged(source, dataset_class, data_dir):
            raise InputError(f"image set {name!r}: {damaged}{hint}") from error
        raise InputError(
            f"image set {name!r} could not be read from {str(data_dir)!r} or downloaded into it ({_reason(error)}); "
            f"put {source.files} there, or name the folder that has this with --data-dir{hint}"
        ) from error


@contextmanager
def _writable(source: TorchvisionSet, data_dir: Path) -> Iterator[Path]:
    """A folder to read and unpack in: `data_dir`, or if that has files but cannot be written to, links to them."""
    raw = data_dir / source.class_name / "raw"
    there = [path for folder in (data_dir, raw) if folder.is_dir() for path in folder.iterdir() if path.is_file()]
    if not there or all(os.access(folder, os.W_OK) for folder in (data_dir, raw) if folder.is_dir()):
        yield data_dir
        return
    with TemporaryDirectory(prefix="evovae-") as temporary:
        for path in there:
            link = Path(temporary) / path.relative_to(data_dir)
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(path.resolve())
        yield Path(temporary)


def _find_damaged(source: TorchvisionSet, dataset_class: Any, data_dir: Path) -> str:
    """Say which file is there and is not the published one, if there is one: cut, or another of that name."""
    from torchvision.datasets.utils import check_integrity

    known, raw = vars(dataset_class), data_dir / source.class_name / "raw"
    resources = known.get("resources", ())
    pairs = [*(chain(*resources.values()) if isinstance(resources, dict) else resources)]
    pairs += [(known["url"], known["md5"])] if "md5" in known else []
    files = [(raw / os.path.basename(url), md5) for url, md5 in pairs]
    files += [(data_dir / known["filename"], known["tgz_md5"])] if "tgz_md5" in known else []
    for path, md5 in files:
        if path.is_file() and not check_integrity(path, md5):
            return (
                f"{str(path)!r} is cut, or another file than the published one: expected MD5 {md5}, which its "
                f"{path.stat().st_size} bytes have not; remove it or fetch it again"
            )
    return ""


def _refuse_unverified(source: TorchvisionSet, dataset_class: Any, data_dir: Path) -> None:
    """Refuse files that torchvision would take as they are: its former pickles, and those of USPS."""
    from torchvision.datasets.utils import check_integrity

    former = data_dir / source.class_name / "processed"
    if former.exists():
        raise InputError(
            f"{str(former)!r} holds pickles of an old torchvision; expected the published files, {source.files}; "
            "remove that folder"
        )
    for _, file, md5 in getattr(dataset_class, "split_list", {}).values():
        path = data_dir / file
        if path.exists() and not check_integrity(path, md5):
            raise InputError(
                f"{str(path)!r} is not the published file; expected MD5 {md5}; remove it or fetch it again"
            )


def _reason(error: Exception) -> str:
    text = " ".join(str(error).split()) or type(error).__name__
    # The classes of the MNIST family wrap the network's error in a RuntimeError, with its text only.
    unreachable = "urlopen error" in text and not isinstance(error, HTTPError)
    return f"no network was reached: {text}" if unreachable else text


def _to_images(dataset: Any, transposed: bool) -> Images:
    images = torch.as_tensor(np.asarray(dataset.data))
    if images.ndim == 3:
        images = images.unsqueeze(1)
    elif images.shape[-1] == 3:
        images = images.permute(0, 3, 1, 2)
    if transposed:
        images = images.transpose(2, 3)
    labels = torch.as_tensor(np.asarray(dataset.targets if hasattr(dataset, "targets") else dataset.labels))
    # QMNIST gives eight numbers for each image, the class first.
    return Images(images.contiguous(), labels.reshape(len(images), -1)[:, 0].to(torch.int64))
