"""What an explorer explores: a VAE or a generator, its images and judges, the map, and where things are kept."""

from __future__ import annotations

import contextlib
import hashlib
import sys
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from evovae import objectives
from evovae.base import InputError, failure, resolve_device, say
from evovae.data import Images, ImageSet, legible
from evovae.encodings import Encoding, LatentEncoding
from evovae.explorer.cards import Model
from evovae.explorer.jury import Jury
from evovae.explorer.latent_maps import Atlas
from evovae.explorer.launcher import Evolver
from evovae.explorer.session_store import Shelf
from evovae.objectives import RealImages
from evovae.runs import OwnCode, ProblemConfig, choose, choose_images, folder_of, genomes, load_vae, tell

TEST_IMAGES = 10_000
"""Test images at most that are encoded, for the map and to begin from."""
RUNS = Path("runs")
"""Where the evolutions of a generator are watched, and put, if not told otherwise."""


@dataclass(frozen=True)
class Known:
    """Images whose genomes are known, and the map of where they lie."""

    test: Images
    codes: Tensor
    """Genomes (N, D) of the test images: their posterior means."""
    atlas: Atlas


@dataclass(frozen=True)
class Explored:
    """Everything that the page can ask for."""

    name: str
    """Of the VAE or the generator, as people are shown it."""
    model: Model
    images: ImageSet | None
    known: Known | None
    """None where there is no encoder, or no image set."""
    missing: str
    """Why there is no map, in a sentence; empty where there is one."""
    jury: Jury
    real: RealImages | None
    shelf: Shelf
    evolver: Evolver
    runs: Path
    """The folder whose evolutions can be watched."""
    digest: str
    """What tells this VAE or generator from another, in files of genomes."""

    @property
    def not_typical(self) -> str:
        """Why typicality is not measured; empty where it is."""
        return "there is no image set to compare with" if self.real is None else self.real.trouble

    def require_known(self) -> Known:
        """Return the images whose genomes are known.

        Raises:
            InputError: if there are none.
        """
        if self.known is None:
            raise InputError(self.missing)
        return self.known

    def start(self) -> None:
        """Begin what takes longer than the page should wait for."""
        if self.known is not None:
            self.known.atlas.start()
        self.jury.start()

    def close(self) -> None:
        """End what runs beside the page."""
        self.jury.close()
        if self.known is not None:
            self.known.atlas.close()
        self.evolver.close()


@dataclass(frozen=True)
class _Subject:
    """What a command names."""

    name: str
    encoding: Encoding
    images: ImageSet | None
    judges: list[Path]
    """Folders where they may be."""
    identity: str
    """Tells it from another; empty where nothing does."""
    kept: Path
    """Folder for sessions and the map."""
    runs: Path
    model: list[str]
    """Options that name it, and `data`, those that name its images."""
    data: list[str]


def explore(
    vae_path: Path | None = None,
    *,
    generator: str | None = None,
    range: tuple[float, float] | None = None,
    dataset: str | None = None,
    data_dir: str | None = None,
    runs: Path | None = None,
) -> Explored:
    """Read a VAE, or a generator, and all that belongs to it.

    Args:
        vae_path: run folder or file of the VAE.
        generator: another decoder instead, as `load_generator` takes it; code that it names is run.
        range: what the generator's file gives for black and for white.
        dataset: image set; None: the one that the VAE's run folder remembers, or none.
        data_dir: where torchvision's image sets are; None: what the run folder remembers.
        runs: folder of the evolutions that can be watched; None: the one that the VAE's run folder lies in, or `RUNS`.

    Raises:
        InputError: if neither or both are named, it cannot be read, decodes what cannot be shown, or its images cannot
            be had.
    """
    named = ProblemConfig(vae=None if vae_path is None else str(vae_path), generator=generator, range=range)
    if runs is not None and not runs.is_dir():
        raise InputError(f"{runs} is no folder: expected one that holds runs of evovae evolve")
    read = _read_generator if vae_path is None else _read_vae
    subject = read(named, dataset, data_dir, runs)
    encoding, images = subject.encoding, subject.images
    real = None if images is None else RealImages(images, encoding.device)
    jury = Jury(images, subject.judges, encoding.device)
    model = Model(encoding, jury, real)
    found = _encoded(model, images)
    _require_folder(subject.runs)
    if images is not None:
        tell(images)
    kept = _writable(subject.kept) if subject.identity else None
    context = objectives.Context(
        images, torch.nn.Identity(), pictures=None
    )  # objectives are named here, and asked elsewhere
    digest = genomes.owner_of(encoding)
    return Explored(
        name=legible(subject.name),
        model=model,
        images=images,
        known=found and Known(*found, Atlas(found[1], found[0].labels, kept, subject.identity)),
        missing=_why_no_map(model, images),
        jury=jury,
        real=real,
        shelf=Shelf(encoding, subject.identity, kept),
        evolver=Evolver(encoding, context, subject.model, subject.data, subject.runs.resolve()),
        runs=subject.runs.resolve(),
        digest=digest,
    )


