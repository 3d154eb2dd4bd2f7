"""Small valid files of each format, and what the program does with them."""

import shutil
import struct
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image, ImageCms

from evovae.base import files
from evovae.cli import report
from evovae.data import load_images
from evovae.encodings import LatentEncoding, load_generator
from evovae.models import VAE, VAEConfig
from evovae.objectives import Judge
from evovae.runs import EvolutionResults, Run, figures, fitness_curves, genomes, read_examples, read_training
from fuzzing.damage import pack, pack_archive, unpack_archive

import torch

GOLDEN = Path(__file__).parents[2] / "tests" / "golden" / "format-1"


class Case(NamedTuple):
    """A valid file: its content, where it lies, and what the program does with it."""

    content: bytes
    path: Path
    read: Callable[[], object]
    draw: Callable[[], object] | None = None


def idx_files(folder: Path, ending: str = "") -> list[Case]:
    pixels = np.random.default_rng(0).integers(0, 256, (12, 8, 8), dtype=np.uint8)
    contents = {}
    for what, values in (("images", pixels), ("labels", np.arange(12, dtype=np.uint8) % 3)):
        header = struct.pack(f">BBBB{values.ndim}I", 0, 0, 8, values.ndim, *values.shape)
        content = header + values.tobytes()
        contents[f"train-{what}-idx{values.ndim}-ubyte{ending}"] = pack(content) if ending else content
    cases = []
    for name, content in contents.items():
        place = folder / name.replace(".", "-")
        place.mkdir()
        for other, valid in contents.items():
            (place / other).write_bytes(valid)
        cases.append(Case(content, place / name, partial(load_images, place)))
    return cases


def pictures(folder: Path) -> list[Case]:
    pixels = np.random.default_rng(0).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    colour, grey = Image.fromarray(pixels), Image.fromarray(pixels[..., 0])
    cases: list[Case] = []
    for ending in ("png", "jpg", "bmp", "gif", "webp", "tif", "ppm"):
        for picture in (colour, grey, colour.convert("RGBA")):
            if picture.mode == "RGBA" and ending in ("jpg", "ppm"):
                continue
            place = folder / str(len(cases))
            place.mkdir()
            path = place / f"damaged.{ending}"
            exif = Image.Exif()
            exif[0x0112] = 6
            picture.save(path, exif=exif)
            grey.save(place / "valid.png")
            cases.append(Case(path.read_bytes(), path, partial(load_images, place, image_size=8)))
    return cases + pictures_with_profiles(folder)


def pictures_with_profiles(folder: Path) -> list[Case]:
    """Pictures whose colour profile is most of their content."""
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    profile[24:36] = bytes(12)  # when it was made
    other = bytes(profile).replace("sRGB".encode("utf-16-be"), "else".encode("utf-16-be"))
    cases: list[Case] = []
    for ending in ("jpg", "tif", "webp"):
        place = folder / f"profile-{ending}"
        place.mkdir(parents=True)
        for name, shade in ((f"damaged.{ending}", 50), ("valid.png", 60)):
            Image.new("RGB", (8, 8), (shade, 2 * shade, 0)).save(place / name, icc_profile=other)
        path = place / f"damaged.{ending}"
        cases.append(Case(path.read_bytes(), path, partial(load_images, place, image_size=8)))
    return cases


def npz_files(folder: Path) -> list[Case]:
    random, cases = np.random.default_rng(0), []
    for number, (shape, save) in enumerate([((8, 8), np.savez), ((8, 8, 3), np.savez), ((8, 8), np.savez_compressed)]):
        arrays: dict[str, Any] = {}
        for split, count in (("train", 6), ("val", 2), ("test", 3)):
            arrays[f"{split}_images"] = random.integers(0, 256, (count, *shape), dtype=np.uint8)
            arrays[f"{split}_labels"] = np.arange(count, dtype=np.uint8)[:, None] % 3
        path = folder / f"{number}.npz"
        save(path, **arrays)
        path.write_bytes(pack_archive(unpack_archive(path.read_bytes()), compressed=number == 2))
        cases.append(Case(path.read_bytes(), path, partial(load_images, path)))
    return cases


