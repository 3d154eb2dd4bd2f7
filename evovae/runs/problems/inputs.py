"""What training and evolution read before they begin: VAEs, and image sets, which must be those that a run knows."""

from __future__ import annotations

import contextlib
import functools
import os
import time
from dataclasses import replace
from pathlib import Path

from evovae.base import InputError, say, track
from evovae.data import DataConfig, ImageSet, load_images
from evovae.models import VAE
from evovae.runs.folders.folder import Run

SILENCE = 1.0
"""Seconds of reading pictures before progress is shown."""


def load(data: DataConfig) -> ImageSet:
    """Load the image set that `data` describes; standard error shows progress if that takes long."""
    begun = time.monotonic()
    with contextlib.ExitStack() as stack:
        bar = functools.cache(lambda total: stack.enter_context(track("reading pictures", total)))

        def report(done: int, total: int) -> None:
            if time.monotonic() - begun > SILENCE:
                bar(total)(done, "")

        return load_images(
            data.dataset,
            data_dir=data.data_dir,
            image_size=data.image_size,
            grey=data.grey,
            fit=data.fit,
            background=data.background,
            unreadable=data.unreadable,
            report=report,
        )


def tell(images: ImageSet) -> None:
    """Say on standard error what was read, when all else is known to be good: bad input ends with one line."""
    say(f"{images.name}: {images.summary}")


def faults_of(vae_path: str | Path) -> list[str]:
    """Return what the run folder of a VAE knows to be wrong with it; nothing of a bare file."""
    try:
        return list(Run.open(vae_path).environment.get("warnings", []))
    except InputError:
        return []


def load_again(data: DataConfig, digest: str, moved: bool = False) -> ImageSet:
    """Load the image set of a run that began with the one of this `digest`, empty if that is not known.

    Args:
        data: where it is.
        digest: what it must have.
        moved: whether the user says where it is now.

    Raises:
        InputError: if it has changed since, or is not where the run remembers it.
    """
    if not moved:
        require_place(data)
    images = load(data)
    if digest not in ("", images.digest):
        change = "are others than those that the run began with" if moved else "have changed since the run began"
        raise InputError(f"the images of {data.dataset} {change}: expected the same again")
    return images


def require_place(data: DataConfig) -> None:
    """Refuse a folder that a run remembers and that is not there.

    Raises:
        InputError: if so; it says how to name the new place.
    """
    if os.path.isabs(data.dataset) and not os.path.exists(data.dataset):
        raise InputError(f"{data.dataset} is not there any more: say where its images are now with --dataset")


def from_anywhere(data: DataConfig, images: ImageSet) -> DataConfig:
    """Return `data` with absolute paths: a run is read from other folders, too."""
    return replace(data, dataset=images.name, data_dir=data.data_dir and str(Path(data.data_dir).resolve()))


def load_vae(path: str | Path) -> VAE:
    """Return the VAE of images in a run folder or a file.

    Raises:
        InputError: if it cannot be read, or decodes no images.
    """
    vae = VAE.load(path)
    if len(vae.config.data_shape) != 3 or vae.config.data_shape[0] not in (1, 3):
        raise InputError(f"{path} decodes data of shape {vae.config.data_shape}: expected a VAE of images")
    return vae


def choose_images(
    vae: VAE, vae_path: str | Path, dataset: str | None, data_dir: str | None
) -> tuple[DataConfig, ImageSet, bool]:
    """Return the image set `dataset`, brought to the shape that the VAE reads, or else the one its run remembers.

    The third value tells whether the VAE's run is known to have learned other images.

    Raises:
        InputError: if none is given, and `vae_path` is a bare file or its run folder remembers none; or if it has
            images of another shape.
    """
    data, digest = _remembered(vae_path, required=dataset is None)
    if dataset is not None:
        channels, height, width = vae.config.data_shape
        size = height if height == width else None
        data = replace(data, dataset=dataset, data_dir=data_dir, image_size=size, grey=channels == 1)
    else:
        data = data if data_dir is None else replace(data, data_dir=data_dir)
        require_place(data)
    images = load(data)
    if images.shape != vae.config.data_shape:
        raise InputError(f"{data.dataset} has images of shape {images.shape}: the VAE decodes {vae.config.data_shape}")
    return data, images, digest not in ("", images.digest)


def _remembered(vae_path: str | Path, required: bool) -> tuple[DataConfig, str]:
    """Return the image set that a VAE's run remembers, and its digest, empty if that is not known."""
    try:
        settings = Run.open(folder_of(vae_path)).settings
        if settings.data is None:
            raise InputError("its run had none")
    except InputError as error:
        if not required:
            return DataConfig(), ""
        raise InputError(f"{vae_path} remembers no image set ({error}): give it with --dataset") from error
    return settings.data, settings.images


def folder_of(vae_path: str | Path) -> Path:
    """Return the folder of a VAE's run, or of its file."""
    return Path(vae_path) if Path(vae_path).is_dir() else Path(vae_path).parent