def _read_vae(named: ProblemConfig, dataset: str | None, data_dir: str | None, runs: Path | None) -> _Subject:
    assert named.vae is not None
    path = Path(named.vae)
    vae = load_vae(path).to(resolve_device("auto"))
    data, images, changed = choose_images(vae, path, dataset, data_dir)
    if changed:
        say(f"evovae: the VAE has learned other images than those of {data.dataset} now")
    folder = folder_of(path).resolve()
    return _Subject(
        name=folder.name if path.is_dir() else path.name,
        encoding=LatentEncoding(vae),
        images=images,
        judges=[folder],
        identity=genomes.digest_of(vae),
        kept=folder / "explorer",
        runs=runs or (folder.parent if path.is_dir() else folder),
        model=["--vae", str(path.resolve())],
        data=_options(data.dataset if changed else dataset, data_dir),
    )


def _read_generator(named: ProblemConfig, dataset: str | None, data_dir: str | None, runs: Path | None) -> _Subject:
    code = OwnCode()
    chosen = choose(named, code, resolve_device("auto"), dataset, data_dir)
    assert named.generator is not None
    spec = code.admit(named.generator, "generator")
    content = "".join(source.sha256 for source in code.sources)
    found = genomes.owner_of(chosen.encoding) or (content and f"{named.generator} {content}")
    identity = found and hashlib.sha256(found.encode()).hexdigest()
    runs = runs or RUNS
    return _Subject(
        name=named.generator.rpartition("/")[2],
        encoding=chosen.encoding,
        images=chosen.images,
        judges=[runs / "explorer" / identity[:16]] if identity else [],
        identity=identity,
        kept=runs / "explorer" / identity[:16],
        runs=runs,
        model=["--generator", spec] + ([] if named.range is None else ["--range", *map(str, named.range)]),
        data=_options(dataset, data_dir),
    )


def _options(dataset: str | None, data_dir: str | None) -> list[str]:
    return [f"--dataset={dataset}"] * (dataset is not None) + [f"--data-dir={data_dir}"] * (data_dir is not None)


def _encoded(model: Model, images: ImageSet | None) -> tuple[Images, Tensor] | None:
    """Return the test images, and their genomes (N, D); None where there is no encoder, or no image set."""
    if images is None or not model.encoding.encodes:
        return None
    test = Images(images.test.images[:TEST_IMAGES], images.test.labels[:TEST_IMAGES])
    try:
        codes = model.encode(test.images)
    except Exception as error:  # of somebody's code
        raise InputError(f"the encoder fails for images of shape {images.shape}: {failure(error, None)}") from error
    if tuple(codes.shape) != (len(test), model.encoding.dim):
        raise InputError(f"the encoder gives codes of shape {tuple(codes.shape)}: expected {model.encoding.dim} genes")
    return test, codes


def _require_folder(runs: Path) -> None:
    """Make the folder of runs where it is missing, or refuse it."""
    try:
        runs.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{runs} cannot be a folder of runs ({error.strerror}): name one with --runs") from error


def _why_no_map(model: Model, images: ImageSet | None) -> str:
    if model.drawing.curves:
        return "There is no map: it shows where known images lie, and this generator makes curves."
    if not model.encoding.encodes:
        return "There is no map: this generator has no encoder that says where known images lie."
    return "" if images else "There is no map: no image set is named; give one with --dataset."


def _writable(folder: Path) -> Path | None:
    """Return the folder that sessions and the map are kept in, made when missing; None if that cannot be."""
    with contextlib.suppress(OSError):
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / ".probe"
        probe.touch()
        probe.unlink()
        return folder
    print(f"evovae: {folder} cannot be written: sessions and the map are kept in memory alone", file=sys.stderr)
    return None
