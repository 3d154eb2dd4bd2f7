"""Can one backpropagate through the random node after all, and what does the reparameterisation buy?

The founding notebook moves the draw of z outside the network because no gradient passes a random node. One passes by
another way. Three estimators of the encoder's gradient of the reconstruction error: `pathwise`, the reparameterisation;
`score`, REINFORCE, which asks the decoder for the error alone; `leave-one-out`, the same with the mean error of the
image's other samples as a baseline, which has no setting and is the image's own (a moving average, NVIL's, is one for
all). The KL term is analytic, and the decoder's gradient the same for all three. First training: the same network
(784-256-10), minibatches, noise and samples, Adam at a constant rate, chosen for each by the training -ELBO of one more
seed. Then the gradient of one fixed minibatch, drawn again and again before training and after the pathwise one: its
variance, and its ratio to pathwise at equal samples. Expect one expectation (`departure` about 1, see `compare_draws`),
variances orders of magnitude apart, most of it undone by the baseline, and slow learning without.

    python experiments/reparameterisation.py --workers 2    about 5 minutes on two cores
    python experiments/reparameterisation.py --smoke        seconds, leaving no results
"""

import functools
import itertools
from dataclasses import dataclass, replace
from typing import get_args

import pandas as pd
from matplotlib.axes import Axes
from methods.gradient_estimators import Estimator, compare_draws, draw_gradients, surrogate

import evovae
from evovae import studies
from evovae.analysis.plots import panels, trend
from evovae.base import MIN_NUMBER, InputError, make_generator, require_counts, require_number, require_whole
from evovae.data import ImageSet, to_unit
from evovae.models import VAE_FILE, evaluate, mean_image_loss
from evovae.runs import Run
from evovae.studies import Spec, curves, gather, start, study

import torch

ESTIMATORS: tuple[Estimator, ...] = get_args(Estimator)
CONFIG = evovae.VAEConfig(latent_dim=10, hidden=(256,))
BATCH, SAMPLES, REFERENCE = 64, 4, 16
"""Images in a minibatch; draws of z for each in training, and for the gradient that all are held against."""
MEASURES = ["variance", "ratio_to_pathwise", "noise_to_signal", "departure"]
BLIND, LOSS, CURVE, VARIANCES = "blind decoder", "negative_elbo", "curve.csv", "variances.csv"


@dataclass(frozen=True)
class Arguments(studies.Arguments):
    """Settings of the study."""

    rates: tuple[float, ...] = (1e-4, 3e-4, 1e-3, 3e-3, 1e-2)
    """Learning rates to choose from."""
    iterations: int = 2000
    """Minibatches of a training."""
    images: int = 10_000
    """Images that -ELBO is measured on."""
    samples: tuple[int, ...] = (1, 2, 4, 16, 64)
    """Draws of z for each image, whose gradients are compared."""
    repetitions: int = 128
    """How often a gradient is drawn."""

    def __post_init__(self) -> None:
        """Refuse what makes no study."""
        super().__post_init__()
        require_counts(self, "samples")
        require_whole("iterations", self.iterations, 10)
        require_whole("repetitions", self.repetitions, 2)
        require_counts(self, "images", most=10_000)
        if not self.rates:
            raise InputError("rates is empty: expected one learning rate or more")
        for rate in self.rates:
            require_number("rates", rate, MIN_NUMBER)


def main(arguments: Arguments) -> None:
    if arguments.smoke:
        arguments = replace(arguments, rates=(1e-3,), iterations=10, images=100, samples=(1, 2), repetitions=2, seeds=1)
    with study("reparameterisation", arguments.smoke) as results, arguments.where.executor() as executor:

        def training(estimator: str, rate: float, seed: int, split: str) -> Spec:
            settings = {"estimator": estimator, "rate": rate, "seed": seed, "split": split}
            settings |= {"iterations": arguments.iterations, "images": arguments.images}
            return Spec(results.cells / f"{estimator} {rate:g} {split} {seed}", train, settings)

        grid = list(itertools.product(ESTIMATORS, arguments.rates))
        pilots = results.run_all([training(*pair, arguments.seeds, "train") for pair in grid], executor)
        rates = pd.DataFrame(grid, columns=["estimator", "learning_rate"])
        rates[LOSS] = [run.read_table(CURVE)[LOSS].iloc[-1] for run in pilots]
        results.table("rates", rates)

        best = rates.loc[rates.groupby("estimator", sort=False)[LOSS].idxmin()].itertuples(index=False)
        pairs = itertools.product(best, range(arguments.seeds))
        runs = results.run_all([training(row[0], row[1], seed, "test") for row, seed in pairs], executor)
        history = gather(runs, CURVE)
        blind = {
            "estimator": BLIND,
            LOSS: mean_image_loss(digits().train, digits().test.subset(arguments.images)),
            "kl": 0.0,
        }
        history = pd.concat([history, history[history["estimator"] == "pathwise"].assign(**blind)])
        last = history[history["iteration"] == history["iteration"].max()]
        results.table("training", results.intervals(last, ["estimator"], [LOSS, "kl"], "training"))
        drawn = curves(history, "estimator", "iteration", LOSS)
        results.figure("training", trend(drawn, "iterations", "test -ELBO (nats)", baseline=BLIND))

        size = {"samples": list(arguments.samples), "repetitions": arguments.repetitions}
        names = [run.folder.name for run in runs[: arguments.seeds]]  # of the pathwise estimator
        models = [{"seed": seed, "trained": trained} for seed, name in enumerate(names) for trained in (None, name)]
        cells = [Spec(results.cells / "variance {seed} {trained}".format(**one), measure, one | size) for one in models]
        found = gather(results.run_all(cells, executor), VARIANCES)
        results.table("summary", results.intervals(found, ["moment", "estimator", "samples", "layer"], MEASURES))
        results.figure("variance", draw_variances(found))


