"""Measures of realism to choose among: of images (B, C, H, W) in [0, 1] each gives scores (B,), higher if more real."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import evovae
from evovae.base import make_generator
from evovae.data import Images, ImageSet, to_unit
from evovae.models import TrainConfig, VAEConfig, iwae_bound
from evovae.objectives import Judge, Judges, Neighbours, RealImages, train_judge
from evovae.objectives.typicality import NEIGHBOUR
from methods.image_kinds import noise

import torch
from torch import Tensor

Measure = Callable[[Tensor], Tensor]
BATCH, SAMPLES = 250, 50
CHANGED = 0.15
"""Share of the pixels that are drawn anew for the background model."""


@dataclass(frozen=True)
class Instruments:
    """What the measures ask, none of it part of a search."""

    images: ImageSet
    """Real images to learn from, and, as its test images, to rank among."""
    judges: Judges
    """The first is the one that searches ask."""
    rejecting: Judge
    """With a class more, of images that show nothing."""
    critic: evovae.VAE
    background: evovae.VAE
    """Trained on images with changed pixels."""


def train_instruments(images: ImageSet, seed: int, iterations: int | None) -> Instruments:
    """Train what the measures ask; `iterations` are minibatches of each, None for as many as usual."""
    classes, train, generator = len(images.classes), images.train, make_generator(seed, 21)
    judges = [_judge(name, train, classes, seed + i, iterations) for i, name in enumerate(("lenet", "convnext"))]
    some = train.images[torch.randperm(len(train), generator=generator)[: max(2, len(train) // 10)]]
    nothing = torch.cat(
        [*noise(to_unit(some[::2]), generator).values(), 0.5 * to_unit(some) + 0.5 * to_unit(some.flip(0))]
    )
    labels = torch.full((len(nothing),), classes)
    more = Images(torch.cat([train.images, _to_bytes(nothing)]), torch.cat([train.labels, labels]))
    changed = torch.where(
        torch.rand(train.images.shape, generator=generator, dtype=torch.float32) < CHANGED,
        torch.randint(0, 256, train.images.shape, generator=generator, dtype=torch.uint8),
        train.images,
    )
    return Instruments(
        images=images,
        judges=Judges(*judges),
        rejecting=_judge("convnext", more, classes + 1, seed + 2, iterations),
        critic=train_vae(train, seed + 100, iterations),
        background=train_vae(replace(train, images=changed), seed + 200, iterations),
    )


def train_vae(images: Images, seed: int, iterations: int | None) -> evovae.VAE:
    """Return the default VAE of such images."""
    vae = evovae.VAE(VAEConfig(data_shape=images.shape), seed=seed)
    for _ in evovae.fit(vae, images, TrainConfig(seed=seed, iterations=iterations)):
        pass
    return vae.eval().requires_grad_(False)


def _judge(name: str, images: Images, classes: int, seed: int, iterations: int | None) -> Judge:
    judge = Judge(name, images.shape, classes, seed)  # type: ignore[arg-type]
    for _ in train_judge(judge, images, seed, iterations):
        pass
    return judge.eval().requires_grad_(False)


def _to_bytes(images: Tensor) -> Tensor:
    return (images * 255).round().to(torch.uint8)


def make_measures(by: Instruments) -> dict[str, Measure]:
    """Return the measures by name."""
    judge, held_out = by.judges
    real = RealImages(by.images)
    references = to_unit(by.images.train.subset(min(1000, len(by.images.train)), seed=0).images)
    tested = to_unit(by.images.test.subset(min(1000, len(by.images.test)), seed=0).images)

    def likelihood(vae: evovae.VAE, x: Tensor) -> Tensor:
        shape = (SAMPLES, len(x), vae.config.latent_dim)
        return iwae_bound(vae, x, torch.randn(shape, generator=make_generator(0, 22), dtype=torch.float32))

    def believed(x: Tensor) -> Tensor:
        return held_out(x).softmax(1).gather(1, judge(x).argmax(1, keepdim=True)).squeeze(1)

    def agreement(x: Tensor) -> Tensor:
        one, other = judge(x).softmax(1), held_out(x).softmax(1)
        middle = ((one + other) / 2).clamp_min(1e-30).log()
        return (torch.special.entr(one) + torch.special.entr(other)).sum(1) / 2 + ((one + other) / 2 * middle).sum(1)

    def near(see: Measure) -> Measure:
        neighbours = Neighbours(see(references))
        return lambda x: -neighbours.distance(see(x))

    def score(see: Measure) -> Measure:
        """Kynkaanniemi et al. 2019, eq. 3: how far inside the nearest of the smaller balls around real images."""
        known = see(references)
        radius = torch.cdist(known, known).kthvalue(NEIGHBOUR + 1, dim=1).values  # itself is the nearest
        kept = radius <= radius.median()
        return lambda x: (radius[kept] / torch.cdist(see(x), known[kept])).amax(1)

    typical = float(_over(lambda x: likelihood(by.critic, x), tested).median())
    return {
        "held-out judge's probability": believed,
        "held-out judge's energy": lambda x: held_out(x).logsumexp(1),
        "agreement of the judges": agreement,
        "judge with a class for nothing": lambda x: -by.rejecting(x).softmax(1)[:, -1],
        "reconstruction distance": lambda x: -(by.critic.reconstruct(x) - x).square().flatten(1).mean(1).sqrt(),
        "log-likelihood": lambda x: likelihood(by.critic, x),
        "typical log-likelihood": lambda x: -(likelihood(by.critic, x) - typical).abs(),
        "likelihood ratio": lambda x: likelihood(by.critic, x) - likelihood(by.background, x),
        "realism score, pixels": score(lambda x: x.flatten(1)),
        "realism score, held-out judge's features": score(held_out.features),
        "neighbours, a VAE's codes": near(lambda x: by.critic.encode(x)[0]),
        "neighbours, judge's features": near(judge.features),
        "neighbours, pixels": lambda x: real.typicality(x, held_out)["pixel_typicality"],
        "neighbours, held-out judge's features": lambda x: real.typicality(x, held_out)["feature_typicality"],
        "the stricter of the last two": lambda x: real.typicality(x, held_out)["typicality"],
    }


@torch.no_grad()
def _over(measure: Measure, images: Tensor) -> Tensor:
    return torch.cat([measure(x) for x in images.split(BATCH)])


def scores(measure: Measure, images: Tensor) -> Tensor:
    """Return what a measure gives images (N, C, H, W): float64 (N,), minus infinity where it is no number."""
    return _over(measure, images).double().nan_to_num(nan=-math.inf)
