"""How many examples does the autoencoder need, and how does that grow with the diversity of the images?

The default VAE learns 1, 2, 5 or 10 of MNIST's classes from n images and is tested on the test images of these classes.
Each replicate has its own choice of classes; five choose every digit once for pairs, five of the digits for one class,
overlapping ones for five classes; replicates of ten classes differ by seed alone. A tenth of the training images is
held back (at most 1,000 are used, and not counted in n); n runs through sizes up to 80% of the others, and ends with
all. One rule stops all training: Adam at a constant 4e-3, batches of min(n, 256), averaged weights; those that explain
the held-back images best are kept, and 300 minibatches without better ones end it, or 8,000 in all (`capped`).

The need is read off each replicate's curve, in log n, for two qualities. A test MSE means the same for all classes. The
-ELBO does not, for ones are cheaper than eights: it may exceed by 5% or 10% what the same replicate reaches with all
images, which favours few classes, of which fewer exist. The smallest n stands for all below it, inf for never. Beside
it stands a power law with a floor, fitted to all points. Expect the need to grow with the number of classes.

    python experiments/sample_growth.py --workers 2    about 18 minutes on two cores
    python experiments/sample_growth.py --smoke        seconds, leaving no results
"""

from collections.abc import Iterator
from concurrent.futures import Executor
from functools import partial
from itertools import product
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from methods.early_stopping import fit_until_best
from methods.learning_curves import examples_to_target, fit_power_law, pseudo_values
from numpy.typing import NDArray

import evovae
from evovae.analysis import plots, statistics
from evovae.analysis.plots import BASELINE, PALETTE
from evovae.base import InputError, make_generator
from evovae.data import Images, hold_out, to_unit
from evovae.models import TrainConfig, evaluate
from evovae.runs import Run
from evovae.studies import Arguments, Results, Spec, start, study

import torch

SIZES = (100, 300, 1000, 3000, 10_000, 30_000)
MEASURES, COLUMNS = "measures.csv", ["n", "test_loss", "test_mse", "train_loss", "gap", "iterations", "capped"]
ESTIMATES = ("needed", "per_class", "floor", "scale", "exponent", "by_law")
QUALITIES = {"MSE 0.01": ("test_mse", 0.01), "-ELBO +5%": ("test_loss", 1.05), "-ELBO +10%": ("test_loss", 1.1)}
"""By name the measure and its largest value; of the -ELBO, as a multiple of what all images reach."""


def main(arguments: Arguments) -> None:
    with study("sample_growth", arguments.smoke) as results:
        with arguments.where.executor() as executor:
            table = run_cells(arguments, results, executor)
        results.table("summary", results.intervals(table, ["classes", "size"], COLUMNS))
        needed = pd.DataFrame(describe(table))
        results.table("needed", needed)
        (left, right), [gap] = (plots.panels(k, k, width=5.4, height=3.8) for k in (2, 1))
        draw(table, "test_mse", "test MSE per pixel", "log", left)
        draw_needed(needed, left, right)
        results.figure("growth", left)
        draw(table, "gap", "test minus training -ELBO (nats)", "linear", gap)
        results.figure("gap", gap)


def run_cells(arguments: Arguments, results: Results, executor: Executor) -> pd.DataFrame:
    """Train on every set; return a row for each, by classes and in the order of n."""
    full = SIZES, (1, 2, 5, 10), arguments.seeds, 8000
    sizes, counts, seeds, limit = ((20, 40), (2,), 1, 5) if arguments.smoke else full
    digits, specs, rows = evovae.load_images("mnist").train, [], []
    order = torch.randperm(10, generator=make_generator(0, 30)).tolist()
    for count, seed in product(counts, range(seeds)):
        classes = sorted(order[(2 * seed + i) % 10] for i in range(count))
        most = len(split(digits, classes)[0])
        for n in [*(size for size in sizes if size <= 0.8 * most), most]:
            settings = {"classes": classes, "n": n, "seed": seed, "limit": limit}
            specs.append(Spec(results.cells / f"{count}-{seed}-{n}", train, settings))
    specs.sort(key=lambda spec: -spec.settings["n"])  # no worker is left alone with a long one
    for spec, run in zip(specs, results.run_all(specs, executor), strict=True):
        given = spec.settings | {"classes": len(spec.settings["classes"])}
        given["size"] = str(given["n"]) if given["n"] in sizes else "all"
        rows.append(given | run.read_table(MEASURES).iloc[0].to_dict())
    return pd.DataFrame(rows).astype({"capped": bool}).sort_values(["classes", "n"])


def split(images: Images, classes: list[int]) -> tuple[Images, Images]:
    """Return what may be learned of some classes, and what is held back."""
    learned, held_back, _ = hold_out(images.subset(classes=classes), "MNIST")
    return learned, held_back.subset(min(1000, len(held_back)))


