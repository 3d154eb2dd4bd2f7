"""Which measure of realism tells digits from what is none, and what search has kept from what it has exaggerated?

A measure is held against images of known kinds, and has to rank them: real images that nobody has learned from above
draws from a VAE's prior, above images that evolved freely, and above digits that were changed to fool a judge; images
that evolved within the ball above those that evolved freely; and whatever a VAE decodes above pixels that evolution or
gradients made to please a judge, above noise, and above images of another set. Evolution within the ball need not rank
below real images: it makes prototypes, and what lies in the middle of the data is near to all of it.

Written before the full run. A pair counts by the probability that an image of the upper kind ranks above one of the
lower, a measure by its worst pair. It holds if the 95% interval over models is above 0.5 in every pair, and above 0.95
where the lower kind was not decoded. The measures of evovae are chosen by the split that has never seen a test image
(`choose`), and confirmed on test images by other models (`confirm`). The default support is the fittest whose images
are, in the median, no less typical than real ones, by the first split as well. Expect the judges to be blind to
exaggeration, likelihood to prefer it, pixels to prefer blur, and the stricter of two to hold.

    python experiments/realism.py --workers 2     about an hour on two busy cores
    python experiments/realism.py --dataset /usr/share/datasets/fashion-mnist --name fashion_ --workers 2
    python experiments/realism.py --smoke                          seconds, leaving no results

Each cell trains its own models: three VAEs, two judges, one with a class for what shows nothing.
"""

from dataclasses import dataclass, field
from itertools import product
from typing import Any

import numpy as np
import pandas as pd
from methods.image_kinds import BALL, CHANGED, FREE, NOTHING, PRIOR, REAL, make_kinds
from methods.realism_measures import make_measures, scores, train_instruments, train_vae
from scipy.stats import mannwhitneyu

import evovae
from evovae.analysis import plots
from evovae.base import files, make_generator, require_counts
from evovae.data import Images, ImageSet, to_unit
from evovae.encodings import SUPPORTS
from evovae.objectives import RealImages
from evovae.runs import Run
from evovae.studies import Results, Spec, Workers, gather, start, study

import torch
from torch import Tensor

PAIRS = [(REAL, PRIOR), (REAL, FREE), (REAL, CHANGED), (BALL, FREE), *product((PRIOR, BALL, FREE), NOTHING)]
"""Kinds, the upper and the lower."""
HELD_BACK = 6000
"""Training images that nobody learns from, to choose measures by."""
RANKED, KINDS, REACHED, PICTURES = "ranked.csv", "kinds.csv", "supports.csv", "pictures.safetensors"


@dataclass(frozen=True)
class Arguments:
    """Settings of the study."""

    where: Workers = field(default_factory=Workers)
    dataset: str = "mnist"
    """The image set that is real."""
    name: str = ""
    """What the names of the results begin with."""
    seeds: int = 5
    """Models of the split that confirms; the one that chooses has as many others."""
    replicates: int = 3
    """Evolutions of each class, in each support."""
    generations: int = 50
    """Of 100 individuals."""
    smoke: bool = False
    """Run in seconds, leaving no results."""

    def __post_init__(self) -> None:
        """Refuse what makes no study."""
        require_counts(self, "seeds", "replicates", "generations")


def main(arguments: Arguments) -> None:
    smoke, name = arguments.smoke, arguments.name
    common: dict[str, Any] = {"dataset": arguments.dataset, "smoke": smoke, "replicates": arguments.replicates}
    common |= {"generations": arguments.generations, "population": 100, "count": 500}
    if smoke:
        common |= {"replicates": 1, "generations": 1, "population": 4, "count": 20}
    with study("realism", smoke, f"{name}provenance.json") as results:
        specs = [
            Spec(results.cells / f"{name}{split} {seed}", measure, common | {"split": split, "seed": seed})
            for split, seed in product(("choose", "confirm"), range(1 if smoke else arguments.seeds))
        ]
        with arguments.where.executor() as executor:
            runs = results.run_all(specs, executor)
        by = ["split", "measure", "upper", "lower"]
        pairs = results.intervals(gather(runs, RANKED), by, ["probability"], f"{name}pairs")
        results.table(f"{name}pairs", pairs, show=False)
        judged = [judge(group) for _, group in pairs.groupby(["split", "measure"], sort=False)]
        results.table(f"{name}summary", pd.DataFrame(judged))
        columns = ["pixels", "features", "typicality", "doubted"]
        kinds = results.intervals(gather(runs, KINDS), ["split", "kind"], columns, f"{name}kinds")
        results.table(f"{name}kinds", kinds)
        columns = ["fitness", "log_prior", "typicality"]
        supports = results.intervals(gather(runs, REACHED), ["split", "support"], columns, f"{name}supports")
        results.table(f"{name}supports", supports)
        draw(runs[-1], pairs[pairs["split"] == "confirm"], results, name)


