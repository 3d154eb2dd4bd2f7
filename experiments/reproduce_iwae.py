"""Does weighing several samples by their importance give a better generative model than the ELBO does?

Table 1 of Burda, Grosse and Salakhutdinov, "Importance weighted autoencoders" (ICLR 2016): one stochastic layer,
784-200-200-50, tanh, dynamically binarised MNIST, batch 20, Adam, eight stages of 3^(i-1) epochs with the learning rate
1e-3 * 10^(-(i-1)/7); the negative log-likelihood of the test images from 5,000 importance samples. Expect the IWAE with
k = 5 below k = 1 and with more active units, at any stage; the published figures themselves only after all eight.

    python experiments/reproduce_iwae.py --workers 2    five stages, k = 1 and 5: about 70 minutes on two cores
    python experiments/reproduce_iwae.py --full         the whole table, for a GPU
    python experiments/reproduce_iwae.py --smoke        seconds, leaving no results

A VAE with k samples maximises the ELBO averaged over k draws; with one sample the IWAE is the VAE, as there. A run that
ends after fewer than eight stages is a truncated one: it is compared with its like, not with what was published.

Deviations from the authors' code, github.com/yburda/iwae: Adam has beta 0.9 and epsilon 1e-8 on a batch's mean and
begins afresh with each stage (there 0.99 and 1e-4 on a batch's sum, second moments from 1 on, once for all stages);
weights are normal with the variance of the uniform ones there; images are shuffled and all 60,000 are used (there
59,600, in order); active units are counted on the test images (there on 500 training images).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import pandas as pd
import torch

import evovae
from evovae import likelihood, plots, studies
from evovae.cells import Spec
from evovae.config import Bound
from evovae.data import Images, to_unit
from evovae.runs import Run
from evovae.studies import curves, intervals, start, study

PUBLISHED: dict[tuple[Bound, int], tuple[float, int]] = {
    ("elbo", 1): (86.76, 19),
    ("elbo", 5): (86.47, 20),
    ("elbo", 50): (86.35, 20),
    ("iwae", 5): (85.54, 22),
    ("iwae", 50): (84.78, 25),
}
"""NLL in nats, and active units of 50."""
NAMES = {"elbo": "VAE", "iwae": "IWAE"}
TRUNCATED: list[tuple[Bound, int]] = [("elbo", 1), ("iwae", 5)]
STAGES, FIRST_STAGES = 8, 5
FOUND, HISTORY = "found.csv", "history.csv"


@dataclass(frozen=True)
class Arguments(studies.Arguments):
    """Settings of the study."""

    seeds: int = 3
    """Models of each kind, with seeds from 0 up."""
    full: bool = False
    """All eight stages, and all five models of the table: days on two cores."""


def main(arguments: Arguments) -> None:
    with study("reproduce_iwae", arguments.smoke) as results:
        with arguments.where.executor() as executor:
            runs = results.run_all(cells(arguments, results.cells), executor)
        found = pd.concat([run.read_table(FOUND) for run in runs], ignore_index=True)
        summary = intervals(found, ["model", "k", "epochs"], ["nll", "active_units"])
        known = [PUBLISHED[run.config["settings"]["bound"], run.config["settings"]["samples"]] for run in runs]
        summary[["published_nll", "published_units"]] = known[: len(summary)]
        results.table("summary", summary)
        history = pd.concat([run.read_table(HISTORY) for run in runs], ignore_index=True)
        results.table("history", history, show=False)
        history["kind"] = history["model"] + ", k = " + history["k"].astype(str)
        drawn = curves(history, "kind", "epochs", "nll_100")
        results.figure("training", plots.trend(drawn, "epochs", "NLL by 100 samples (nats)"))


def cells(arguments: Arguments, folder: Path) -> Iterator[Spec]:
    """A model for each bound, number of samples and seed."""
    smoke = arguments.smoke
    stages = 2 if smoke else STAGES if arguments.full else FIRST_STAGES
    models = list(PUBLISHED) if arguments.full else TRUNCATED
    for seed, (bound, k) in product(range(1 if smoke else arguments.seeds), models):
        settings = {"bound": bound, "samples": k, "stages": stages, "seed": seed, "smoke": smoke}
        yield Spec(folder / f"{NAMES[bound]} {k} {stages} {seed}", train, settings)


def train(run: Run, bound: Bound, samples: int, stages: int, seed: int, smoke: bool) -> None:
    """Fill a cell with a model at the end of each stage, and with how well the last explains the test images."""
    digits = evovae.load_images("mnist")
    test, draws = (digits.test.subset(20), 100) if smoke else (digits.test, 5000)
    config = evovae.VAEConfig(latent_dim=50, hidden=(200, 200), activation="tanh", initialisation="glorot")
    vae, history = begin(config, digits.train, seed), []
    kind = {"model": NAMES[bound], "k": samples}
    for stage in range(stages):
        path = run.folder / f"stage-{stage + 1}.safetensors"
        if path.exists():
            vae = evovae.VAE.load(path)
        else:
            for _ in evovae.fit(vae, digits.train, stage_config(bound, samples, stage, seed, smoke)):
                pass
            vae.save(path)
        bound_100 = likelihood.estimate_iwae_bound(vae, test, 100, "dynamic")
        history.append(kind | {"seed": seed, "epochs": epochs_until(stage), "nll_100": -bound_100.value})
    units = evovae.evaluate(vae, test, "dynamic").active_units
    nll = likelihood.estimate_nll(vae, test, draws, "dynamic").value
    row = kind | {"seed": seed, "epochs": epochs_until(stages - 1), "nll": nll, "active_units": units}
    run.write_table(HISTORY, pd.DataFrame(history))
    run.write_table(FOUND, pd.DataFrame([row]))


def begin(config: evovae.VAEConfig, images: Images, seed: int) -> evovae.VAE:
    """Return an untrained VAE that decodes to about the mean image: its output's biases are the pixels' log-odds."""
    vae = evovae.VAE(config, seed=seed)
    mean = to_unit(images.images).mean(0).flatten().clamp(0.001, 0.999)
    with torch.no_grad():
        *_, bias = vae.decoder.parameters()
        bias.copy_(mean.logit())
    return vae


def stage_config(bound: Bound, samples: int, stage: int, seed: int, smoke: bool) -> evovae.TrainConfig:
    """Return how a stage, counted from 0, is trained."""
    return evovae.TrainConfig(
        epochs=3**stage,
        batch_size=20,
        learning_rate=1e-3 * 10 ** (-stage / (STAGES - 1)),
        schedule="constant",
        bound=bound,
        samples=samples,
        binarisation="dynamic",
        train_images=100 if smoke else None,
        seed=STAGES * seed + stage,
    )


def epochs_until(stage: int) -> int:
    """Return the epochs up to the end of a stage, counted from 0."""
    return (3 ** (stage + 1) - 1) // 2


if __name__ == "__main__":
    start(main, Arguments, __doc__)