@functools.cache
def digits() -> ImageSet:
    return evovae.load_images("mnist")


def train(run: Run, estimator: Estimator, rate: float, seed: int, split: str, iterations: int, images: int) -> None:
    """Fill a cell with a trained VAE, and its -ELBO on images of the training or the test set, ten times on the way."""
    data, held = digits().train.images, getattr(digits(), split).subset(images)
    vae, generator, rows = evovae.VAE(CONFIG, seed=seed), make_generator(seed, 1), []
    adam = torch.optim.Adam(vae.parameters(), lr=rate, fused=True)
    for iteration in range(1, iterations + 1):
        x = to_unit(data[torch.randint(len(data), (BATCH,), generator=generator)])
        noise = torch.randn(SAMPLES, BATCH, CONFIG.latent_dim, generator=generator)
        posterior = vae.encode(x)
        adam.zero_grad()
        (surrogate(vae, x, *posterior, noise, estimator) + vae.kl_divergence(*posterior).sum(1).mean()).backward()
        adam.step()
        if iteration % (iterations // 10) == 0 or iteration == iterations:
            found = evaluate(vae, held)
            rows.append({"iteration": iteration, LOSS: -found.elbo, "kl": found.kl})
    run.write_table(CURVE, pd.DataFrame(rows).assign(estimator=estimator, seed=seed))
    vae.save(run.folder / VAE_FILE)


def measure(run: Run, seed: int, trained: str | None, samples: list[int], repetitions: int) -> None:
    """Fill a cell with the variances of all estimators: of initial weights, or of those of the cell `trained`."""
    vae = evovae.VAE.load(run.folder.parent / trained) if trained else evovae.VAE(CONFIG, seed=seed)
    x, generator, rows = to_unit(digits().train.images[:BATCH]), make_generator(seed, 2), []
    shape = (BATCH, CONFIG.latent_dim)
    reference = draw_gradients(vae, x, torch.randn(repetitions, REFERENCE, *shape, generator=generator), "pathwise")
    for count in samples:
        for estimator in ESTIMATORS if count > 1 else ESTIMATORS[:2]:  # of one sample, none is left to compare with
            noise = torch.randn(repetitions, count, *shape, generator=generator)
            for layer, draws in draw_gradients(vae, x, noise, estimator).items():
                values = compare_draws(draws, reference[layer])
                rows.append({"estimator": estimator, "samples": count, "layer": layer, **values})
    table = pd.DataFrame(rows).assign(moment="trained" if trained else "initial", seed=seed)
    pathwise = table.groupby(["samples", "layer"])["variance"].transform("first")
    run.write_table(VARIANCES, table.assign(ratio_to_pathwise=table["variance"] / pathwise))


def draw_variances(found: pd.DataFrame) -> Axes:
    """Noise to signal against samples, a row for each moment and a column for each layer."""
    axes = panels(6, 3, width=3.9, height=2.7)
    limits = found["noise_to_signal"].min() / 2, found["noise_to_signal"].max() * 2
    for ax, ((moment, layer), rows) in zip(axes, found.groupby(["moment", "layer"], sort=False), strict=True):
        ax.set_ylim(limits)
        drawn, title = curves(rows, "estimator", "samples", "noise_to_signal"), f"{moment}: {layer}"
        trend(drawn, "samples for each image", "variance / squared gradient", "log", "log", title=title, ax=ax)
    return axes[0]


if __name__ == "__main__":
    start(main, Arguments, __doc__)
