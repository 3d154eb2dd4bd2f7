"""Where may genomes lie, so that evolved images stay honest at the least cost in fitness?

The same GA (blend crossover, Gaussian mutation, D = 32) on MNIST for the log-odds of a digit and for likeness to a test
image, with each support: `free` (anywhere), `box` (|gene| at most 3), `ball` (norm at most the prior's 99% quantile),
`shell` (norm sqrt(D)), and random search at the same number of evaluations. Fitness beside realism, for the best image
of each replicate; and where the codes of real images lie. Expect the free GA to win on fitness and to leave the prior
far behind, and the bounded ones to give up fitness for images that other measures believe. The default support of
`LatentEncoding` was chosen from this table.

    python experiments/latent_support.py --workers 2    about 3 minutes on two cores
    python experiments/latent_support.py --workers 2    as many cells at a time
    python experiments/latent_support.py --smoke        seconds, leaving no results

The cells: the VAE, each search for each objective. Stopped and started again, the study goes on with what is missing.
"""

import itertools
import re
from concurrent.futures import Executor
from dataclasses import dataclass, field
from typing import Any, cast

import numpy as np
import pandas as pd
import torch

import evovae
from evovae import evolution, files, objectives, statistics
from evovae.cells import Spec
from evovae.config import Support
from evovae.data import Images, to_unit
from evovae.encodings import SUPPORTS
from evovae.executors import Workers
from evovae.plots import image_grid
from evovae.realism import realism
from evovae.runs import Run
from evovae.studies import Results, start, study, train_vae
from evovae.vae import FILE_NAME

BEST, IMAGES = "best.csv", "images.safetensors"
DRAWN = "random search"


@dataclass(frozen=True)
class Arguments:
    """Settings of the study."""

    where: Workers = field(default_factory=Workers)
    objectives: tuple[str, ...] = ("digit:3", "digit:8", "target:test/0", "target:test/1")
    """What to evolve for; a target's error is minimised."""
    replicates: int = 20
    """Independent repetitions."""
    population: int = 200
    """Individuals in each."""
    generations: int = 100
    """Generations after the initial one."""
    seed: int = 0
    """Seed of the VAE and of the evolutions."""
    smoke: bool = False
    """Run in seconds, leaving no results."""


def main(arguments: Arguments) -> None:
    digits = evovae.load_images("mnist")
    context = objectives.Context(digits, evovae.judges_for(digits).judge)
    for name in arguments.objectives:
        objectives.parse(name, context)  # a mistake is told before anything runs
    with study("latent_support", arguments.smoke) as results:
        with arguments.where.executor() as executor:
            runs = run_cells(arguments, results, executor)
        rows = [describe(run) for run in runs]
        results.table("summary", pd.DataFrame(rows))
        results.table("codes", describe_codes(evovae.VAE.load(results.cells / "vae"), digits.test))
        pictures = [files.load_tensors(run.folder / IMAGES, "images")[0]["images"] for run in runs]
        axes = image_grid(torch.cat(pictures), len(pictures[0]))
        axes.set_yticks(np.arange(len(rows)) + 0.5, [f"{row['objective']} {row['support']}" for row in rows])
        results.figure("best", axes)


def run_cells(arguments: Arguments, results: Results, executor: Executor) -> list[Run]:
    """Train the VAE, evolve with each support, and draw as many at random; return the searches by objective."""
    replicates, generations = (2, 3) if arguments.smoke else (arguments.replicates, arguments.generations)
    sizes = {"population": arguments.population, "replicates": replicates, "seed": arguments.seed}

    def cell(objective: str, support: str, **limit: int) -> Spec:
        folder = results.cells / re.sub(r"\W+", "-", f"{objective} {support}")
        return Spec(folder, search, {"objective": objective, "support": support, **sizes, **limit})

    results.run_all([Spec(results.cells / "vae", train, {"seed": arguments.seed, "smoke": arguments.smoke})], executor)
    pairs = itertools.product(arguments.objectives, SUPPORTS)
    evolved = results.run_all([cell(*pair, generations=generations) for pair in pairs], executor)
    budgets = dict.fromkeys(arguments.objectives, 0)
    for run in evolved:
        name = run.config["settings"]["objective"]
        budgets[name] = max(budgets[name], int(run.read_table(BEST)["evaluations"].max()))
    drawn = results.run_all([cell(name, DRAWN, budget=budget) for name, budget in budgets.items()], executor)
    return sorted(evolved + drawn, key=lambda run: arguments.objectives.index(run.config["settings"]["objective"]))


def train(run: Run, seed: int, smoke: bool) -> None:
    """Fill a cell with the VAE that all searches share."""
    train_vae(evovae.load_images("mnist"), evovae.VAEConfig(), seed, smoke).save(run.folder / FILE_NAME)


def search(run: Run, objective: str, support: str, population: int, replicates: int, seed: int, **limit: int) -> None:
    """Fill a cell with the best of each replicate: evolved for some generations, or drawn within a budget."""
    digits = evovae.load_images("mnist")
    judges = evovae.judges_for(digits)
    vae = evovae.VAE.load(run.folder.parent / "vae")
    encoding = evovae.LatentEncoding(vae, "free" if support == DRAWN else cast(Support, support))
    toolbox = evolution.toolbox(encoding, objectives.parse(objective, objectives.Context(digits, judges.judge)))
    first = toolbox.population(n=population, replicates=replicates, seed=seed)
    best = evolution.HallOfFame(1)
    if support == DRAWN:
        _, logbook = evolution.random_search(first, toolbox, limit["budget"], halloffame=best)
    else:
        _, logbook = evolution.eaSimple(first, toolbox, 0.5, 0.2, limit["generations"], halloffame=best)
    genomes = best.genomes[:, 0]
    found = {"evaluations": logbook[-1]["evaluations"], "fitness": best.fitness[:, 0, 0], "norm": genomes.norm(dim=1)}
    run.write_table(BEST, pd.concat([pd.DataFrame(found), realism(encoding, genomes, judges)], axis=1))
    files.save_tensors(run.folder / IMAGES, "images", {"images": encoding.decode(genomes[:10])}, {})


def describe(run: Run) -> dict[str, Any]:
    """Return interquartile means over replicates of the best genomes; of fitness with its 95% interval."""
    best, settings = run.read_table(BEST), run.config["settings"]
    fitness = statistics.bootstrap(best["fitness"].to_numpy())
    columns = ("norm", "held_out", "log_prior", "reconstruction_distance")
    return (
        {"objective": settings["objective"], "support": settings["support"]}
        | {"fitness": fitness.estimate, "low": fitness.low, "high": fitness.high}
        | {name: float(statistics.iqm(best[name].to_numpy())) for name in columns}
    )


@torch.no_grad()
def describe_codes(vae: evovae.VAE, images: Images) -> pd.DataFrame:
    """Return where the posterior means of real images lie: quantiles of their norm, and how many each support holds."""
    codes = vae.encode(to_unit(images.images))[0]
    row = {f"norm_{q:.0%}": float(codes.norm(dim=1).quantile(q)) for q in (0.01, 0.5, 0.99)}
    for support in SUPPORTS:
        moved = (evovae.LatentEncoding(vae, support).project(codes) - codes).norm(dim=1)
        row[f"in_{support}"] = float((moved < 1e-3).float().mean())
    return pd.DataFrame([row])


if __name__ == "__main__":
    start(main, Arguments, __doc__)
