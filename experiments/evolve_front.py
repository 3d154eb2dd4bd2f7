"""What lies between a three and an eight? NSGA-II lays out every trade-off at once.

Two objectives, the judge's log-odds of one digit and of another, each maximised. One run gives a whole front of images,
from the clearest of the one to the clearest of the other. Random search at the same number of evaluations stands beside
it, measured by hypervolume: the area between the front and the worst values among draws from the prior. Expect a line
nearly straight (where the judge is torn between two digits their log-odds add up to zero), ends that reach farther
than random search's, and images in the middle that are neither.

    python experiments/evolve_front.py            about two minutes on two cores
    python experiments/evolve_front.py --smoke    seconds, leaving no results
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
import tyro
from deap import base

import evovae
from evovae import evolution, objectives, plots, statistics
from evovae.judges import Judges
from evovae.realism import realism
from evovae.streams import make_generator
from evovae.studies import study

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
    digits = evovae.load_images("mnist")
    vae = evovae.VAE.load(arguments.vae) if arguments.vae else train(digits, arguments)
    judges = evovae.judges_for(digits)
    encoding = evovae.LatentEncoding(vae)
    toolbox = evolution.toolbox(
        encoding, objectives.several([objectives.digit(judges.judge, k) for k in arguments.digits])
    )
    toolbox.register("select", evolution.selNSGA2)
    reference = worst_of_prior(encoding, toolbox, arguments.seed)

    size, generations = (20, 3) if arguments.smoke else (arguments.population, arguments.generations)
    population = toolbox.population(n=size, replicates=arguments.replicates, seed=arguments.seed)
    fronts = {name: evolution.ParetoFront(maxsize=size) for name in ("NSGA-II", "random search")}
    evolving = evolution.eaMuPlusLambda_iter(
        population, toolbox, size, size, cxpb=0.6, mutpb=0.3, ngen=generations, halloffame=fronts["NSGA-II"]
    )
    curves = {"NSGA-II": follow(evolving, fronts["NSGA-II"], reference)}
    budget = int(curves["NSGA-II"][0].max())
    drawing = evolution.random_search_iter(population, toolbox, budget, fronts["random search"])
    curves["random search"] = follow(drawing, fronts["random search"], reference)

    with study("evolve_front", arguments.smoke) as results:
        rows = [summarise(name, curves[name][1], front, encoding, judges) for name, front in fronts.items()]
        results.table("summary", pd.DataFrame(rows))
        front = fronts["NSGA-II"].fitness[0]
        shown = np.linspace(0, int(front[:, 0].isfinite().sum()) - 1, SHOWN).round().astype(int)
        images = encoding.decode(fronts["NSGA-II"].genomes[0, shown])
        names = [f"log-odds of {k}, nats" for k in arguments.digits]
        found = {name: front.fitness for name, front in fronts.items()}
        results.figure("front", plots.pareto_front(found, images, front[shown], names[0], names[1]))
        spent = {name: statistics.best_by_evaluations(*curve) for name, curve in curves.items()}
        results.figure("hypervolume", plots.fitness_curve(spent, ylabel="hypervolume, nats squared"))


def train(digits: evovae.data.ImageSet, arguments: Arguments) -> evovae.VAE:
    """Return a VAE trained with the default configuration."""
    vae = evovae.VAE(evovae.VAEConfig(), seed=arguments.seed)
    config = evovae.TrainConfig(seed=arguments.seed, train_images=2000 if arguments.smoke else None)
    for record in evovae.fit(vae, digits.train, config):
        print(f"epoch {record.epoch}: training -ELBO {-record.elbo:.2f} nats")
    return vae


def worst_of_prior(encoding: evovae.LatentEncoding, toolbox: base.Toolbox, seed: int) -> list[float]:
    """Return the smallest value of each objective among 1,000 draws from the prior."""
    fitness: torch.Tensor = toolbox.evaluate(encoding.sample(1000, make_generator(seed, 1)))
    return fitness.amin(0).tolist()


def follow(
    generations: Iterator[evolution.Generation], archive: evolution.ParetoFront, reference: list[float]
) -> tuple[np.ndarray, np.ndarray]:
    """Run a search, and return evaluations (R, G) and the hypervolume of all it has found so far (R, G)."""
    spent, volumes = [], []
    for generation in generations:
        spent.append(generation.evaluations)
        volumes.append(evolution.hypervolume(archive.population, reference))
    return torch.stack(spent, 1).numpy(), torch.stack(volumes, 1).numpy()


def summarise(
    name: str, volumes: np.ndarray, front: evolution.ParetoFront, encoding: evovae.LatentEncoding, judges: Judges
) -> dict[str, object]:
    """Return a row of the table: the hypervolume with its interval, the ends, and the realism of the whole front."""
    middle, low, high = statistics.bootstrap(volumes[:, -1])
    known = front.fitness.isfinite().all(2)
    seen = realism(encoding, front.genomes[known], judges)
    ends = front.fitness.nan_to_num(-torch.inf).amax(1).mean(0)
    return {
        "search": name,
        "hypervolume": middle,
        "low": low,
        "high": high,
        "individuals": float(known.sum(1).double().mean()),
        "mean_end_first": float(ends[0]),
        "mean_end_second": float(ends[1]),
        **seen[["held_out", "log_prior", "reconstruction_distance"]].mean().to_dict(),
    }


if __name__ == "__main__":
    main(tyro.cli(Arguments, description=__doc__))
