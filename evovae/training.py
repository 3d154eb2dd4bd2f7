"""Training a VAE by gradient: one loop that yields a record per epoch and leaves saving and printing to its caller."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from evovae.config import TrainConfig
from evovae.data import Images, as_floats, binarise, corrupt
from evovae.devices import multiplies_bfloat16, resolve_device
from evovae.errors import InputError
from evovae.streams import make_generator
from evovae.vae import VAE

WARMUP = 0.1
"""Part of a one-cycle run in which the learning rate rises."""


class DivergenceError(RuntimeError):
    """The loss stopped being finite; the model is back at its last finite state."""


@dataclass(frozen=True)
class Epoch:
    """What one epoch of training came to: averages over its minibatches, in nats per image."""

    epoch: int
    iterations: int
    """Minibatches since the start."""
    reconstruction: float
    """-E[log P(X|z)], summed over pixels."""
    kl: float
    """KL(Q(z|X) || N(0, I)), summed over latent variables; 0 for a plain autoencoder."""
    beta: float
    """Weight of the KL term at the end of the epoch."""
    learning_rate: float
    """Learning rate at the end of the epoch."""

    @property
    def elbo(self) -> float:
        """The evidence lower bound on the training images, -(reconstruction + kl)."""
        return -(self.reconstruction + self.kl)


def fit(vae: VAE, data: Images | Tensor, config: TrainConfig | None = None) -> Iterator[Epoch]:
    """Train `vae` in place on images, or on float vectors (N, V), yielding a record after each epoch.

    The model moves to `config.device` and stays there. The loss is the negative ELBO (with the KL weighted by beta),
    averaged over the minibatch. The last epoch is cut short where `config.iterations` says so.

    Raises:
        InputError: if images and model do not fit, or the subset asked for is larger than the set.
        DivergenceError: if the loss is not finite; `vae` then holds its state at the end of the last finite epoch.
    """
    config = config or TrainConfig()
    if isinstance(data, Images):
        data = data if config.train_images is None else data.subset(config.train_images, seed=config.seed)
        data = (data.binarised(config.seed) if config.binarisation == "static" else data).images
    else:
        _check_vectors(vae, data, config)
    if tuple(data.shape[1:]) != vae.config.data_shape:
        raise InputError(f"data have shape {tuple(data.shape[1:])}: the model reads {vae.config.data_shape}")
    device = resolve_device(config.device)
    return _fit(vae.to(device).requires_grad_(True).train(), data.to(device), config)


def iterations_in(config: TrainConfig, images: int) -> int:
    """Return how many minibatches training on so many images takes."""
    per_epoch = math.ceil((config.train_images or images) / config.batch_size)
    return config.iterations or config.epochs * per_epoch


def _fit(vae: VAE, data: Tensor, config: TrainConfig) -> Iterator[Epoch]:
    generator = make_generator(config.seed, 1, device=data.device)
    total = iterations_in(config, len(data))
    optimiser = torch.optim.Adam(vae.parameters(), lr=config.learning_rate, fused=True)
    iteration = epoch = 0
    while iteration < total:
        epoch += 1
        first = iteration + 1
        last_good = copy.deepcopy(vae.state_dict())
        sums = torch.zeros(2, device=data.device, dtype=torch.float64)
        seen = 0
        batches = torch.randperm(len(data), generator=generator, device=data.device).split(config.batch_size)
        for batch in batches[: total - iteration]:
            for group in optimiser.param_groups:
                group["lr"] = learning_rate(config, iteration / total)
            x = binarise(as_floats(data.index_select(0, batch)), config.binarisation, generator)
            reconstruction, kl = _loss_terms(vae, x, config, generator)
            optimiser.zero_grad()
            (reconstruction + beta(config, iteration / total) * kl).backward()
            optimiser.step()
            sums += torch.stack((reconstruction, kl)).detach() * len(batch)
            seen += len(batch)
            iteration += 1
        reconstruction_mean, kl_mean = (sums / seen).tolist()
        # The last step comes after the last loss: the state that it leaves must give a finite one, too.
        if not math.isfinite(reconstruction_mean + kl_mean + _loss_without_noise(vae, x)):
            vae.load_state_dict(last_good)
            raise DivergenceError(
                f"the loss stopped being finite in epoch {epoch} (iterations {first} to {iteration}): "
                f"the model is kept as it was before; try a lower learning rate than "
                f"{config.learning_rate:g}"
            )
        if not vae.config.variational:
            _fit_codes(vae, data, config, generator)
        before = (iteration - 1) / total
        yield Epoch(epoch, iteration, reconstruction_mean, kl_mean, beta(config, before), learning_rate(config, before))


def _loss_terms(vae: VAE, x: Tensor, config: TrainConfig, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Return reconstruction error and KL, each averaged over the minibatch `x` (B, *data_shape)."""
    with _autocast(vae, config):
        mean, log_variance = vae.encode(corrupt(x, config.corruption, config.corruption_level, generator))
    if not vae.config.variational:
        z, kl = mean, mean.new_zeros(())
    else:
        mean, log_variance = mean.float(), log_variance.float()
        noise = torch.randn(mean.shape, generator=generator, device=mean.device)
        z, kl = vae.reparameterise(mean, log_variance, noise), vae.kl_divergence(mean, log_variance).sum(1).mean()
    with _autocast(vae, config):
        logits = vae.decode_logits(z)
    return vae.reconstruction_error(logits.float(), x).mean(), kl


def _autocast(vae: VAE, config: TrainConfig) -> torch.autocast:
    """Bfloat16 matrix products, where they are asked for; weights, noise and likelihoods stay float32."""
    native = len(vae.config.data_shape) == 3 and multiplies_bfloat16(vae.device)
    enabled = config.precision == "bfloat16" or (config.precision == "auto" and native)
    return torch.autocast(vae.device.type, torch.bfloat16, enabled=enabled)


def learning_rate(config: TrainConfig, part: float) -> float:
    """Return the learning rate when `part` (0 to 1) of the run is done."""
    if config.schedule == "constant":
        return config.learning_rate
    return config.learning_rate * min(part / WARMUP, (1.0 - part) / (1.0 - WARMUP))


def beta(config: TrainConfig, part: float) -> float:
    """Return the weight of the KL term when `part` (0 to 1) of the run is done."""
    return config.beta * min(1.0, part / config.beta_warmup) if config.beta_warmup else config.beta


@torch.no_grad()
def _loss_without_noise(vae: VAE, x: Tensor) -> float:
    mean, log_variance = vae.encode(x)
    kl = vae.kl_divergence(mean, log_variance).sum() if vae.config.variational else 0.0
    return float(vae.reconstruction_error(vae.decode_logits(mean), x).sum() + kl)


def _check_vectors(vae: VAE, data: Tensor, config: TrainConfig) -> None:
    if data.dtype != torch.float32 or len(data) == 0:
        raise InputError(f"data are {tuple(data.shape)} of {data.dtype}: expected float32 (N, V) with N at least 1")
    if config.train_images is not None or config.binarisation != "grey":
        raise InputError("train images and binarisation are for images: leave them at their defaults for vectors")
    if vae.config.likelihood == "bernoulli" and not (data.min() >= 0 and data.max() <= 1):
        raise InputError("data lie outside [0, 1]: a bernoulli likelihood needs them inside; use a gaussian one")


@torch.no_grad()
def _fit_codes(vae: VAE, data: Tensor, config: TrainConfig, generator: torch.Generator) -> None:
    vae.fit_codes(
        torch.cat(
            [vae.encode(binarise(as_floats(batch), config.binarisation, generator))[0] for batch in data.split(1000)]
        )
    )
