"""Which way to the plane keeps digits together: t-SNE on pixels, t-SNE on 32 dimensions, or a VAE of two?

t-SNE is seldom run on pixels: PCA brings them to some thirty dimensions first (van der Maaten and Hinton 2008, sec. 4).
Here the MNIST test set is mapped by openTSNE as it comes (perplexity 30, PCA initialisation) from the pixels, and from
32 dimensions fitted to the training set: PCA's scores, a plain autoencoder's codes, a VAE's posterior means; and by the
posterior means of a VAE of two dimensions without t-SNE. The scores are not standardised: their distances are those of
the projected images, while standardised ones would let the last components count as much as the first.

Of each map: the accuracy of guessing an image's class by its ten nearest neighbours, itself left out; and
trustworthiness (Venna and Kaski 2001) for 12 neighbours, on a fixed stratified half, by the distances of pixels. The
same of the space before t-SNE. And processor seconds of one thread: for fitting the model and encoding, and for t-SNE.
Expect learned codes to win on classes, pixels and PCA on trustworthiness, where their own distances are the truth, and
the VAE of two dimensions to be last.

    python experiments/latent_map.py --workers 2    about 7 minutes on two cores
    python experiments/latent_map.py --smoke        seconds, leaving no results

The cells: each space, for each seed of model and t-SNE. Stopped and started again, the study resumes with what is
missing. All but the seconds comes out the same again.
"""

import time
from dataclasses import dataclass
from importlib.util import find_spec

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from numpy.typing import ArrayLike

import evovae
from evovae import studies
from evovae.analysis import plots
from evovae.base import InputError, files, require_counts
from evovae.data import ImageSet, draw_stratified, to_unit
from evovae.runs import Run
from evovae.studies import Spec, start, study, train_vae

import torch
from torch import Tensor
from torch.nn import functional

MODELS = {
    "autoencoder-32": evovae.VAEConfig(variational=False),
    "VAE-32": evovae.VAEConfig(),
    "VAE-2": evovae.VAEConfig(latent_dim=2),
}
SPACES = ("pixels", "PCA-32", *MODELS)
MEASURES, SECONDS, MAP = "measures.csv", "seconds.csv", "map.safetensors"


@dataclass(frozen=True)
class Arguments(studies.Arguments):
    """Settings of the study."""

    images: int = 10_000
    """Test images on each map, with the classes in proportion."""

    def __post_init__(self) -> None:
        """Refuse what makes no study."""
        super().__post_init__()
        require_counts(self, "images", most=10_000)
        if find_spec("openTSNE") is None:
            raise InputError("this study needs openTSNE: pip install 'evovae[studies]'")


def main(arguments: Arguments) -> None:
    images, seeds = (100, 1) if arguments.smoke else (arguments.images, arguments.seeds)
    with study("latent_map", arguments.smoke) as results:
        settings = [
            {"space": space, "images": images, "seed": seed, "smoke": arguments.smoke}
            for space in SPACES
            for seed in range(seeds)
        ]
        specs = [Spec(results.cells / f"{cell['space']}-{cell['seed']}", draw_map, cell) for cell in settings]
        with arguments.where.executor() as executor:
            runs = results.run_all(specs, executor)
        rows = pd.concat([run.read_table(MEASURES).join(run.read_table(SECONDS)) for run in runs])
        summary = results.intervals(rows, ["space"], list(rows.columns.drop(["space", "seed"])))
        results.table("summary", summary)
        first = dict(zip(SPACES, runs[::seeds], strict=True))
        maps = {space: files.load_tensors(run.folder / MAP, "map")[0]["points"] for space, run in first.items()}
        mapped = evovae.load_images("mnist").test.subset(images)
        axes = plots.latent_map(maps["VAE-32"], mapped.images, mapped.labels)
        results.figure("map", axes)
        accuracy = dict(zip(summary["space"], summary["accuracy"], strict=True))
        results.figure("maps", draw_maps(maps, mapped.labels, accuracy))


