"""Which variance of the initial weights lets signals and gradients through a deep network, and does training need it?

The founding notebook asks for normal weights of a variance that lets gradients neither explode nor vanish. Four of them
(`evovae.models.initialise`): 1/N_in (`lecun`), 2/N_in (`he`), 2/(N_in + N_out) (`glorot`), 1 (`unit`). First a stack
of 20 layers before any training: how large is what a layer puts out before its nonlinearity, and the gradient at a
layer's input when a standard normal one enters at the end, so that no loss shapes it? Widths alternate, 784, 512, 128,
512, 128, ...: were they alike, lecun and glorot would be one. Images are standardised by the mean and deviation of all
their pixels. The theory is of wide layers: most draws of a ReLU stack of these widths lie a little below it. Then VAEs
with 1, 5 and 10 layers of 256 on either side, trained by Adam at a constant 1e-3.

Expect he to keep ReLU's variances, and lecun to halve them in every layer; through tanh, linear only near zero, lecun
to fade slowly and he to settle; glorot to lose where widths change; N(0, 1) to explode, its gradients even where tanh
bounds what comes out, and not to train. Expect less between the others in training: Adam divides by gradients' size.

    python experiments/initialisation.py --workers 2    about 5 minutes on two cores
    python experiments/initialisation.py --smoke        seconds, leaving no results

The cells: a stack with all its draws, a training. One fails if its loss or its last -ELBO is not finite. `spread` is
the variance between images in the decoder's last hidden layer, `mean_image` the -ELBO of the mean image for all.
"""

import contextlib
import functools
from collections.abc import Callable, Iterable
from itertools import product
from typing import Any

import numpy as np
import pandas as pd
from methods.signal_propagation import expect_variances, measure_variances

import evovae
from evovae.analysis import plots
from evovae.base import make_generator
from evovae.data import ImageSet, to_unit
from evovae.models import DivergenceError, TrainConfig, Training, VAEConfig, evaluate, mean_image_loss
from evovae.runs import Run
from evovae.studies import Arguments, Results, Spec, curves, start, study

import torch

SCHEMES = ("lecun", "he", "glorot", "unit")
ACTIVATIONS = {"relu": torch.relu, "tanh": torch.tanh}
WIDTHS = (784, *(512, 128) * 10)
MEASURED = "measured.csv"
SHOWN, CEILING = (1e-9, 1e9), 300.0
"""Variances and -ELBO (nats) that are drawn; what lies beyond, or failed, runs along the edge."""


def main(arguments: Arguments) -> None:
    seeds, draws, images, steps, every, depths = arguments.seeds, 20, 1000, 600, 50, [1, 5, 10]
    if arguments.smoke:
        seeds, draws, images, steps, every, depths = 1, 2, 50, 2, 1, [1]
    with plots.style(), study("initialisation", arguments.smoke) as results:

        def cells(task: Callable[..., None], kinds: dict[str, Iterable[Any]], **sizes: int) -> list[Spec]:
            settings = [dict(zip(kinds, kind, strict=True)) for kind in product(*kinds.values())]
            return [Spec(results.cells / " ".join(map(str, kind.values())), task, kind | sizes) for kind in settings]

        kinds: dict[str, Iterable[Any]] = {"activation": ACTIVATIONS, "scheme": SCHEMES}
        stacks = cells(measure, kinds, draws=draws, images=images)
        kinds = {"activation": ACTIVATIONS, "depth": depths, "scheme": SCHEMES, "seed": range(seeds)}
        trainings = cells(train, kinds, steps=steps, every=every, images=images)
        with arguments.where.executor() as executor:
            tables = [run.read_table(MEASURED) for run in results.run_all(stacks + trainings, executor)]
        write_variances(pd.concat(tables[: len(stacks)]), results)
        write_training(pd.concat(tables[len(stacks) :]), images, results)


@functools.cache
def digits() -> ImageSet:
    return evovae.load_images("mnist")


def measure(run: Run, activation: str, scheme: str, draws: int, images: int) -> None:
    """Fill a cell with the variances in a stack of layers, a row for each draw of its weights and each depth."""
    x = to_unit(digits().test.subset(images).images).flatten(1)
    x, rows = (x - x.mean()) / x.std(), []
    for seed in range(draws):
        found = measure_variances(x, ACTIVATIONS[activation], scheme, WIDTHS, make_generator(seed, 7))
        rows.append(found.assign(activation=activation, scheme=scheme, seed=seed))
    theory = expect_variances(ACTIVATIONS[activation], scheme, WIDTHS)
    run.write_table(MEASURED, pd.concat(rows).merge(theory, on="depth", suffixes=("", "_theory")))


