"""How does crossover move genomes through a latent space, and what keeps evolved images honest at the least cost?

The same GA with each of four recombinations: linear (`cxBlend`, alpha 0.5), uniform, one-point, and spherical
(`cxSlerp`); in latent spaces of 8, 32 and 100 dimensions; with each support: `free` (anywhere), `box` (|gene| at most
3), `ball` (norm at most the prior's 99% quantile), `shell` (norm sqrt(D)). It evolves for the log-odds of a digit,
which have no end, and for likeness to a test image, which ends where the image is. Random search gets as many
evaluations. Reported: how far the population drifts from the prior's shell, fitness, and what others think of the best
image of each replicate: the held-out judge, and a second VAE that decodes nothing here. The default support of
`LatentEncoding` was chosen from this table. Expect free genomes to win on fitness and to leave the prior behind where
the objective has no end, linear crossover (which may step beyond the parents) fastest.

    python experiments/crossover.py --workers 2    about 10 minutes on two cores
    python experiments/crossover.py --smoke        seconds, leaving no results

A digit's fitness is its log-odds, a target's the error to it. All replicates of a latent space share one VAE: the
intervals are over searches, not over models.
"""

import re
from concurrent.futures import Executor
from dataclasses import dataclass, field
from itertools import product
from typing import Any, cast

import numpy as np
import pandas as pd

import evovae
from evovae import evolution, objectives
from evovae.analysis import plots
from evovae.base import InputError, files, require_counts, require_whole
from evovae.data import to_unit
from evovae.encodings import SUPPORTS, Support
from evovae.objectives import RealImages, assess_images
from evovae.runs import EVOLUTION, RANDOM_SEARCH, Run
from evovae.studies import Results, Spec, Workers, curves, follow, gather, intervals, start, study, train_cell

import torch

FOUND, DRIFT, IMAGES = "found.csv", "drift.csv", "images.safetensors"
OPERATORS: dict[str, dict[str, float]] = {
    "cxBlend": {"alpha": 0.5}, "cxUniform": {"indpb": 0.5}, "cxOnePoint": {}, "cxSlerp": {}
}  # fmt: skip
DRAWN = RANDOM_SEARCH.label
POINTS = 40
"""On a curve of drift."""
MEASURES = [
    "fitness", "norm", "population_norm", "judge", "held_out", "log_likelihood", "distance", "pixel_typicality",
    "feature_typicality", "typicality",
]  # fmt: skip


@dataclass(frozen=True)
class Arguments:
    """Settings of the study."""

    where: Workers = field(default_factory=Workers)
    dims: tuple[int, ...] = (8, 32, 100)
    """Sizes D of the latent space."""
    objectives: tuple[str, ...] = ("digit:3", "digit:8", "target:test/0", "target:test/1")
    """What to evolve for: digits, and test images."""
    replicates: int = 20
    """Independent repetitions."""
    population: int = 100
    """Individuals in each."""
    budget: int = 6000
    """Evaluations in each."""
    seed: int = 0
    """Seed of the VAEs and of the searches."""
    smoke: bool = False
    """Run in seconds, leaving no results."""

    def __post_init__(self) -> None:
        """Refuse what makes no study."""
        require_counts(self, "dims", "replicates", "population", "budget")
        require_whole("seed", self.seed, 0)
        for name, values in (("dims", self.dims), ("objectives", self.objectives)):
            if not values or len(set(values)) < len(values):
                raise InputError(f"{name} are {values}: expected one or more, each once")
        for name in self.objectives:
            if not re.fullmatch(r"digit:\d|target:test/\d{1,4}", name):
                raise InputError(f"objectives has {name!r}: expected digit:K, or target:test/N for a test image")


def main(arguments: Arguments) -> None:
    with study("crossover", arguments.smoke) as results:
        with arguments.where.executor() as executor:
            runs = run_cells(arguments, results, executor)
        found = gather(runs, FOUND)
        by = ["dim", "objective", "operator", "support"]
        results.table("summary", results.intervals(found, by, MEASURES), show=False)
        results.table("codes", pd.DataFrame([describe_codes(results, dim) for dim in arguments.dims]))
        draw_drift(gather(runs, DRIFT), results)
        draw_cost(found, results)
        draw_images(runs, results)


def run_cells(arguments: Arguments, results: Results, executor: Executor) -> list[Run]:
    """Train the VAEs; evolve with each operator and support, and draw as many at random; return the searches."""
    common = {"seed": arguments.seed, "smoke": arguments.smoke}
    models: dict[str, dict[str, Any]] = {f"{dim}": common | {"latent_dim": dim} for dim in arguments.dims}
    models["critic"] = common | {"seed": arguments.seed + 1}
    results.run_all([Spec(results.cells / name, train_cell, settings) for name, settings in models.items()], executor)
    replicates, budget = (2, 300) if arguments.smoke else (arguments.replicates, arguments.budget)
    sizes = {"population": arguments.population, "budget": budget, "replicates": replicates, "seed": arguments.seed}
    dims, asked, evolved = arguments.dims, arguments.objectives, list(product(OPERATORS, SUPPORTS))
    if arguments.smoke:
        dims, asked, evolved = dims[:1], asked[::2], evolved[:5]
    specs = []
    for dim, objective, (operator, support) in product(dims, asked, [*evolved, (DRAWN, "free")]):
        cell = {"dim": dim, "objective": objective, "operator": operator, "support": support}
        name = " ".join(map(str, cell.values())).replace("/", "-").replace(":", "-")
        specs.append(Spec(results.cells / name, search, cell | sizes))
    return results.run_all(specs, executor)