def draw_map(run: Run, space: str, images: int, seed: int, smoke: bool) -> None:
    """Fill a cell with the map of one space, how good it is, and how long it took."""
    from openTSNE import TSNE
    from threadpoolctl import threadpool_limits

    digits = evovae.load_images("mnist")
    mapped = digits.test.subset(images)
    pixels = to_unit(mapped.images).flatten(1)
    with threadpool_limits(1):  # torch's own limit holds for torch alone
        begun = time.process_time()
        codes = encode(space, digits, mapped.images, seed, smoke).numpy()
        encoded = time.process_time()
        flat = codes.shape[1] == 2
        points = codes if flat else np.asarray(TSNE(n_jobs=1, random_state=seed).fit(codes))
        ended = time.process_time()
        before = {f"space_{name}": value for name, value in measure(codes, pixels, mapped.labels).items()}
        found = {"space": space, "seed": seed} | measure(points, pixels, mapped.labels) | before
    run.write_table(MEASURES, pd.DataFrame([found]))
    run.write_table(SECONDS, pd.DataFrame([{"encoding_seconds": encoded - begun, "tsne_seconds": ended - encoded}]))
    files.save_tensors(run.folder / MAP, "map", {"points": torch.from_numpy(points)}, {})


@torch.no_grad()
def encode(space: str, digits: ImageSet, images: Tensor, seed: int, smoke: bool) -> Tensor:
    """Return what t-SNE starts from (N, D), of test `images` (N, C, H, W), by a model of the training images."""
    if space == "pixels":
        return to_unit(images).flatten(1)
    if space == "PCA-32":
        pca = evovae.PCAEncoding(digits.train.subset(2000 if smoke else None).images, 32)
        return pca.encode(images) * pca.std
    with torch.enable_grad():
        vae = train_vae(digits, MODELS[space], seed, smoke)
    return vae.encode(to_unit(images))[0]


def measure(points: ArrayLike, pixels: Tensor, labels: Tensor) -> dict[str, float]:
    """Return how well neighbours among `points` (N, D) tell classes, and how far `pixels` (N, P) have the same."""
    from sklearn.manifold import trustworthiness

    half = draw_stratified(labels, len(labels) // 2, seed=0).numpy()
    trusted = trustworthiness(pixels.numpy()[half], np.asarray(points)[half], n_neighbors=12)
    return {"accuracy": neighbour_accuracy(points, labels), "trustworthiness": float(trusted)}


def neighbour_accuracy(points: ArrayLike, labels: Tensor) -> float:
    """Return how often the commonest label of a point's ten nearest neighbours is its own; of a tie, the lowest is."""
    from sklearn.neighbors import NearestNeighbors

    neighbours = NearestNeighbors(n_neighbors=10).fit(points).kneighbors(return_distance=False)  # itself left out
    guessed = functional.one_hot(labels[neighbours]).sum(1).argmax(1)
    return float((guessed == labels).double().mean())


@plots.style()
def draw_maps(maps: dict[str, Tensor], labels: Tensor, accuracy: dict[str, float]) -> Axes:
    """Draw a panel for each map, of every third image, with its accuracy over the seeds; and a legend in the last."""
    *panels, legend = plots.panels(len(maps) + 1, 3, 2.7, 2.7)
    for ax, (space, points) in zip(panels, maps.items(), strict=True):
        way = "alone" if space == "VAE-2" else "and t-SNE"
        plots.latent_scatter(points[::3], labels[::3], ax).set_title(f"{space} {way}: {accuracy[space]:.1%}")
    legend.set_axis_off()
    dots = legend.legend(*panels[0].get_legend_handles_labels(), loc="center", ncols=2, frameon=False, markerscale=6)
    for dot in dots.get_lines():
        dot.set_alpha(1)
    return legend


if __name__ == "__main__":
    start(main, Arguments, __doc__)