def train(run: Run, classes: list[int], n: int, seed: int, limit: int) -> None:
    """Fill a cell with the measures of one training."""
    digits = evovae.load_images("mnist")
    (images, held_back), test = split(digits.train, classes), digits.test.subset(classes=classes)
    images = images.subset(n, seed=seed)
    config = TrainConfig.plain(
        iterations=limit, batch_size=min(n, 256), learning_rate=4e-3, precision="auto", seed=seed
    )
    vae, iterations, capped = fit_until_best(evovae.VAE(seed=seed), images, held_back, config)
    pixels = to_unit(test.images).to(vae.device)
    mse = (vae.reconstruct(pixels) - pixels).square().mean().item()
    seen, new = (-evaluate(vae, part, seed=seed).elbo for part in (images.subset(min(n, 5000), seed=seed), test))
    row = (new, mse, seen, new - seen, iterations, float(capped))
    run.write_table(MEASURES, pd.DataFrame([row], columns=COLUMNS[1:]))


def grid(table: pd.DataFrame, column: str) -> NDArray[np.float64]:
    """Return a column for one number of classes (R, K): a row for each replicate, in the order of n."""
    return table.pivot(index="seed", columns="size", values=column)[table["size"].unique()].to_numpy(dtype=float)


def describe(table: pd.DataFrame) -> Iterator[dict[str, Any]]:
    """Yield for each number of classes and quality the images needed, a median, and the law, each with its interval."""
    for count, group in table.groupby("classes"):
        for quality, (measure, most) in QUALITIES.items():
            n, errors = grid(group, "n"), grid(group, measure)
            target = most * (errors[:, -1] if measure == "test_loss" else np.ones(len(n)))
            needed = np.array(statistics.median_interval(examples_to_target(n, errors, target)))
            law = partial(describe_law, n, errors, measure, most)
            laws = np.array(statistics.mean_interval(pseudo_values(law, len(n)))).T  # a row for each of its figures
            estimates = [needed, needed / count, *laws]
            row: dict[str, Any] = {"classes": count, "quality": quality, "replicates": len(n)}
            for name, values in zip(ESTIMATES, estimates, strict=True):
                row |= dict(zip((name, f"{name}_low", f"{name}_high"), values, strict=True))
            yield row


def describe_law(
    n: NDArray[np.float64], errors: NDArray[np.float64], measure: str, most: float, which: NDArray[np.intp]
) -> list[float]:
    """Return floor, scale and exponent of the law of some replicates, and what it needs; NaN where there is none."""
    try:
        law = fit_power_law(n[which], errors[which])
    except InputError:
        return [np.nan] * 4
    goal = most * (law.error(n[:, -1].mean()) if measure == "test_loss" else 1.0)
    return [*law, law.examples(goal)]


def draw(table: pd.DataFrame, column: str, label: str, yscale: str, ax: Axes) -> None:
    """Draw a measure against n for each number of classes."""
    groups = table.groupby("classes")
    curves = {f"{count} of 10 classes": (grid(group, "n").mean(0), grid(group, column)) for count, group in groups}
    plots.trend(curves, "training images n", label, "log", yscale, ax=ax)
    ax.set_xticks(SIZES, [f"{size:,}" for size in SIZES])


def draw_needed(needed: pd.DataFrame, growth: Axes, need: Axes) -> None:
    """Draw the laws of the MSE, dashed, over its growth, and the images needed against the number of classes."""
    need.set(xscale="log", yscale="log", xlabel="classes", ylabel="training images needed")
    for colour, (quality, rows) in zip(PALETTE[4:], needed.replace(np.inf, np.nan).groupby("quality"), strict=False):
        need.fill_between(rows["classes"], rows["needed_low"], rows["needed_high"], color=colour, alpha=0.2, lw=0)
        need.plot(rows["classes"], rows["needed"], "o-", color=colour, linewidth=2.2, label=quality)
    need.legend(frameon=False)
    need.set_xticks(needed["classes"].unique(), needed["classes"].unique())
    need.set_yticks(SIZES[:-1], [f"{size:,}" for size in SIZES[:-1]])
    need.minorticks_off()
    n = np.geomspace(*growth.get_xlim(), 100)
    growth.set_yticks((0.005, 0.01, 0.02, 0.04), ("0.005", "0.01", "0.02", "0.04"))
    growth.axhline(QUALITIES["MSE 0.01"][1], color=BASELINE, linewidth=1)
    for colour, (_, row) in zip(PALETTE, needed[needed["quality"] == "MSE 0.01"].iterrows(), strict=False):
        growth.plot(n, row["floor"] + row["scale"] * n ** -row["exponent"], "--", color=colour, linewidth=0.9)


if __name__ == "__main__":
    start(main, Arguments, __doc__)
