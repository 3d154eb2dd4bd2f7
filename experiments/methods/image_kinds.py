"""Images of known kinds, for measures of realism to rank: real, decoded, evolved, made to fool a judge, or nothing."""

from collections.abc import Callable

import evovae
from evovae import evolution, objectives
from evovae.base import make_generator
from evovae.data import ImageSet, to_unit
from evovae.encodings import SUPPORTS, Encoding
from evovae.objectives import Judge
from methods import image_sets

import torch
from torch import Tensor
from torch.nn import functional

REAL, PRIOR, FREE, BALL = "real images", "draws from the prior", "evolved, free", "evolved, ball"
CHANGED = "adversarial images"
NOTHING = ["adversarial pixels", "evolved pixels", "uniform noise", "normal noise", "shuffled pixels", "another set"]
"""Kinds that show nothing of what the images show, and were not decoded."""
REACH, STEPS = 0.2, 40
"""How far a pixel of an adversarial image may move, and in how many steps (Madry et al. 2018)."""


def noise(images: Tensor, generator: torch.Generator) -> dict[str, Tensor]:
    """Return as many images that show nothing: uniform and normal noise, and the pixels of `images` shuffled."""
    uniform, keys = (torch.rand(images.shape, generator=generator, dtype=torch.float32) for _ in range(2))
    normal = torch.randn(images.shape, generator=generator, dtype=torch.float32)
    shuffled = images.flatten(1).gather(1, keys.flatten(1).argsort(1)).view_as(images)
    return {"uniform noise": uniform, "normal noise": (0.5 + 0.25 * normal).clamp(0, 1), "shuffled pixels": shuffled}


def make_kinds(
    real: Tensor, labels: Tensor, images: ImageSet, vae: evovae.VAE, judge: Judge, seed: int, count: int, **sizes: int
) -> tuple[dict[str, Tensor], dict[str, tuple[float, float]]]:
    """Return images (N, C, H, W) by kind; and by support the mean log-odds that evolved, and log-prior per gene.

    Args:
        real: images (N, C, H, W) in [0, 1] that nobody has learned from.
        labels: theirs, (N,).
        images: the set.
        vae: whose latent space is searched.
        judge: whom searches please.
        seed: of the draws and searches.
        count: of images of a kind that is drawn.
        sizes: individuals, replicates and generations of an evolution.
    """
    generator, classes = make_generator(seed, 23), len(images.classes)
    evolved: dict[str, Tensor] = {}
    reached: dict[str, tuple[float, float]] = {}
    for support in SUPPORTS:
        encoding = evovae.LatentEncoding(vae, support)
        genomes, fitness = evolve(encoding, judge, classes, seed, **sizes)
        evolved[f"evolved, {support}"] = encoding.decode(genomes)
        reached[support] = (float(fitness.mean()), float(encoding.log_prior(genomes).mean()) / encoding.dim)
    pixels = evovae.PixelEncoding(images.shape)
    wanted = torch.arange(classes).repeat_interleave(10)
    start = torch.rand((len(wanted), *images.shape), generator=generator, dtype=torch.float32)
    attacked = slice(0, 100)
    kinds = {
        REAL: real,
        PRIOR: vae.decode(vae.sample_prior(count, generator)),
        **evolved,
        CHANGED: attack(real[attacked], (labels[attacked] + 1) % classes, judge, REACH, STEPS),
        "adversarial pixels": attack(start, wanted, judge, 1.0, 5 * STEPS),
        "evolved pixels": pixels.decode(evolve(pixels, judge, classes, seed, **sizes)[0]),
        **noise(real[:count], generator),
        "another set": _other_images(images.shape, count),
    }
    return kinds, reached


def evolve(
    encoding: Encoding, judge: Judge, classes: int, seed: int, population: int, replicates: int, generations: int
) -> tuple[Tensor, Tensor]:
    """Return the best genomes (classes * replicates, D) of evolutions for the log-odds of each class, and these."""
    found = []
    for label in range(classes):
        toolbox = evolution.toolbox(encoding, objectives.digit(judge, label))
        first = toolbox.population(population, replicates, seed)
        last, _ = evolution.eaSimple(first, toolbox, cxpb=0.5, mutpb=0.2, ngen=generations)
        found.append(last.best())
    return torch.cat([best.genomes[:, 0] for best in found]), torch.cat([best.fitness[:, 0, 0] for best in found])


def attack(images: Tensor, wanted: Tensor, judge: Callable[[Tensor], Tensor], reach: float, steps: int) -> Tensor:
    """Return `images` (B, C, H, W), no pixel moved by more than `reach`, that a judge takes for the `wanted` (B,)."""
    least, most = (images - reach).clamp_min(0), (images + reach).clamp_max(1)
    for _ in range(steps):
        with torch.enable_grad():
            moved = images.clone().requires_grad_()
            slope = torch.autograd.grad(functional.cross_entropy(judge(moved), wanted), moved)[0]
        images = (images - 2 * min(reach, 0.2) / steps * slope.sign()).clamp(least, most)
    return images


def _other_images(shape: tuple[int, int, int], count: int) -> Tensor:
    """Return shapes, drawn as large as the images, and grey where these are."""
    channels, height, width = shape
    pictures = to_unit(torch.from_numpy(image_sets.draw_shapes(max(height, width), count)))[:, :, :height, :width]
    return pictures.mean(1, keepdim=True) if channels == 1 else pictures