def search(
    run: Run, dim: int, objective: str, operator: str, support: str, population: int, budget: int, **sizes: int
) -> None:
    """Fill a cell with the drift of the population, and with the best of each replicate and what others think."""
    digits = evovae.load_images("mnist")
    judges, critic = evovae.judges_for(digits), evovae.VAE.load(run.folder.parent / "critic")
    asked = objectives.parse(objective, objectives.Context(digits, judges.judge))
    kind, _, which = objective.partition(":")
    label = int(which) if kind == "digit" else int(digits.test.labels[int(which.partition("/")[2])])
    encoding = evovae.LatentEncoding(evovae.VAE.load(run.folder.parent / f"{dim}"), cast(Support, support))
    toolbox = evolution.toolbox(encoding, asked)
    if operator in OPERATORS:
        toolbox.register("mate", getattr(evolution, operator), **OPERATORS[operator])
    first = toolbox.population(n=population, **sizes)
    course = follow(EVOLUTION.label if operator in OPERATORS else DRAWN, first, toolbox, budget)
    last = course.generation_at(budget)
    genomes = course.genomes[last]
    images = encoding.decode(genomes)
    shell = dim**0.5
    cell = {"dim": dim, "objective": objective, "operator": operator, "support": support}
    columns = {
        "replicate": range(len(genomes)),
        "fitness": asked(images)[:, 0],
        "norm": genomes.norm(dim=1) / shell,
        "population_norm": course.norm[:, last] / shell,
    }
    seen = assess_images(images, label, judges, critic, real=RealImages(digits))
    run.write_table(FOUND, pd.concat([pd.DataFrame(cell | columns), seen], axis=1))
    drift = course.table(np.linspace(population, budget, POINTS))
    run.write_table(DRIFT, drift.assign(**cell, norm=drift["norm"] / shell))
    files.save_tensors(run.folder / IMAGES, "images", {"images": images[:1]}, {})


@torch.no_grad()
def describe_codes(results: Results, dim: int) -> dict[str, float]:
    """Return where the posterior means of the test images lie: quantiles of norm, and how many each support holds."""
    vae = evovae.VAE.load(results.cells / f"{dim}")
    codes = vae.encode(to_unit(evovae.load_images("mnist").test.images))[0]
    row: dict[str, float] = {"dim": dim}
    row |= {f"norm_{q:.0%}": float(codes.norm(dim=1).quantile(q)) / dim**0.5 for q in (0.01, 0.5, 0.99)}
    for support in SUPPORTS:
        moved = (evovae.LatentEncoding(vae, support).project(codes) - codes).norm(dim=1)
        row[f"in_{support}"] = float((moved < 1e-3).float().mean())
    return row


def draw_drift(drift: pd.DataFrame, results: Results) -> None:
    """Draw the norm of free populations against evaluations, for one digit and one target in each space."""
    free = drift[drift["support"] == "free"]
    shown = list(product(free["objective"].unique()[[0, -1]], free["dim"].unique()))
    axes = plots.panels(len(shown), len(shown) // 2, width=3.5, height=2.6)
    for ax, (objective, dim) in zip(axes, shown, strict=True):
        own = free[(free["objective"] == objective) & (free["dim"] == dim)]
        drawn, title = curves(own, "operator", "evaluations", "norm"), f"{objective}, D = {dim}, anywhere"
        plots.trend(drawn, "evaluations", "norm / sqrt(D)", baseline=DRAWN, title=title, ax=ax)
    results.figure("drift", axes[0])


def draw_cost(found: pd.DataFrame, results: Results) -> None:
    """Draw fitness against typicality, operators by colour and supports by marker, for every space and objective."""
    groups = list(found.groupby(["dim", "objective"], sort=False))
    axes = plots.panels(len(groups), found["objective"].nunique(), width=3.0, height=2.7)
    for ax, ((dim, objective), own) in zip(axes, groups, strict=True):
        digit, title = objective.startswith("digit"), f"{objective}, D = {dim}"
        measures = {"typicality": "typicality", "fitness": "log-odds" if digit else "error"}
        middle = intervals(own, ["operator", "support"], list(measures))
        plots.trade_off(middle, measures, "operator", "support", "linear" if digit else "log", DRAWN, title, ax)
    axes[0].figure.legend(*axes[0].get_legend_handles_labels(), loc="outside right center", frameon=False)
    results.figure("cost", axes[0])


def draw_images(runs: list[Run], results: Results) -> None:
    """Draw the best images of one replicate: a row for each operator and support, a column for the rest."""
    images: dict[tuple[str, str], list[torch.Tensor]] = {}
    for run in runs:
        settings = run.config["settings"]
        row = images.setdefault((settings["operator"], settings["support"]), [])
        row += files.load_tensors(run.folder / IMAGES, "images")[0]["images"]
    groups = dict.fromkeys((run.config["settings"]["dim"], run.config["settings"]["objective"]) for run in runs)
    columns = [f"{objective.removeprefix('target:')}\nD = {dim}" for dim, objective in groups]
    rows = torch.stack([torch.stack(row) for row in images.values()])
    results.figure("best", plots.image_table(rows, [" ".join(name) for name in images], columns))


if __name__ == "__main__":
    start(main, Arguments, __doc__)
