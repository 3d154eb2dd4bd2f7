"""Does weighing several samples by their importance give a better generative model than the ELBO does?

Table 1 of Burda, Grosse and Salakhutdinov, "Importance weighted autoencoders" (ICLR 2016): one stochastic layer,
784-200-200-50, tanh, dynamically binarised MNIST, batch 20, Adam, eight stages of 3^(i-1) epochs with the learning rate
1e-3 * 10^(-(i-1)/7); the negative log-likelihood of the test images from 5,000 importance samples. Expect the IWAE with
k = 5 below k = 1 and with more active units, at any stage; the published figures themselves only after all eight.

    python experiments/reproduce_iwae.py --workers 2    five stages, k = 1 and 5: about two hours on two cores
    python experiments/reproduce_iwae.py --full         the whole table, for a GPU
    python experiments/reproduce_iwae.py --smoke        seconds, leaving no results

With one sample the IWAE is the VAE; a VAE with more maximises the ELBO averaged over them. That with five is the
control: it sees as many samples as the IWAE, and does not weigh them. It was added after the first full run. A run that
ends after fewer than eight stages is a truncated one, and is compared with its like alone.

The rules: an order is reproduced if every model of the better kind has a lower NLL, or more active units, than every
one of the other: the IWAE with k = 5 than that with k = 1, and than the VAE with k = 5. A figure of the whole schedule
is reproduced within 0.3 nats of the published one, or one unit, and close within 1 nat, or three units.

Deviations from the authors' code, github.com/yburda/iwae: the encoder puts out the logarithm of the variance (there of
its root), from one layer with the mean (there from one of its own, with larger initial weights); Adam has beta 0.9 and
epsilon 1e-8 on a batch's mean and begins afresh with each stage (there 0.99 and 1e-4 on a batch's sum, second moments
from 1 on, once for all stages); weights are normal with the variance of the uniform ones there; images are shuffled and
all 60,000 are used (there 59,600, in order); VAEs with k = 5 and 50 know their KL divergence (there it is drawn with
the samples); active units are counted on the test images (there on 500 training images).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import pandas as pd
from published.iwae import FIGURES, MODEL, PUBLISHED, STAGES, epochs_until, judge_figures, judge_orders

import evovae
from evovae import studies
from evovae.analysis import plots
from evovae.data import Images, to_unit
from evovae.models import Bound, Training, likelihood
from evovae.runs import CheckpointConfig, Checkpoints, Run, read_checkpoint, restore
from evovae.studies import VERDICTS, Spec, curves, gather, start, study

import torch

BOUNDS: dict[str, Bound] = {"VAE": "elbo", "IWAE": "iwae"}
TRUNCATED = [("IWAE", 1), ("IWAE", 5), ("VAE", 5)]
FIRST_STAGES = 5
FOUND, HISTORY = "found.csv", "history.csv"


@dataclass(frozen=True)
class Arguments(studies.Arguments):
    """Settings of the study."""

    seeds: int = 2
    """Models of each kind, with seeds from 0 up."""
    full: bool = False
    """All eight stages, and all five models of the table: days on two cores."""


def main(arguments: Arguments) -> None:
    with study("reproduce_iwae", arguments.smoke) as results:
        with arguments.where.executor() as executor:
            runs = results.run_all(cells(arguments, results.cells), executor)
        found = gather(runs, FOUND).assign(minutes=[run.minutes for run in runs])
        known = pd.DataFrame([(*key, *figures) for key, figures in PUBLISHED.items()], columns=[*MODEL, *FIGURES])
        summary = results.intervals(found, [*MODEL, "epochs"], [*FIGURES, "minutes"]).merge(
            known, how="left", on=MODEL, suffixes=("", "_published")
        )
        results.table("summary", summary)
        results.table(VERDICTS, pd.DataFrame(judge_orders(found) + (judge_figures(summary) if arguments.full else [])))
        history = gather(runs, HISTORY)
        results.table("history", history, show=False)
        history["kind"] = history["model"] + ", k = " + history["k"].astype(str)
        drawn = curves(history, "kind", "epochs", "nll_100")
        results.figure("training", plots.trend(drawn, "epochs", "NLL by 100 samples (nats)"))


def cells(arguments: Arguments, folder: Path) -> Iterator[Spec]:
    """A model for each bound, number of samples and seed."""
    smoke = arguments.smoke
    stages = 2 if smoke else STAGES if arguments.full else FIRST_STAGES
    models = list(PUBLISHED) if arguments.full else TRUNCATED
    for seed, (model, k) in product(range(1 if smoke else arguments.seeds), models):
        settings = {"model": model, "k": k, "stages": stages, "seed": seed, "smoke": smoke}
        yield Spec(folder / f"{model} {k} {stages} {seed}", train, settings)


def train(run: Run, model: str, k: int, stages: int, seed: int, smoke: bool) -> None:
    """Fill a cell with a model at the end of each stage, and with how well the last explains the test images."""
    digits = evovae.load_images("mnist")
    test, draws = (digits.test.subset(20), 100) if smoke else (digits.test, 5000)
    config = evovae.VAEConfig(latent_dim=50, hidden=(200, 200), activation="tanh", initialisation="glorot")
    vae, history = begin(config, digits.train, seed), []
    kind = {"model": model, "k": k, "seed": seed}
    for stage in range(stages):
        fit_stage(run.folder / f"stage-{stage + 1}", vae, digits.train, stage_config(model, k, stage, seed, smoke))
        bound_100 = likelihood.estimate_iwae_bound(vae, test, 100, "dynamic")
        history.append(kind | {"epochs": epochs_until(stage), "nll_100": -bound_100.value})
    units = evovae.evaluate(vae, test, "dynamic").active_units
    nll = likelihood.estimate_nll(vae, test, draws, "dynamic").value
    row = kind | {"epochs": epochs_until(stages - 1), "nll": nll, "active_units": units}
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


def fit_stage(folder: Path, vae: evovae.VAE, images: Images, config: evovae.TrainConfig) -> None:
    """Train `vae` through a stage, whose state `folder` keeps: entered again, it resumes there."""
    folder.mkdir(exist_ok=True)
    place, training = Run(folder), Training(vae, images, config)
    if (state := read_checkpoint(place)) is not None:
        restore(place, state, {"training": training.restore})
    checkpoints = Checkpoints(place, {"training": training}, CheckpointConfig(), lambda: None)
    with checkpoints.keeping() as between_steps:
        while not training.done:
            between_steps(training.step() is not None)
    checkpoints.finish()


def stage_config(model: str, k: int, stage: int, seed: int, smoke: bool) -> evovae.TrainConfig:
    """Return how a stage, counted from 0, is trained."""
    return evovae.TrainConfig.plain(
        epochs=3**stage,
        batch_size=20,
        learning_rate=1e-3 * 10 ** (-stage / (STAGES - 1)),
        bound=BOUNDS[model],
        samples=k,
        binarisation="dynamic",
        train_images=100 if smoke else None,
        seed=STAGES * seed + stage,
    )


if __name__ == "__main__":
    start(main, Arguments, __doc__)
