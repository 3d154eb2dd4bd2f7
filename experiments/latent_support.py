"""Where may genomes lie, so that evolved images stay honest at the least cost in fitness?

The same GA (blend crossover, Gaussian mutation, D = 32) for `digit:K` on MNIST, with each support: `free` (anywhere),
`box` (|gene| at most 3), `ball` (norm at most the prior's 99% quantile), `shell` (norm sqrt(D)), and random search at
the same number of evaluations. Fitness beside realism, for the best image of each replicate. Expect the free GA to win
on fitness and to leave the prior far behind, and the bounded ones to give up fitness for images that other measures
believe. The default support of `LatentEncoding` was chosen from this table.

    python experiments/latent_support.py            about 5 minutes on two cores
    python experiments/latent_support.py --smoke    seconds, leaving no results
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
import tyro

import evovae
from evovae import evolution, objectives, statistics
from evovae.encodings import SUPPORTS
from evovae.judges import Judges
from evovae.plots import image_grid
from evovae.progress import track
from evovae.realism import realism
from evovae.studies import study


@dataclass(frozen=True)
class Arguments:
    """Settings of the study."""

    classes: tuple[int, ...] = (3, 8)
    """Digits to evolve."""
    replicates: int = 20
    """Independent repetitions."""
    population: int = 200
    """Individuals in each."""
    generations: int = 100
    """Generations after the initial one."""
    seed: int = 0
    """Seed of the VAE and of the evolutions."""
    threads: int = 1
    """Threads of torch."""
    smoke: bool = False
    """Run in seconds, leaving no results."""


def main(arguments: Arguments) -> None:
    torch.set_num_threads(arguments.threads)
    digits = evovae.load_images("mnist")
    vae = evovae.VAE(evovae.VAEConfig(), seed=arguments.seed)
    training = evovae.TrainConfig(seed=arguments.seed, train_images=2000 if arguments.smoke else None)
    for record in evovae.fit(vae, digits.train, training):
        print(f"epoch {record.epoch}: training -ELBO {-record.elbo:.2f}")
    judges = evovae.judges_for(digits)
    replicates, generations = (2, 3) if arguments.smoke else (arguments.replicates, arguments.generations)
    rows, pictures = [], []
    with study("latent_support", arguments.smoke) as results, track("evolving", 5 * len(arguments.classes)) as advance:
        for k in arguments.classes:
            budget = 0
            for support in (*SUPPORTS, None):
                random = support is None
                encoding = evovae.LatentEncoding(vae, support or "free")
                toolbox = evolution.toolbox(encoding, objectives.digit(judges.judge, k))
                first = toolbox.population(n=arguments.population, replicates=replicates, seed=arguments.seed)
                best = evolution.HallOfFame(1)
                if random:
                    evolution.random_search(first, toolbox, budget, halloffame=best)
                else:
                    _, logbook = evolution.eaSimple(first, toolbox, 0.5, 0.2, generations, halloffame=best)
                    budget = max(budget, int(logbook[-1]["evaluations"].max()))
                rows.append(describe(k, support or "random search", encoding, best, judges))
                pictures.append(encoding.decode(best.genomes[:10, 0]))
                advance(len(rows), f"digit:{k} {support or 'random search'}")
        results.table("summary", pd.DataFrame(rows))
        columns = len(pictures[0])
        axes = image_grid(torch.cat(pictures), columns)
        axes.set_yticks(np.arange(len(rows)) + 0.5, [f"digit:{row['digit']} {row['support']}" for row in rows])
        results.figure("best", axes)


def describe(
    k: int, support: str, encoding: evovae.LatentEncoding, best: evolution.HallOfFame, judges: Judges
) -> dict[str, object]:
    """Return a row of the summary: interquartile means over replicates, of fitness with its 95% interval."""
    fitness = statistics.bootstrap(best.fitness[:, 0, 0].numpy())
    seen = realism(encoding, best.genomes[:, 0], judges)
    return {
        "digit": k,
        "support": support,
        "fitness": fitness.estimate,
        "low": fitness.low,
        "high": fitness.high,
        "norm": statistics.iqm(best.genomes[:, 0].norm(dim=1).numpy()),
        "held_out": statistics.iqm(seen["held_out"]),
        "held_out_lowest": seen["held_out"].min(),
        "log_prior": statistics.iqm(seen["log_prior"]),
        "reconstruction_distance": statistics.iqm(seen["reconstruction_distance"]),
    }


if __name__ == "__main__":
    main(tyro.cli(Arguments, description=__doc__))
