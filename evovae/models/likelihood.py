"""How well a VAE explains images: ELBO, IWAE bound, NLL by importance sampling, active units.

Every figure is in nats per image: summed over pixels and latent variables, averaged over images. Every figure belongs
to a convention for the pixels (`Binarisation`); figures of different conventions cannot be compared.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy

from evovae.base import InputError, make_generator
from evovae.data import Binarisation, Images, as_floats, binarise
from evovae.models.config import VAEConfig
from evovae.models.vae import VAE, require_values

ACTIVE_THRESHOLD = 0.01
MIN_VARIANCE = 1e-6
"""Of data that never vary, so that they have a finite likelihood: about that of rounding to bytes."""


@dataclass(frozen=True)
class Likelihood:
    """The ELBO of a set of images and its two parts, in nats per image."""

    binarisation: Binarisation
    images: int
    samples: int
    """Draws of z for each image over which the reconstruction error is averaged."""
    reconstruction: float
    """-E[log P(X|z)], summed over pixels: the reconstruction error."""
    kl: float
    """KL(Q(z|X) || N(0, I)), summed over latent variables."""
    active_units: int
    """Latent variables whose posterior mean has a variance above 0.01 over the images."""

    @property
    def elbo(self) -> float:
        """The evidence lower bound, -(reconstruction + kl)."""
        return -(self.reconstruction + self.kl)


@dataclass(frozen=True)
class ImportanceEstimate:
    """An average over images of log (1/k) sum_i P(x, z_i) / Q(z_i|x), in nats per image."""

    kind: Literal["iwae-bound", "nll"]
    binarisation: Binarisation
    images: int
    samples: int
    """Importance samples k for each image."""
    value: float
    """The bound on log P(x) (`iwae-bound`), or its negative (`nll`)."""


@torch.no_grad()
def evaluate(
    vae: VAE,
    images: Images | Tensor,
    binarisation: Binarisation = "grey",
    samples: int = 1,
    seed: int = 0,
    batch_size: int = 1000,
) -> Likelihood:
    """Return the ELBO of `images`, or of float vectors (N, V), with its parts apart, and the number of active units.

    A plain autoencoder has no KL term: its `kl` is 0 and its `elbo` the negative reconstruction error. Another
    `batch_size` meets other noise: the estimate changes by sampling error.

    Raises:
        InputError: if `samples` or `batch_size` is below 1, the images do not fit the model, or they are to be static
            and are not binarised.
    """
    _check(vae, images, binarisation, samples=samples, batch_size=batch_size)
    generator = make_generator(seed, 2, device=vae.device)
    reconstruction, kl = (torch.zeros((), dtype=torch.float64, device=vae.device) for _ in range(2))
    means = []
    for batch in _tensor(images).split(batch_size):
        x = binarise(as_floats(batch.to(vae.device)), binarisation, generator)
        mean, log_variance = vae.posterior(x)
        means.append(mean)
        if vae.config.variational:
            kl += vae.kl_divergence(mean, log_variance).sum(dtype=torch.float64)
        for _ in range(samples):
            noise = torch.randn(mean.shape, generator=generator, device=vae.device, dtype=torch.float32)
            logits = vae.decode_logits(vae.reparameterise(mean, log_variance, noise))
            reconstruction += vae.reconstruction_error(logits, x).sum(dtype=torch.float64) / samples
    return Likelihood(
        binarisation=binarisation,
        images=len(images),
        samples=samples,
        reconstruction=reconstruction.item() / len(images),
        kl=kl.item() / len(images),
        active_units=int(active_units(torch.cat(means)).sum()),
    )


def mean_image_loss(train: Images | Tensor, test: Images | Tensor, config: VAEConfig | None = None) -> float:
    """Return the -ELBO of `test` data, in nats for each, under a decoder that ignores its code: the mean picture's.

    It gives the mean of the `train` data for all and has no KL: what a model must stay below to have learned anything.
    Logarithms end at -100, as torch's do, for pixels that no training image lights.

    Args:
        train: images, or float vectors (N, V).
        test: others of the same shape.
        config: the model whose likelihood is meant; by default a Bernoulli's. A variance that is learned is that of
            the training data around their mean.
    """
    config = config or VAEConfig(data_shape=tuple(_tensor(train).shape[1:]))
    (mean, squares), (seen, seen_squares) = moments(_tensor(train)), moments(_tensor(test))
    if config.likelihood == "bernoulli":  # whose cross-entropy is linear in the data
        return float(binary_cross_entropy(mean, seen, reduction="sum"))
    variance = config.variance or variance_around(mean, squares)
    error = float((seen_squares - 2.0 * mean * seen + mean.square()).sum())  # E[(x - mean)^2] over the test data
    return 0.5 * (error / variance + mean.numel() * (math.log(2.0 * math.pi) + math.log(variance)))


@torch.no_grad()
def moments(data: Tensor) -> tuple[Tensor, Tensor]:
    """Return the mean and the mean square (*shape) over data (N, *shape), bytes taken as [0, 1], in float64."""
    sums = torch.zeros((2, *data.shape[1:]), dtype=torch.float64, device=data.device)
    for chunk in data.split(1000):
        x = as_floats(chunk)
        sums += torch.stack((x.sum(0), x.square_().sum(0) if x is not chunk else x.square().sum(0)))
    mean, squares = sums / len(data)
    return mean, squares


def variance_around(mean: Tensor, squares: Tensor) -> float:
    """Return the variance around the mean, averaged over pixels, from what `moments` gives; at least 1e-6."""
    return max(float((squares - mean.square()).mean()), MIN_VARIANCE)


def active_units(means: Tensor) -> Tensor:
    """Return which latent variables are active: posterior `means` (B, D) of the data -> bool (D,).

    A unit is active when the variance over the data of its posterior mean exceeds 0.01 (Burda et al. 2016, sec. 5.2).
    """
    return means.var(0, correction=0) > ACTIVE_THRESHOLD  # Cov_x(E[z|x]) of each latent variable: (D,)


def log_importance_weights(vae: VAE, x: Tensor, noise: Tensor) -> Tensor:
    """Return log P(x, z_i) / Q(z_i|x) (k, B), in nats, of data `x` (B, *data_shape) and `noise` (k, B, D).

    Raises:
        InputError: for a plain autoencoder, whose code has no density.
    """
    if not vae.config.variational:
        raise InputError("a plain autoencoder has no likelihood: use evaluate() for its reconstruction error")
    mean, log_variance = vae.encode(x)
    z = vae.reparameterise(mean, log_variance, noise)  # k B D
    logits = vae.decode_logits(z.flatten(0, 1)).unflatten(0, noise.shape[:2])  # k B *data_shape
    return log_prior_over_posterior(z, log_variance, noise) - vae.reconstruction_error(logits, x)


def log_prior_over_posterior(z: Tensor, log_variance: Tensor, noise: Tensor) -> Tensor:
    """Return log P(z_i) / Q(z_i|x) (k, B) of draws `z` (k, B, D) that were made of `noise` (k, B, D).

    The normalising constants of the two cancel, but for the posterior's `log_variance` (B, D).
    """
    # log N(z; 0, I) - log N(z; mean, sigma^2), with (z - mean) / sigma = noise
    return 0.5 * (noise.square() - z.square() + log_variance).sum(-1)  # k B


def iwae_bound(vae: VAE, x: Tensor, noise: Tensor) -> Tensor:
    """Return the importance-weighted bound on log P(x) (B,), in nats, of `x` (B, *data_shape) and `noise` (k, B, D).

    Burda et al. 2016, eq. 8; k = 1 gives the ELBO, and the bound grows with k. Its gradient trains an IWAE.
    """
    return log_mean_exp(log_importance_weights(vae, x, noise))


def log_mean_exp(log_weights: Tensor) -> Tensor:
    """Return the logarithm (B,) of the mean over k of weights whose logarithms (k, B) are given."""
    return torch.logsumexp(log_weights, 0) - math.log(len(log_weights))  # log (1/k sum_i w_i): B


@torch.no_grad()
def estimate_iwae_bound(
    vae: VAE,
    images: Images | Tensor,
    samples: int,
    binarisation: Binarisation = "grey",
    seed: int = 0,
    chunk: int = 5000,
) -> ImportanceEstimate:
    """Return the average IWAE bound of `images` with k = `samples`; `chunk` and errors as in `estimate_nll`."""
    value = _mean_bound(vae, images, samples, binarisation, seed, chunk)
    return ImportanceEstimate("iwae-bound", binarisation, len(images), samples, value)


@torch.no_grad()
def estimate_nll(
    vae: VAE,
    images: Images | Tensor,
    samples: int = 5000,
    binarisation: Binarisation = "grey",
    seed: int = 0,
    chunk: int = 5000,
) -> ImportanceEstimate:
    """Return the negative log-likelihood of `images` by importance sampling (Burda et al. 2016, sec. 5: 5,000 samples).

    At most `chunk` codes are decoded at once, whatever `samples` is. Another `chunk` meets other noise: the estimate
    changes by sampling error.

    Raises:
        InputError: for a plain autoencoder, if `samples` or `chunk` is below 1, the images do not fit the model, or
            they are to be static and are not binarised.
    """
    value = -_mean_bound(vae, images, samples, binarisation, seed, chunk)
    return ImportanceEstimate("nll", binarisation, len(images), samples, value)


def _mean_bound(
    vae: VAE, images: Images | Tensor, samples: int, binarisation: Binarisation, seed: int, chunk: int
) -> float:
    _check(vae, images, binarisation, samples=samples, chunk=chunk)
    generator = make_generator(seed, 2, device=vae.device)
    total = torch.zeros((), dtype=torch.float64, device=vae.device)
    at_once = min(samples, chunk)
    for batch in _tensor(images).split(max(1, chunk // at_once)):
        x = binarise(as_floats(batch.to(vae.device)), binarisation, generator)
        log_sum = torch.full((len(x),), -math.inf, device=vae.device, dtype=torch.float32)  # B: log of no weights
        for start in range(0, samples, at_once):
            shape = (min(at_once, samples - start), len(x), vae.config.latent_dim)  # some of k, B, D
            noise = torch.randn(shape, generator=generator, device=vae.device, dtype=torch.float32)
            log_sum = torch.logaddexp(log_sum, torch.logsumexp(log_importance_weights(vae, x, noise), 0))
        total += (log_sum - math.log(samples)).sum(dtype=torch.float64)
    return total.item() / len(images)


def _tensor(images: Images | Tensor) -> Tensor:
    return images.images if isinstance(images, Images) else images


def _check(vae: VAE, images: Images | Tensor, binarisation: Binarisation, **counts: int) -> None:
    for name, count in counts.items():
        if count < 1:
            raise InputError(f"{name} is {count}: expected 1 or more")
    pixels = _tensor(images)
    if pixels.is_floating_point():
        require_values("data", pixels, vae.config)
    if binarisation == "static" and not ((pixels == 0) | (pixels == 255)).all():
        raise InputError("binarisation is static but the images are grey: use images.binarised(seed) on them first")
