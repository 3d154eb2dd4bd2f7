"""What an explorer explores: a VAE with its images and judges, the map, and the places where things are kept."""

from __future__ import annotations

import contextlib
import sys
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from evovae import objectives
from evovae.base import InputError, resolve_device
from evovae.data import Images, ImageSet, legible
from evovae.encodings import LatentEncoding
from evovae.explorer.cards import Model
from evovae.explorer.jury import Jury
from evovae.explorer.latent_maps import Atlas
from evovae.explorer.launcher import Evolver
from evovae.explorer.session_store import Shelf
from evovae.objectives import RealImages
from evovae.runs import choose_images, folder_of, genomes, load_vae, tell

TEST_IMAGES = 10_000
"""Test images at most that are encoded, for the map and to begin from."""


@dataclass(frozen=True)
class Explored:
    """Everything that the page can ask for."""

    name: str
    """Of the VAE, as people are shown it."""
    model: Model
    images: ImageSet
    test: Images
    codes: Tensor
    """Genomes (N, D) of the test images: their posterior means."""
    atlas: Atlas
    jury: Jury
    shelf: Shelf
    evolver: Evolver
    runs: Path
    """The folder whose evolutions can be watched."""

    @property
    def digest(self) -> str:
        """What tells this VAE from another."""
        return self.shelf.digest

    def start(self) -> None:
        """Begin what takes longer than the page should wait for."""
        self.atlas.start()
        self.jury.start()

    def close(self) -> None:
        """End what runs beside the page."""
        self.jury.close()
        self.atlas.close()
        self.evolver.close()


def explore(
    vae_path: Path, *, dataset: str | None = None, data_dir: str | None = None, runs: Path | None = None
) -> Explored:
    """Read a VAE and all that belongs to it.

    Args:
        vae_path: run folder or file of the VAE.
        dataset: image set; None: the one that its run folder remembers.
        data_dir: where torchvision's image sets are; None: what the run folder remembers.
        runs: folder of the evolutions that can be watched; None: the one that the VAE's run folder lies in.

    Raises:
        InputError: if the VAE decodes no images, or its images cannot be had.
    """
    vae = load_vae(vae_path).to(resolve_device("auto"))
    data, images, changed = choose_images(vae, vae_path, dataset, data_dir)
    if changed:
        print(f"evovae: the VAE has learned other images than those of {data.dataset} now", file=sys.stderr)
    folder = folder_of(vae_path).resolve()
    runs = runs or (folder.parent if vae_path.is_dir() else folder)
    if not runs.is_dir():
        raise InputError(f"{runs} is no folder: expected one that holds runs of evovae evolve")
    tell(images)
    jury = Jury(images, [folder], vae.device)
    model = Model(LatentEncoding(vae), jury, RealImages(images, vae.device))
    test = Images(images.test.images[:TEST_IMAGES], images.test.labels[:TEST_IMAGES])
    codes, digest = model.encode(test.images), genomes.digest_of(vae)
    kept = _writable(folder / "explorer")
    context = objectives.Context(
        images, torch.nn.Identity(), pictures=None
    )  # objectives are named here, and asked elsewhere
    taken = data.dataset if changed else dataset
    options = [f"--dataset={taken}"] * (taken is not None) + [f"--data-dir={data_dir}"] * (data_dir is not None)
    return Explored(
        name=legible(folder.name if vae_path.is_dir() else vae_path.name),
        model=model,
        images=images,
        test=test,
        codes=codes,
        atlas=Atlas(codes, test.labels, kept, digest),
        jury=jury,
        shelf=Shelf(model.encoding, digest, kept),
        evolver=Evolver(model.encoding, context, vae_path.resolve(), options, runs.resolve()),
        runs=runs.resolve(),
    )


def _writable(folder: Path) -> Path | None:
    """Return the folder that sessions and the map are kept in, made when missing; None if that cannot be."""
    with contextlib.suppress(OSError):
        folder.mkdir(exist_ok=True)
        probe = folder / ".probe"
        probe.touch()
        probe.unlink()
        return folder
    print(f"evovae: {folder} cannot be written: sessions and the map are kept in memory alone", file=sys.stderr)
    return None
