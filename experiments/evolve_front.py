"""What lies between a three and an eight? NSGA-II lays out every trade-off at once.

Two objectives, the judge's log-odds of one digit and of another, each maximised. One run gives a whole front of images,
from the clearest of the one to the clearest of the other. Random search at the same number of evaluations stands beside
it, measured by hypervolume: the area between the front and the worst values among draws from the prior. Expect a line
nearly straight (where the judge is torn between two digits their log-odds add up to zero), ends that reach farther
than random search's, and images in the middle that are neither.

    python experiments/evolve_front.py            about a minute on two cores
    python experiments/evolve_front.py --smoke    seconds, leaving no results
"""

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

import evovae
from evovae import evolution, objectives
from evovae.analysis import plots, statistics
from evovae.objectives import Judges, RealImages, measure_realism
from evovae.runs import Search, kind_of_archive, reference_point
from evovae.studies import Results, start, study, train_vae

SHOWN = 10


@dataclass(frozen=True)
class Arguments:
    """Settings of the experiment."""

    vae: Path | None = None
    """Run folder or file of a VAE of MNIST; None trains one."""
    digits: tuple[int, int] = (3, 8)
    """Classes to evolve."""
    population: int = 200
    """Individuals in each replicate, and offspring in a generation."""
    generations: int = 100
    """Generations after the initial one."""
    replicates: int = 10
    """Independent repetitions."""
    seed: int = 0
    """Seed of everything."""
    smoke: bool = False
    """Run in seconds, leaving no results."""


def main(arguments: Arguments) -> None:
    with study("evolve_front", arguments.smoke) as results:
        evolve(arguments, results)


def evolve(arguments: Arguments, results: Results) -> None:
    """Evolve the front, draw as many at random, and show both."""
    digits = evovae.load_images("mnist")
    if arguments.vae:
        vae = evovae.VAE.load(arguments.vae)
    else:
        vae = train_vae(digits, evovae.VAEConfig(), arguments.seed, arguments.smoke)
    judges, real = evovae.judges_for(digits), RealImages(digits)
    encoding = evovae.LatentEncoding(vae)
    objective = objectives.several([objectives.digit(judges.judge, k) for k in arguments.digits])
    toolbox = evolution.toolbox(encoding, objective)
    toolbox.register("select", evolution.selNSGA2)
    reference = reference_point(toolbox, objective.weights, encoding.device)

    size, generations = (20, 3) if arguments.smoke else (arguments.population, arguments.generations)
    population = toolbox.population(n=size, replicates=arguments.replicates, seed=arguments.seed)
    searches = {
        name: Search(objective.names, evolution.ParetoFront(), reference) for name in ("NSGA-II", "random search")
    }
    evolved, drawn = searches.values()
    evolving = evolution.eaMuPlusLambda_iter(
        population, toolbox, size, size, cxpb=0.6, mutpb=0.3, ngen=generations, halloffame=evolved.archive
    )
    evolved.run(evolving, "NSGA-II", generations + 1)
    drawing = evolution.random_search_iter(population, toolbox, evolved.evaluations, drawn.archive)
    drawn.run(drawing, "random search", math.ceil(evolved.evaluations / size))

    kind = kind_of_archive(objective.names, objective.weights)
    found = {name: kind.found(search.archive) for name, search in searches.items()}
    ends = pd.concat([describe(name, search, found[name], encoding, judges, real) for name, search in searches.items()])
    results.table("summary", results.intervals(ends, ["search"], list(ends.columns.drop(["search", "replicate"]))))
    fronts = {name: individuals.fitness for name, individuals in found.items()}
    front, genomes = fronts["NSGA-II"][0], found["NSGA-II"].genomes[0]
    shown = np.linspace(0, int(front[:, 0].isfinite().sum()) - 1, SHOWN).round().astype(int)
    labels = [f"log-odds of {k}, nats (maximised)" for k in arguments.digits]
    images = encoding.decode(genomes[shown])
    grey = ["random search"]
    results.figure("front", plots.pareto_front(fronts, images, front[shown], labels[0], labels[1], grey))
    curves = {name: curve(search.history.table) for name, search in searches.items()}
    results.figure("hypervolume", plots.fitness_curve(curves, "hypervolume, nats squared", baselines=grey))


def curve(history: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Return evaluations (G,) and the hypervolume so far (R, G)."""
    evaluations, volumes = (
        history.pivot(index="replicate", columns="generation", values=name).to_numpy(dtype=float)
        for name in ("evaluations", "hypervolume")
    )
    return statistics.best_by_evaluations(evaluations, volumes)


def describe(
    name: str,
    search: Search,
    found: evolution.Population,
    encoding: evovae.LatentEncoding,
    judges: Judges,
    real: RealImages,
) -> pd.DataFrame:
    """Return a row for each replicate: its hypervolume, the ends of its front, and how real the images along it are."""
    last = search.history.table.groupby("replicate")[["evaluations", "hypervolume"]].last().reset_index()
    archive = search.archive
    last["individuals"] = archive.population.finite.sum(1)
    last["end_first"], last["end_second"] = archive.fitness.nan_to_num(-np.inf).amax(1).T
    for replicate, (genomes, finite) in enumerate(zip(found.genomes, found.finite, strict=True)):
        seen = measure_realism(encoding, genomes[finite], judges, real)
        for measure in ("held_out", "log_prior", "typicality"):
            last.loc[replicate, measure] = seen[measure].mean()
    return last.assign(search=name)


if __name__ == "__main__":
    start(main, Arguments, __doc__)