def measure(run: Run, dataset: str, split: str, seed: int, smoke: bool, **sizes: int) -> None:
    """Fill a cell with how each measure ranks each pair of kinds, and with what typicality says of each kind."""
    images = evovae.load_images(dataset)
    if smoke:
        images = ImageSet(images.name, images.train.subset(1000), images.test.subset(200), images.classes)
    images, real = split_images(images, split)
    iterations = 2 if smoke else None
    own = 2 * seed + (split == "confirm")  # the two splits have other models
    instruments = train_instruments(images, 1000 * own, iterations)
    vae = train_vae(images.train, 1000 * own + 300, iterations)
    with torch.no_grad():
        kinds, reached = make_kinds(
            to_unit(real.images), real.labels, images, vae, instruments.judges.judge, own, **sizes
        )
        rows = []
        for name, score in make_measures(instruments).items():
            given = {kind: scores(score, pictures) for kind, pictures in kinds.items()}
            for upper, lower in PAIRS:
                row = {"split": split, "seed": seed, "measure": name, "upper": upper, "lower": lower}
                rows.append(row | {"probability": probability_above(given[upper], given[lower])})
        typicality = RealImages(images)
        found = {kind: typicality.typicality(pictures, instruments.judges.held_out) for kind, pictures in kinds.items()}
    run.write_table(RANKED, pd.DataFrame(rows))
    run.write_table(
        KINDS, pd.DataFrame([{"split": split, "seed": seed, "kind": k} | describe(v) for k, v in found.items()])
    )
    supports = [
        {"split": split, "seed": seed, "support": support, "fitness": fitness, "log_prior": log_prior}
        | describe(found[f"evolved, {support}"])
        for support, (fitness, log_prior) in reached.items()
    ]
    run.write_table(REACHED, pd.DataFrame(supports))
    files.save_tensors(
        run.folder / PICTURES, "images", {kind: pictures[:10].contiguous() for kind, pictures in kinds.items()}, {}
    )


def split_images(images: ImageSet, split: str) -> tuple[ImageSet, Images]:
    """Return the images to learn from, with those to rank among as its test images, and a thousand real ones.

    To choose, both are training images that are held back from all models; to confirm, test images.
    """
    held_back, train = images.test, images.train
    if split == "choose":
        order = torch.randperm(len(train), generator=make_generator(0, 24))
        part = min(HELD_BACK, len(train) // 5)
        held_back, train = (Images(train.images[i], train.labels[i]) for i in (order[:part], order[part:]))
    count = min(1000, len(held_back) // 2)
    real, ranked = (Images(held_back.images[i], held_back.labels[i]) for i in (slice(count), slice(count, None)))
    return ImageSet(images.name, train, ranked, images.classes), real


def probability_above(upper: Tensor, lower: Tensor) -> float:
    """Return P(X > Y) + P(X = Y) / 2 of the scores of two kinds (Mann and Whitney 1947)."""
    return float(mannwhitneyu(upper.numpy(), lower.numpy()).statistic) / (len(upper) * len(lower))


def describe(found: dict[str, Tensor]) -> dict[str, float]:
    """Return the medians of a kind's typicality, and the share of its images below that of 95% of real ones."""
    names = {"pixels": "pixel_typicality", "features": "feature_typicality", "typicality": "typicality"}
    medians = {name: float(found[column].median()) for name, column in names.items()}
    return medians | {"doubted": float((found["typicality"] < 0.05).double().mean())}


def judge(pairs: pd.DataFrame) -> dict[str, Any]:
    """Return the row of the summary for one measure: its worst pair, and whether it holds in all."""
    least = np.where(pairs["lower"].isin(NOTHING), 0.95, 0.5)
    worst = pairs.loc[pairs["probability"].idxmin()]
    failed = int((~(pairs["probability_low"] > least)).sum())  # of a single model there is no interval: it fails
    return {
        **pairs.iloc[0][["split", "measure"]],
        "worst": worst["probability"],
        "upper": worst["upper"],
        "lower": worst["lower"],
        "failed": failed,
        "verdict": "fails" if failed else "holds",
    }


def draw(run: Run, pairs: pd.DataFrame, results: Results, name: str) -> None:
    """Draw ten images of each kind, and how surely each measure ranks the kinds: of a group of pairs, its worst."""
    pictures = files.load_tensors(run.folder / PICTURES, "images")[0]
    shown = [REAL, PRIOR, *(f"evolved, {support}" for support in SUPPORTS[::-1]), CHANGED, *NOTHING]
    rows = torch.stack([pictures[kind] for kind in shown])
    results.figure(f"{name}kinds", plots.image_table(rows, shown, [""] * len(rows[0])))
    lower = pairs["lower"].where(~pairs["lower"].isin(NOTHING), "nothing")
    groups = pairs.assign(pair=pairs["upper"] + "\nabove " + lower)
    worst = groups.groupby(["measure", "pair"], sort=False)["probability"].min().unstack()
    [ax] = plots.panels(1, 1, width=9.0, height=5.0)
    ax.imshow(worst, vmin=0, vmax=1, cmap="RdBu", aspect="auto")
    ax.set_xticks(range(worst.shape[1]), list(worst.columns), rotation=30, ha="right")
    ax.set_yticks(range(len(worst)), list(worst.index))
    ax.grid(False)
    for (row, column), value in np.ndenumerate(worst):
        color = "white" if abs(value - 0.5) > 0.3 else "black"
        ax.text(column, row, f"{value:.2f}", ha="center", va="center", color=color)
    results.figure(f"{name}ranking", ax)


if __name__ == "__main__":
    start(main, Arguments, __doc__)