def train(run: Run, activation: str, depth: int, scheme: str, seed: int, images: int, steps: int, every: int) -> None:
    """Fill a cell with the test -ELBO and the spread of a VAE now and then in its training; NaN once it has failed."""
    shape: dict[str, Any] = {"hidden": (256,) * depth, "activation": activation, "initialisation": scheme}
    vae = evovae.VAE(VAEConfig(**shape), seed)
    config = TrainConfig.plain(iterations=steps, batch_size=128, learning_rate=1e-3, precision="auto", seed=seed)
    training, test = Training(vae, digits().train, config), digits().test.subset(images)
    table = pd.DataFrame({"iteration": range(0, steps + 1, every), "nelbo": np.nan, "spread": np.nan})
    with contextlib.suppress(DivergenceError):
        for row, iteration in enumerate(table.iteration):
            while training.iteration < iteration:
                training.step()
            codes = vae.encode(to_unit(test.images).to(vae.device))[0]
            hidden = vae.decoder[:-2](codes)  # all but the last layer, and its shape
            table.loc[row, ["nelbo", "spread"]] = -evaluate(vae, test).elbo, hidden.var(0).mean().item()
    run.write_table(MEASURED, table.assign(activation=activation, depth=depth, scheme=scheme, seed=seed))


def write_variances(stacks: pd.DataFrame, results: Results) -> None:
    """Write and draw the variances in the stacks, beside those of the theory."""
    where = {"outputs": "layers passed", "gradients": "layers passed on the way back"}
    by = ["activation", "scheme", "depth"]
    theory = stacks[[*by, "outputs_theory", "gradients_theory"]].drop_duplicates()
    results.table("variance", results.intervals(stacks, by, list(where), "variance").merge(theory), show=False)
    axes = plots.panels(4, 2)
    for ax, (activation, column) in zip(axes, product(ACTIVATIONS, where), strict=True):
        part = stacks[stacks.activation == activation]
        drawn = {}
        for scheme, (depths, values) in curves(part, "scheme", "depth", column).items():
            drawn[f"{scheme}  {values[:, -1].mean():.0e}"] = depths, values.clip(*SHOWN)
        ax.set_ylim(*SHOWN)
        plots.trend(drawn, where[column], f"variance of {column}", yscale="log", ax=ax)
        for _, expected in part[part.seed == 0].groupby("scheme"):
            ax.plot(expected.depth, expected[f"{column}_theory"].clip(*SHOWN), "--", color="black", linewidth=0.8)
        ax.set(title=f"{activation}; dashed: theory", xticks=[1, 5, 10, 15, 20])
    results.figure("depth", axes[0])


def write_training(trainings: pd.DataFrame, images: int, results: Results) -> None:
    """Write how the trainings ended, and draw their curves."""
    mean_image = mean_image_loss(digits().train, digits().test.subset(images))
    by = ["activation", "depth", "scheme"]
    trainings = trainings.assign(nelbo=trainings.nelbo.fillna(np.inf))  # a failed training is the worst of all
    trainings["spread_start"] = trainings.groupby([*by, "seed"])["spread"].transform("first")
    last = trainings[trainings.iteration == trainings.iteration.max()]
    last = last.assign(failed=np.isinf(last.nelbo), above_mean_image=last.nelbo >= mean_image)
    summary = results.intervals(last, by, ["nelbo", "spread_start", "spread", "failed", "above_mean_image"])
    results.table("summary", summary.assign(mean_image=mean_image))
    panels = summary.groupby(by[:2], sort=False)
    axes = plots.panels(len(panels), summary.depth.nunique())
    for ax, ((activation, depth), ends) in zip(axes, panels, strict=True):
        part = trainings[(trainings.activation == activation) & (trainings.depth == depth)]
        failed = [f", {share:.0%} failed" if share else "" for share in ends.failed]
        labels = ends.scheme + "  " + ends.nelbo.map("{:.3g}".format) + failed
        drawn = curves(part.assign(nelbo=part.nelbo.clip(upper=CEILING)), "scheme", "iteration", "nelbo")
        ax.set_ylim(100, CEILING)
        plots.trend(dict(zip(labels, drawn.values(), strict=True)), "iterations", "test -ELBO (nats)", ax=ax)
        ax.axhline(mean_image, color="black", linewidth=0.8, linestyle="--")
        ax.set_title(f"{activation}, depth {depth}; dashed: the mean image")
    results.figure("training", axes[0])


if __name__ == "__main__":
    start(main, Arguments, __doc__)
