"""What does the boldest eight look like that a VAE knows? The script to copy for an experiment of your own.

Trains a VAE on MNIST (or takes one that `evovae train` made), evolves latent vectors for an objective, and draws the
fitness curve against random search at the same number of evaluations, with the best images and their realism.

    python experiments/evolve_digit.py            about a minute on two cores
    python experiments/evolve_digit.py --smoke    seconds, leaving no results
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from deap import tools

import evovae
from evovae import evolution, objectives
from evovae.analysis import plots, statistics
from evovae.objectives import RealImages, measure_realism
from evovae.studies import Results, start, study, train_vae


@dataclass(frozen=True)
class Arguments:
    """Settings of the experiment."""

    vae: Path | None = None
    """Run folder or file of a VAE of MNIST; None trains one."""
    digit: int = 8
    """Class to evolve."""
    boldness: float = 0.05
    """Weight of the number of bright pixels, in nats of log-odds for each."""
    population: int = 200
    """Individuals in each replicate."""
    generations: int = 100
    """Generations after the initial one."""
    replicates: int = 10
    """Independent repetitions."""
    seed: int = 0
    """Seed of everything."""
    smoke: bool = False
    """Run in seconds, leaving no results."""


def main(arguments: Arguments) -> None:
    with study("evolve_digit", arguments.smoke) as results:
        evolve(arguments, results)


def evolve(arguments: Arguments, results: Results) -> None:
    """Evolve, and draw what came of it."""
    digits = evovae.load_images("mnist")
    if arguments.vae:
        vae = evovae.VAE.load(arguments.vae)
    else:
        vae = train_vae(digits, evovae.VAEConfig(), arguments.seed, arguments.smoke)
    judges = evovae.judges_for(digits)

    # What to evolve, and for what. Any callable from images (B, C, H, W) to fitness (B, M) is an objective.
    encoding = evovae.LatentEncoding(vae)
    objective = objectives.weighted_sum(
        [(1.0, objectives.digit(judges.judge, arguments.digit)), (arguments.boldness, objectives.boldness())],
        name=f"a bold {arguments.digit}",
    )
    toolbox = evolution.toolbox(encoding, objective)
    toolbox.register("mate", evolution.cxBlend, alpha=0.5)
    toolbox.register("mutate", evolution.mutGaussian, mu=0.0, sigma=0.5, indpb=0.2)
    toolbox.register("select", evolution.selTournament, tournsize=3)

    size, generations = (20, 3) if arguments.smoke else (arguments.population, arguments.generations)
    population = toolbox.population(n=size, replicates=arguments.replicates, seed=arguments.seed)
    best = evolution.HallOfFame(1)
    _, logbook = evolution.eaSimple(population, toolbox, cxpb=0.5, mutpb=0.2, ngen=generations, halloffame=best)

    budget = int(logbook[-1]["evaluations"].max())
    _, drawn = evolution.random_search(population, toolbox, budget)

    seen = measure_realism(encoding, best.genomes[:, 0], judges, RealImages(digits))
    seen.insert(0, "fitness", best.fitness[:, 0, 0])
    results.table("best", seen)
    curves = {"evolution": curve(logbook), "random search": curve(drawn)}
    results.figure(
        "fitness", plots.fitness_curve(curves, f"{objective.names[0]}: best so far", baselines=["random search"])
    )
    results.figure("images", plots.hall_of_fame(encoding.decode(best.genomes[:, 0]), best.fitness[:, 0], seen))


def curve(logbook: tools.Logbook) -> tuple[np.ndarray, np.ndarray]:
    """Return evaluations (G,) and the best fitness so far (R, G)."""
    evaluations, best = (np.stack(logbook.select(name), axis=1) for name in ("evaluations", "max"))
    return statistics.best_by_evaluations(evaluations, best)


if __name__ == "__main__":
    start(main, Arguments, __doc__)
