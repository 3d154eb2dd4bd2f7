"""How large must the latent vector be, and what does a larger one cost?

The same network (784-512-D, the defaults) with D from 2 to 128, as a VAE and as a plain autoencoder, whose code is a
point and which has no KL term. On the MNIST test set, by five seeds: the squared error per pixel of the decoded
posterior mean (or code); -ELBO, reconstruction term and KL in nats; active units (Burda et al. 2016). And the share of
1,000 draws from the prior that are believable: both judges see the same class, each with a probability of 0.9 or more.

An autoencoder's prior is the normal distribution fitted to its codes (Ghosh et al. 2020). That is an advantage over
N(0, I), so `fitted` is the share for a VAE with a normal fitted to 10,000 posterior means. `reconstructed` is the share
of 1,000 reconstructed test images: what the decoder does with codes of real images. Expect autoencoders to reconstruct
ever better and sample ever worse, and a VAE to stop using further variables where they cost more KL than they save.

    python experiments/latent_size.py --workers 2    about 7 minutes on two cores
    python experiments/latent_size.py --smoke        seconds, leaving no results

The cells: a model for each D and seed; intervals are Student's, over the models of one D. An autoencoder has no -ELBO
and no KL, and its active units are left out: their threshold is meant for codes on the scale of N(0, I). A VAE's
reconstruction term has noise in the code, an autoencoder's has none. What is believable need not be varied. Pictures
are those of seed 0.
"""

import itertools

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import LogLocator
from scipy.special import ndtri

import evovae
from evovae.analysis import plots
from evovae.base import files, make_generator
from evovae.data import Images, to_unit
from evovae.models import evaluate
from evovae.objectives import Judges
from evovae.runs import Run
from evovae.studies import Arguments, Results, Spec, curves, gather, start, study, train_vae

import torch
from torch import Tensor

DIMS = (2, 4, 8, 16, 32, 64, 128)
MODELS = {"VAE": True, "autoencoder": False}
COLUMNS = ["mse", "negative_elbo", "reconstruction", "kl", "active_units", "believable", "fitted", "reconstructed"]
MEASURES, PICTURES = "measures.csv", "pictures.safetensors"
SURE, SIDE = 0.9, 15