def tensors(folder: Path) -> list[Case]:
    small: dict[str, Any] = {"data_shape": (1, 8, 8), "hidden": (4,), "latent_dim": 2}
    configs = (
        VAEConfig(**small),
        VAEConfig(**small, network="conv", channels=(2, 3), variational=False),
        VAEConfig(**small, likelihood="gaussian"),
    )
    cases: list[Case] = []
    for number, config in enumerate(configs):
        path = folder / f"vae-{number}.safetensors"
        VAE(config).save(path)
        cases.append(Case(path.read_bytes(), path, partial(VAE.load, path)))
    judge = folder / "judge.safetensors"
    Judge("convnext", (1, 8, 8), 2).save(judge)
    cases.append(Case(judge.read_bytes(), judge, partial(Judge.load, judge)))
    checkpoint = folder / "checkpoint.safetensors"
    state = {"adam/0/step": torch.tensor(3.0), "random": torch.arange(40, dtype=torch.uint8), "done": torch.tensor(1)}
    files.save_tensors(checkpoint, "checkpoint", state, {})
    cases.append(Case(checkpoint.read_bytes(), checkpoint, partial(files.load_tensors, checkpoint, "checkpoint")))
    cases.append(kept_genomes(folder / "kept.safetensors", genomes.to_safetensors))
    for name in ("eight", "front"):
        cases.append(run_file(folder / name, name, "population.safetensors", read_searches))
    cases.append(
        run_file(folder / "examples", "vae", "examples.safetensors", partial(read_examples, data_shape=(1, 28, 28)))
    )
    cases.append(run_file(folder / "weights", "vae", "vae.safetensors", lambda run: VAE.load(run.folder)))
    return cases


def generators(folder: Path, ending: str) -> list[Case]:
    """Decoders that were exported by evovae, and by others."""
    cases = []
    for name, limits in (("vae", None), ("generator", (-1.0, 1.0))):
        path = folder / f"{name}{ending}"
        content = (GOLDEN / "decoders" / path.name).read_bytes()
        path.write_bytes(content)
        cases.append(Case(content, path, partial(load_generator, str(path), device="cpu", range=limits)))
        cases[-1].read()  # the first takes seconds, for imports
    return cases


def configurations(folder: Path) -> list[Case]:
    return [
        run_file(folder / "vae", "vae", "config.json", lambda run: Run.open(run.folder).settings),
        run_file(folder / "eight", "eight", "config.json", read_searches),
        run_file(folder / "front", "front", "config.json", read_searches),
        run_file(folder / "made", "vae", "environment.json", lambda run: (run.environment, run.finished)),
        kept_genomes(folder / "kept.json", genomes.to_json),
    ]


def kept_genomes(path: Path, write: Callable[[torch.Tensor, str], bytes]) -> Case:
    vae = VAE(VAEConfig(data_shape=(1, 8, 8), hidden=(4,), latent_dim=2))
    content = write(torch.tensor([[0.5, -1.0], [2.0, 0.1]]), genomes.digest_of(vae))
    path.write_bytes(content)
    return Case(content, path, partial(genomes.read_genomes, path, LatentEncoding(vae)))


def tables(folder: Path) -> list[Case]:
    cases = [run_file(folder / "vae", "vae", "history.csv", read_training)]
    for name in ("eight", "front"):
        cases.append(run_file(folder / f"{name}-history", name, "history.csv", read_curves))
        cases.append(run_file(folder / f"{name}-hall", name, "hall_of_fame.csv", read_hall))
    return cases


def read_searches(run: Run) -> None:
    figures.axis_settings(Run.open(run.folder))
    read_curves(run)
    EvolutionResults(run).population(D=4)


def read_curves(run: Run) -> None:
    fitness_curves(EvolutionResults(run))


def read_hall(run: Run) -> None:
    report.summarise_evolution(EvolutionResults(run))


def run_file(folder: Path, name: str, file: str, read: Callable[[Run], object]) -> Case:
    """Return the case of a file of a golden run, copied to `folder`."""
    run = Run(shutil.copytree(GOLDEN / name, folder))
    draw = lambda: figures.draw(Run.open(folder))  # noqa: E731
    return Case((folder / file).read_bytes(), folder / file, partial(read, run), draw)
