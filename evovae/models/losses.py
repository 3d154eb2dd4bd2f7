"""What training lowers: the loss of a minibatch."""

from __future__ import annotations

import torch
from torch import Tensor

from evovae.base import multiplies_bfloat16
from evovae.data import corrupt
from evovae.models.config import TrainConfig
from evovae.models.likelihood import log_mean_exp, log_prior_over_posterior
from evovae.models.vae import VAE


def loss_terms(
    vae: VAE, x: Tensor, config: TrainConfig, weight: float, generator: torch.Generator
) -> tuple[Tensor, Tensor, Tensor]:
    """Return loss, reconstruction error and KL, each averaged over the minibatch `x` (B, *data_shape)."""
    with _autocast(vae, config):
        mean, log_variance = vae.posterior(corrupt(x, config.corruption, config.corruption_level, generator))
    if not vae.config.variational:
        errors = _errors(vae, mean, x, config).mean()
        return errors, errors, mean.new_zeros(())
    mean, log_variance = mean.float(), log_variance.float()
    shape = (config.samples, *mean.shape)  # k B D
    noise = torch.randn(shape, generator=generator, device=mean.device, dtype=torch.float32)
    z, kl = vae.reparameterise(mean, log_variance, noise), vae.kl_divergence(mean, log_variance).sum(1).mean()
    errors = _errors(vae, z.flatten(0, 1), x, config)
    if config.bound == "iwae":
        loss = -log_mean_exp(log_prior_over_posterior(z, log_variance, noise) - errors).mean()
    else:
        loss = errors.mean() + weight * kl
    return loss, errors.mean(), kl


def _errors(vae: VAE, z: Tensor, x: Tensor, config: TrainConfig) -> Tensor:
    """Return the reconstruction errors (k, B) of draws `z` (k * B, D) for the minibatch `x` (B, *data_shape)."""
    with _autocast(vae, config):
        logits = vae.decode_logits(z)
    return vae.reconstruction_error(logits.float().unflatten(0, (-1, len(x))), x)


def _autocast(vae: VAE, config: TrainConfig) -> torch.autocast:
    """Bfloat16 matrix products, where they are asked for; weights, noise and likelihoods stay float32."""
    native = len(vae.config.data_shape) == 3 and multiplies_bfloat16(vae.device)
    enabled = config.precision == "bfloat16" or (config.precision == "auto" and native)
    return torch.autocast(vae.device.type, torch.bfloat16, enabled=enabled)


@torch.no_grad()
def loss_without_noise(vae: VAE, x: Tensor) -> float:
    """Return the negative ELBO of `x` (B, *data_shape), summed, with each mean for its draw."""
    mean, log_variance = vae.posterior(x)
    kl = vae.kl_divergence(mean, log_variance).sum() if vae.config.variational else 0.0
    return float(vae.reconstruction_error(vae.decode_logits(mean), x).sum() + kl)