def main(arguments: Arguments) -> None:
    smoke = arguments.smoke
    dims, seeds = (DIMS[:2], 1) if smoke else (DIMS, arguments.seeds)
    digits = evovae.load_images("mnist")
    test = digits.test.subset(100 if smoke else None)
    with study("latent_size", smoke) as results:
        grid = itertools.product(MODELS, dims, range(seeds))
        cells = [{"model": model, "dim": dim, "seed": seed, "smoke": smoke} for model, dim, seed in grid]
        specs = [Spec(results.cells / f"{cell['model']} {cell['dim']} {cell['seed']}", measure, cell) for cell in cells]
        with arguments.where.executor() as executor:
            runs = results.run_all(specs, executor)
        rows = gather(runs, MEASURES)
        real = believable(to_unit(test.images[: len(test) // 10]), evovae.judges_for(digits))
        summary = results.intervals(rows, ["model", "latent_dim"], COLUMNS)
        reference = pd.DataFrame([{"model": "test images", "replicates": 1, "believable": real}])
        results.table("summary", pd.concat([summary, reference]).astype({"latent_dim": "Int64"}))
        results.figure("curves", draw_curves(rows, real))
        draw_pictures(runs[::seeds], test, results)


def measure(run: Run, model: str, dim: int, seed: int, smoke: bool) -> None:
    """Fill a cell with a model's measures, its reconstructions of ten digits, and at D = 2 its manifold."""
    digits = evovae.load_images("mnist")
    test, judges = digits.test.subset(100 if smoke else None), evovae.judges_for(digits)
    config = evovae.VAEConfig(latent_dim=dim, variational=MODELS[model])
    vae = train_vae(digits, config, seed, smoke).requires_grad_(False)
    likelihood, x, drawn = evaluate(vae, test), to_unit(test.images), len(test) // 10
    noise = torch.randn(drawn, dim, generator=make_generator(seed, 6))
    found = {"model": model, "latent_dim": dim, "seed": seed} | {
        "mse": float((vae.reconstruct(x) - x).square().mean()),
        "reconstruction": likelihood.reconstruction,
        "believable": believable(vae.decode(vae.codes_from_noise(noise)), judges),
        "reconstructed": believable(vae.reconstruct(x[:drawn]), judges),
    }
    if config.variational:
        found |= {"negative_elbo": -likelihood.elbo, "kl": likelihood.kl, "active_units": likelihood.active_units}
        codes = vae.encode(to_unit(digits.train.images[: len(test)]))[0]
        fitted = codes.mean(0) + noise @ torch.linalg.cholesky(torch.cov(codes.T)).T
        found["fitted"] = believable(vae.decode(fitted), judges)
    run.write_table(MEASURES, pd.DataFrame([found], columns=["model", "latent_dim", "seed", *COLUMNS]))
    pictures = {"reconstructions": vae.reconstruct(one_of_each(test))}
    if dim == 2:
        pictures["manifold"] = decode_plane(vae)
    files.save_tensors(run.folder / PICTURES, "pictures", pictures, {})


def believable(images: Tensor, judges: Judges) -> float:
    """Return in how many of `images` (B, C, H, W), 0 to 1, both judges see the same class with `SURE` at least."""
    first, second = (judge(images).softmax(1) for judge in judges)  # B K
    return float((torch.minimum(first, second) >= SURE).any(1).float().mean())


def one_of_each(images: Images) -> Tensor:
    """Return the first image of each class, floats (K, C, H, W)."""
    first = [int((images.labels == label).nonzero()[0]) for label in images.labels.unique()]
    return to_unit(images.images[first])


def decode_plane(vae: evovae.VAE) -> Tensor:
    """Return what quantiles of a prior of D = 2 decode to (SIDE, SIDE, C, H, W); the second variable goes upwards."""
    quantiles = torch.from_numpy(ndtri((np.arange(SIDE) + 0.5) / SIDE)).float()
    noise = torch.cartesian_prod(quantiles.flip(0), quantiles).flip(1)
    return vae.decode(vae.codes_from_noise(noise)).unflatten(0, (SIDE, SIDE))


def draw_curves(rows: pd.DataFrame, real: float) -> Axes:
    """Draw what changes with D; `real` is the share of test images that is believable."""
    axes = plots.panels(4, 2)
    size, dims = "latent dimensions D", rows["latent_dim"].unique()
    by_model = {name: curves(rows, "model", "latent_dim", name) for name in COLUMNS}
    vae = {name: drawn["VAE"] for name, drawn in by_model.items()}
    plots.trend(by_model["mse"], size, "test squared error per pixel", "log", "log", ax=axes[0])
    drawn = {"-ELBO": vae["negative_elbo"], "reconstruction": vae["reconstruction"], "KL": vae["kl"]}
    plots.trend(drawn, size, "VAE, test, nats per image", "log", ax=axes[1])
    drawn = {"all D": (dims, dims[None]), "VAE": vae["active_units"]}
    plots.trend(drawn, size, "active units", "log", "log", "all D", ax=axes[2])
    axes[3].set_ylim(0, 1)  # before the labels find their places
    drawn = {"test images": (dims, np.full((1, len(dims)), real))} | by_model["believable"]
    drawn |= {"VAE, fitted prior": vae["fitted"], "VAE, reconstructed": vae["reconstructed"]}
    plots.trend(drawn, size, "believable to both judges", "log", baseline="test images", ax=axes[3])
    for ax in (axes[0], axes[2]):
        ax.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        ax.yaxis.set_major_formatter("{x:g}")
    return axes[0]


@plots.style()
def draw_pictures(runs: list[Run], test: Images, results: Results) -> None:
    """Draw reconstructions for each model and D, and the manifolds, of `runs` that come model by model."""
    pictures = [files.load_tensors(run.folder / PICTURES, "pictures")[0] for run in runs]
    originals, size = one_of_each(test), len(runs) // len(MODELS)
    grids, planes = plots.panels(len(MODELS), 2, 4.4, 3.8), plots.panels(len(MODELS), 2, 3.2, 3.4)
    for i, model in enumerate(MODELS):
        own = pictures[i * size : (i + 1) * size]
        shown = torch.cat([originals, *(tensors["reconstructions"] for tensors in own)])
        ax = plots.image_grid(shown, len(originals), ax=grids[i])
        ax.set_yticks(np.arange(size + 1) + 0.5, ["original", *(f"D = {dim}" for dim in DIMS[:size])])
        ax.set_title(model)
        plots.manifold(own[0]["manifold"], planes[i]).set_title(model)
    results.figure("reconstructions", grids[0])
    results.figure("manifold", planes[0])


if __name__ == "__main__":
    start(main, Arguments, __doc__)
