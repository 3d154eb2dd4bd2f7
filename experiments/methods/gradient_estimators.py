"""Ways for a gradient through the random node between encoder and decoder.

The reconstruction error of an image is an expectation over its code, E[f(z)] with z from Q(z|x) and f(z) = -log P(x|z).
Its gradient with respect to the encoder, which makes the distribution of z, can be estimated from samples in more than
one way. All of these have the same expectation; what tells them apart is their variance.
"""

from __future__ import annotations

import math
from typing import Literal

from evovae.base import InputError
from evovae.models import VAE

import torch
from torch import Tensor
from torch.distributions import Normal

Estimator = Literal["pathwise", "score", "leave-one-out"]


def surrogate(vae: VAE, x: Tensor, mean: Tensor, log_variance: Tensor, noise: Tensor, estimator: Estimator) -> Tensor:
    """Return a scalar whose gradient estimates that of the reconstruction error, averaged over the images.

    - `"pathwise"`: z = mean + sigma * noise carries the gradient (Kingma and Welling 2014, sec. 2.4). The scalar is the
      reconstruction error itself; that of the others differs from it.
    - `"score"`: f(z) times the gradient of log Q(z|x), which needs none of f (REINFORCE, Williams 1992).
    - `"leave-one-out"`: the same, with the mean of f over the image's other samples as a baseline (Kool et al. 2019).

    The gradient with respect to the decoder is the same for all.

    Args:
        vae: the model.
        x: data (B, *data_shape).
        mean: of Q(z|x), (B, D).
        log_variance: of Q(z|x), (B, D).
        noise: standard normal, (K, B, D): K draws of z for each image.
        estimator: one of the three above.

    Raises:
        InputError: if there is one sample, and `"leave-one-out"` needs another.
    """
    z = vae.reparameterise(mean, log_variance, noise)
    if estimator != "pathwise":
        z = z.detach()
    logits = vae.decode_logits(z.flatten(0, 1)).unflatten(0, z.shape[:2])
    error = vae.reconstruction_error(logits, x)  # K B
    if estimator == "pathwise":
        return error.mean()
    advantage = error.detach()
    if estimator == "leave-one-out":
        advantage = advantage - leave_one_out(advantage)
    # Unchecked, for a training that diverges is to end in numbers that are not finite, as it does elsewhere.
    log_q = Normal(mean, torch.exp(0.5 * log_variance), validate_args=False).log_prob(z).sum(2)
    return (advantage * log_q + error).mean()


def leave_one_out(values: Tensor) -> Tensor:
    """Return for each of K samples the mean of the others: `values` (K, ...) -> (K, ...).

    As a baseline it does not bias the score function's gradient: it is independent of the sample that it is taken from.

    Raises:
        InputError: if there are no others.
    """
    if len(values) < 2:
        raise InputError(f"{len(values)} sample: leaving one out needs 2 or more")
    return (values.sum(0) - values) / (len(values) - 1)


def draw_gradients(vae: VAE, x: Tensor, noise: Tensor, estimator: Estimator) -> dict[str, Tensor]:
    """Return estimates of the reconstruction error's gradient with respect to the encoder, by layer.

    Args:
        vae: the model.
        x: data (B, *data_shape).
        noise: standard normal, (R, K, B, D): R estimates, of K samples each.
        estimator: one of those of `surrogate`, with its errors.

    Returns:
        (R, P) for P weights and biases: of `hidden`, all layers but the last, and of the halves of the last one, `mean`
        and `log-variance`.
    """
    estimates = []
    for one in noise:
        loss = surrogate(vae, x, *vae.encode(x), one, estimator)
        *hidden, weight, bias = torch.autograd.grad(loss, list(vae.encoder.parameters()))
        halves = zip(weight.chunk(2), bias.chunk(2), strict=True)
        estimates.append([torch.cat([part.flatten() for part in layer]) for layer in (hidden, *halves)])
    layers = (torch.stack(layer) for layer in zip(*estimates, strict=True))
    return dict(zip(("hidden", "mean", "log-variance"), layers, strict=True))


def compare_draws(draws: Tensor, reference: Tensor) -> dict[str, float]:
    """Compare an estimator's draws of a gradient (R, P) with an unbiased one's, (S, P) and independent of them.

    - `variance`: that of a draw, summed over the parameters.
    - `noise_to_signal`: the same over the squared norm of the gradient, as the reference tells it without bias; NaN
      where a noisy reference tells none above 0.
    - `departure`: the squared distance between the two means over its expectation if they estimate the same, which is
      the sum of the variances of the two means. Then it is 1 on average; a biased estimator has more.
    """
    mean, variance = _mean_and_variance(draws)
    target, noise = _mean_and_variance(reference)
    noise = noise / len(reference)
    signal = target.square().sum() - noise
    return {
        "variance": float(variance),
        "noise_to_signal": float(variance / signal) if signal > 0 else math.nan,
        "departure": float((mean - target).square().sum() / (variance / len(draws) + noise)),
    }


def _mean_and_variance(draws: Tensor) -> tuple[Tensor, Tensor]:
    mean = draws.mean(0)
    return mean, (draws - mean).square().sum() / (len(draws) - 1)
