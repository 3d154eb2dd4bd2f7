"""Searches for shapes of known parameters: in these, in latent spaces of VAEs that have seen some, and in pixels."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple, cast

import pandas as pd
from deap import base

import evovae
from evovae import evolution
from evovae.base import files, make_generator
from evovae.data import Images
from evovae.encodings import Encoding, Support
from evovae.models import VAE_FILE
from evovae.runs import Run
from evovae.studies import Spec
from methods import shapes
from methods.diversity import nearest_shapes, pure_diversity

import torch
from torch import Tensor

GRID, RANGES = (22, 20), ((0.0, 0.66), (0.0, 1.0))
"""Cells, and ranges, of area and roundness."""
MIDDLE, LARGE = (4, 5, 6), tuple(range(8, 22))
"""Cells of the areas that a VAE may not have seen: 0.12 to 0.21, and 0.24 and more."""
ALL = "all"
UNSEEN = {ALL: (), "no middle": MIDDLE, "no large": LARGE}
LINE, CMA_ME, RANDOM = "MAP-Elites (line)", "CMA-ME", "random"
PARAMETERS, PIXELS, LATENT = "parameters", "pixels", "latent, "
BALL, BOX, FREE = (f"{LATENT}{support}" for support in ("ball", "box", "free"))


class Search(NamedTuple):
    """How shapes are searched for."""

    space: str
    method: str = LINE
    seen: str = ALL
    """By the VAE."""


SEARCHES = [Search(PARAMETERS, method) for method in (LINE, CMA_ME, RANDOM)]
SEARCHES += [Search(BOX, method) for method in (LINE, CMA_ME, RANDOM)]
SEARCHES += [Search(BALL), Search(FREE), Search(PIXELS), Search(BOX, LINE, "no middle"), Search(BOX, LINE, "no large")]
TRAINING, LATENT_DIM = 20_000, shapes.DIM
FIRST, BATCH, GENERATIONS, EMITTERS = 512, 32, 1024, 2
JUDGED, ALIKE = 100, 0.85
"""Elites that are judged, drawn evenly; a shape overlaps at least so much with the nearest that is found, in 95%."""
FOUND, CURVES, ELITES = "found.csv", "curves.csv", "elites.safetensors"


def trainings(folder: Path, seeds: range, smoke: bool) -> Iterator[Spec]:
    """Yield the cells that train VAEs."""
    for seed in seeds:
        for seen in UNSEEN:
            yield Spec(folder / f"vae {seen} {seed}", train, {"seen": seen, "seed": seed, "smoke": smoke})


def searches(folder: Path, seeds: range, smoke: bool) -> Iterator[Spec]:
    """Yield the cells that search."""
    for seed in seeds:
        for number, how in enumerate(SEARCHES):
            settings = {"number": number, "seed": seed, "smoke": smoke}
            yield Spec(folder / f"{how.space} {how.method} {how.seen} {seed}", search, settings)


def train(run: Run, seen: str, seed: int, smoke: bool) -> None:
    """Fill a cell with a VAE of shapes, but for those of areas that it is not to see."""
    encoding, generator, wanted = shapes.encoding(), make_generator(seed, 1), 500 if smoke else TRAINING
    images = torch.empty(0, 1, shapes.SIDE, shapes.SIDE)
    while len(images) < wanted:
        drawn = encoding.decode(encoding.sample(1000, generator))
        images = torch.cat([images, drawn[~torch.isin(column(drawn), torch.tensor(UNSEEN[seen]))]])
    images = images[:wanted].mul(255).round().to(torch.uint8)
    config = evovae.VAEConfig(data_shape=(1, shapes.SIDE, shapes.SIDE), latent_dim=LATENT_DIM)
    vae = evovae.VAE(config, seed=seed)
    for _ in evovae.fit(
        vae, Images(images, torch.zeros(len(images), dtype=torch.int64)), evovae.TrainConfig(seed=seed)
    ):
        pass
    vae.save(run.folder / VAE_FILE)


def column(images: Tensor) -> Tensor:
    """Return which cell along the area images (B, 1, H, W) lie in, int64 (B,)."""
    return (shapes.area(images) / RANGES[0][1] * GRID[0]).long()


@torch.no_grad()
def search(run: Run, number: int, seed: int, smoke: bool) -> None:
    """Fill a cell with what a search finds, how diverse that is, and how like shapes."""
    how = SEARCHES[number]
    encoding = make_encoding(how, run.folder.parent / f"vae {how.seen} {seed}")
    toolbox = evolution.toolbox(encoding, shapes.symmetry, measures=measures)
    archive = evolution.GridArchive(GRID, RANGES)
    rows = []
    for step in steps(how, toolbox, archive, seed, 8 if smoke else GENERATIONS):
        if step.gen % 16 == 0 or how.method == RANDOM:
            coverage = 100 * archive.coverage.item()
            rows.append({**how._asdict(), "evaluations": int(step.evaluations), "coverage": coverage})
    run.write_table(CURVES, pd.DataFrame(rows))
    images = torch.cat([encoding.decode(some) for some in archive.genomes[0].split(1000)])
    row = {**how._asdict(), "seed": seed, "elites": len(images), "coverage": 100 * archive.coverage.item()}
    row |= {"qd_score": 100 * archive.norm_qd_score.item(), "symmetry": archive.objective[0].mean().item()}
    for name, zone in (("middle", MIDDLE), ("large", LARGE)):
        row[name] = int(torch.isin(column(images), torch.tensor(zone)).sum())
    run.write_table(FOUND, pd.DataFrame([row | judge(images, seed, 2 if smoke else 60)]))
    elites = {"images": images, "index": archive.index[0], "objective": archive.objective[0]}
    files.save_tensors(run.folder / ELITES, "elites", elites, {})


def judge(images: Tensor, seed: int, generations: int) -> dict[str, float]:
    """Return how diverse a hundred of the elites are, and how like shapes."""
    drawn = torch.randperm(len(images), generator=make_generator(seed, 2))[:JUDGED]
    bitmaps = shapes.bitmaps(images[drawn])
    nearest, overlap = nearest_shapes(bitmaps, seed, generations)
    return {
        "diversity": pure_diversity(bitmaps),
        "diversity_of_shapes": pure_diversity(nearest),
        "overlap": overlap.mean().item(),
        "shapes": 100 * (overlap >= ALIKE).double().mean().item(),
    }


def steps(
    how: Search, toolbox: base.Toolbox, archive: evolution.GridArchive, seed: int, generations: int
) -> Iterator[evolution.Generation]:
    """Return the generations that fill an archive, of as many evaluations by any method."""
    if how.method == RANDOM:
        population = toolbox.population(n=FIRST, seed=seed)
        return evolution.random_search_iter(population, toolbox, FIRST + BATCH * generations, halloffame=archive)
    if how.method == LINE:
        lines = evolution.IsoLineEmitter(batch_size=BATCH, initial=FIRST)
        return evolution.illuminate_iter(toolbox, archive, lines, 1 + generations, seed=seed)
    emitter = evolution.EvolutionStrategyEmitter(toolbox.encoding.sigma, BATCH // EMITTERS, EMITTERS, "2imp")
    return evolution.illuminate_iter(toolbox, archive, emitter, FIRST // BATCH + generations, seed=seed)


def make_encoding(how: Search, trained: Path) -> Encoding:
    """Return what is searched, with the VAE of the folder `trained` where that is a latent space."""
    if how.space == PARAMETERS:
        return shapes.encoding()
    if how.space == PIXELS:
        return evovae.PixelEncoding((1, shapes.SIDE, shapes.SIDE))
    return evovae.LatentEncoding(evovae.VAE.load(trained / VAE_FILE), cast(Support, how.space.removeprefix(LATENT)))


def measures(images: Tensor) -> Tensor:
    """Return area and roundness (B, 2)."""
    return torch.stack((shapes.area(images), shapes.roundness(images)), 1)
