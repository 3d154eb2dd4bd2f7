"""Where may genomes lie, so that evolved images stay honest at the least cost in fitness?

The same GA (blend crossover, Gaussian mutation, D = 32) on MNIST for the log-odds of a digit and for likeness to a test
image, with each support: `free` (anywhere), `box` (|gene| at most 3), `ball` (norm at most the prior's 99% quantile),
`shell` (norm sqrt(D)), and random search at the same number of evaluations. Fitness beside realism, for the best image
of each replicate; and where the codes of real images lie. Expect the free GA to win on fitness and to leave the prior
far behind, and the bounded ones to give up fitness for images that other measures believe. The default support of
`LatentEncoding` was chosen from this table.

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
from evovae.data import Images, to_unit
from evovae.encodings import SUPPORTS
from evovae.judges import Judges
from evovae.plots import image_grid
from evovae.progress import track
from evovae.realism import realism
from evovae.studies import study


@dataclass(frozen=True)
class Arguments:
    """Settings of the study."""

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
    with (
        study("latent_support", arguments.smoke) as results,
        track("evolving", 5 * len(arguments.objectives)) as advance,
    ):
        for name in arguments.objectives:
            objective = objectives.parse(name, objectives.Context(digits, judges.judge))
            budget = 0
            for support in (*SUPPORTS, None):
                encoding = evovae.LatentEncoding(vae, support or "free")
                toolbox = evolution.toolbox(encoding, objective)
                first = toolbox.population(n=arguments.population, replicates=replicates, seed=arguments.seed)
                best = evolution.HallOfFame(1)
                if support is None:
                    evolution.random_search(first, toolbox, budget, halloffame=best)
                else:
                    _, logbook = evolution.eaSimple(first, toolbox, 0.5, 0.2, generations, halloffame=best)
                    budget = max(budget, int(logbook[-1]["evaluations"].max()))
                row = {"objective": name, "support": support or "random search"}
                rows.append(row | describe(encoding, best, judges))
                pictures.append(encoding.decode(best.genomes[:10, 0]))
                advance(len(rows), " ".join(row.values()))
        results.table("summary", pd.DataFrame(rows))
        results.table("codes", describe_codes(vae, digits.test))
        axes = image_grid(torch.cat(pictures), len(pictures[0]))
        axes.set_yticks(np.arange(len(rows)) + 0.5, [f"{row['objective']} {row['support']}" for row in rows])
        results.figure("best", axes)


def describe(encoding: evovae.LatentEncoding, best: evolution.HallOfFame, judges: Judges) -> dict[str, float]:
    """Return interquartile means over replicates of the best genomes; of fitness with its 95% interval."""
    fitness = statistics.bootstrap(best.fitness[:, 0, 0].numpy())
    seen = realism(encoding, best.genomes[:, 0], judges)
    norms = best.genomes[:, 0].norm(dim=1).numpy()
    columns = {"norm": norms} | {name: seen[name] for name in ("held_out", "log_prior", "reconstruction_distance")}
    means = {name: float(statistics.iqm(values)) for name, values in columns.items()}
    return {"fitness": fitness.estimate, "low": fitness.low, "high": fitness.high} | means


def describe_codes(vae: evovae.VAE, images: Images) -> pd.DataFrame:
    """Return where the posterior means of real images lie: quantiles of their norm, and how many each support holds."""
    codes = vae.encode(to_unit(images.images))[0]
    row = {f"norm_{q:.0%}": float(codes.norm(dim=1).quantile(q)) for q in (0.01, 0.5, 0.99)}
    for support in SUPPORTS:
        moved = (evovae.LatentEncoding(vae, support).project(codes) - codes).norm(dim=1)
        row[f"in_{support}"] = float((moved < 1e-3).float().mean())
    return pd.DataFrame([row])


if __name__ == "__main__":
    main(tyro.cli(Arguments, description=__doc__))
