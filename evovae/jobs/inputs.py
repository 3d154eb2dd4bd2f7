"""What the long jobs read before they begin: image sets, and the judges beside a VAE."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import sys
import time
from dataclasses import replace
from pathlib import Path

import torch

from evovae import files
from evovae.config import DataConfig
from evovae.data import ImageSet, load_images
from evovae.errors import InputError
from evovae.judges import ROLES, JudgeEpoch, Judges, judges_for
from evovae.progress import track
from evovae.runs import Run
from evovae.vae import VAE

PATIENCE = 1.0
"""Seconds that pictures are read without a word."""


def load(data: DataConfig) -> ImageSet:
    """Load the image set that `data` describes; standard error shows progress if that takes long."""
    begun = time.monotonic()
    with contextlib.ExitStack() as stack:
        bar = functools.cache(lambda total: stack.enter_context(track("reading pictures", total)))

        def report(done: int, total: int) -> None:
            if time.monotonic() - begun > PATIENCE:
                bar(total)(done, "")

        return load_images(
            data.dataset,
            data.data_dir,
            data.image_size,
            data.grey,
            data.fit,
            data.background,
            data.unreadable,
            report,
        )


def tell(images: ImageSet) -> None:
    """Say on standard error what was read, when all else is known to be good: bad input ends with one line."""
    with contextlib.suppress(OSError, ValueError):  # closed, or full
        print(f"{images.name}: {images.summary}", file=sys.stderr)


def load_again(data: DataConfig, digest: str) -> ImageSet:
    """Load the image set of a run that began with the one of this `digest`, empty if that is not known.

    Raises:
        InputError: if it has changed since.
    """
    images = load(data)
    if digest not in ("", digest_of(images)):
        raise InputError(f"the images of {data.dataset} have changed since the run began: expected the same again")
    return images


def digest_of(images: ImageSet) -> str:
    """Return what tells an image set from another: a SHA-256 of images and labels, their shapes and order."""
    digest = hashlib.sha256()
    for split in (images.train, images.test):
        for tensor in (split.images, split.labels):
            digest.update(f"{tensor.dtype} {tuple(tensor.shape)}".encode())
            digest.update(tensor.contiguous().numpy().tobytes())
    return digest.hexdigest()


def from_anywhere(data: DataConfig, images: ImageSet) -> DataConfig:
    """Return `data` with absolute paths: a run is read from other folders, too."""
    return replace(data, dataset=images.name, data_dir=data.data_dir and str(Path(data.data_dir).resolve()))


def choose_data(vae: VAE, vae_path: str | Path, dataset: str | None, data_dir: str | None) -> DataConfig:
    """Return the image set `dataset`, brought to the shape that the VAE reads, or else the one its run remembers.

    Raises:
        InputError: if none is given, and `vae_path` is a bare file or its run folder remembers none.
    """
    if dataset is not None:
        channels, height, width = vae.config.data_shape
        return DataConfig(dataset, data_dir, height if height == width else None, grey=channels == 1)
    try:
        data = Run.open(folder_of(vae_path)).settings.data
    except InputError as error:
        raise InputError(f"{vae_path} remembers no image set ({error}): give it with --dataset") from error
    return data if data_dir is None else replace(data, data_dir=data_dir)


def find_judges(images: ImageSet, vae_path: str | Path, device: torch.device) -> Judges | None:
    """Return the image set's judges, kept beside the VAE; None for images of one class, which need telling apart."""
    if len(images.classes) < 2:
        return None
    with contextlib.ExitStack() as stack:
        bar = functools.cache(lambda: stack.enter_context(track("training judges", 2)))  # only where there is need

        def report(role: str, epoch: JudgeEpoch) -> None:
            done = (role == "heldout") + epoch.epoch / epoch.epochs
            bar()(done, f"{role} accuracy {epoch.accuracy:.3f}")

        return judges_for(images, folder_of(vae_path), device, report)


def folder_of(vae_path: str | Path) -> Path:
    """Return the folder of a VAE's run, or of its file."""
    return Path(vae_path) if Path(vae_path).is_dir() else Path(vae_path).parent


def copy_judges(source: Path, folder: Path) -> None:
    """Copy the judges that are kept in `source`, if any, into `folder`: a run is resumed from there alone."""
    for role in ROLES:
        kept, copy = source / f"{role}.safetensors", folder / f"{role}.safetensors"
        if kept.is_file() and not copy.exists():
            files.write_bytes(copy, kept.read_bytes())
