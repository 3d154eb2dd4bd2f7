"""Several small VAEs of vectors trained side by side: their weights are stacked, and one product serves them all."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from evovae.base import InputError, Streams
from evovae.models import VAE, DivergenceError, Schedule, TrainConfig, Training

import torch
from torch import Tensor, nn

Layers = list[tuple[Tensor, Tensor] | nn.Module]


def fit_together(vaes: Sequence[VAE], data: Tensor, config: TrainConfig) -> Iterator[Tensor]:
    """Train K `vaes` in place on vectors `data` (N, V); after each epoch, yield the losses (K,) averaged over it.

    Each is trained as `Training` would: in an order and with noise of its own, and none knows of the others. Small
    networks spend their time on the way to the processor, and not there: ten together take little longer than one.

    Args:
        vaes: of one configuration, fully connected, with a likelihood that learns no variance.
        data: float32.
        config: epochs, minibatches, learning rate and beta are used; VAE k draws from stream k of the seed.

    Raises:
        InputError: if these are other models, or the data do not fit.
        DivergenceError: if the loss of one is not finite; all are as they were after the epoch before.
    """
    model = vaes[0].config
    if any(vae.config != model for vae in vaes):
        raise InputError("the VAEs differ in their configurations: expected the same for all")
    learned = model.likelihood == "gaussian" and model.variance is None
    if model.network != "mlp" or not model.variational or learned:
        raise InputError("together only VAEs of fully connected layers are trained, with a fixed variance")
    asked = TrainConfig.plain(
        epochs=config.epochs,
        batch_size=config.batch_size,
        learning_rate=config.learning_rate,
        beta=config.beta,
        seed=config.seed,
        device=config.device,
    )
    if config != asked:
        raise InputError("together VAEs are trained for epochs, by the ELBO, at full precision: leave the rest out")
    if not isinstance(config.epochs, int):
        raise InputError(f"epochs is {config.epochs}: expected a number of them")
    training = Training(vaes[0], data, config)  # refuses what does not fit
    return _fit([vae.to(training.device) for vae in vaes], data.to(training.device), config, training.schedule)


def _fit(vaes: Sequence[VAE], data: Tensor, config: TrainConfig, schedule: Schedule) -> Iterator[Tensor]:
    # Transposed once, and not in every step: K inputs outputs, and of biases K 1 outputs.
    weights = {
        name: torch.stack([torch.atleast_2d(vae.get_parameter(name).detach().t()) for vae in vaes]).requires_grad_()
        for name, _ in vaes[0].named_parameters()
    }
    encoder, decoder = (_stacked(part, getattr(vaes[0], part), weights) for part in ("encoder", "decoder"))
    streams = Streams(config.seed, len(vaes), data.device)
    rate = schedule.at(0)[1]
    adam = torch.optim.Adam(weights.values(), lr=rate, fused=True)
    for _ in range(schedule.total // schedule.per_epoch):
        order = streams.uniform(len(vaes), len(data)).argsort(1)
        noise = streams.normal(len(vaes), len(data), vaes[0].config.latent_dim)
        batches = zip(data[order].split(config.batch_size, 1), noise.split(config.batch_size, 1), strict=True)
        total = torch.zeros(len(vaes), device=data.device, dtype=torch.float32)
        for x, drawn in batches:
            losses = _losses(vaes[0], encoder, decoder, x, drawn, config.beta)
            adam.zero_grad()
            losses.sum().backward()
            adam.step()
            total += losses.detach() * x.shape[1]
        if not total.isfinite().all():
            raise DivergenceError(f"a loss stopped being finite: try a lower learning rate than {rate:g}")
        with torch.no_grad():
            for k, vae in enumerate(vaes):
                for name, parameter in vae.named_parameters():
                    parameter.copy_(weights[name][k].t().reshape(parameter.shape))
        yield total / len(data)


def _losses(vae: VAE, encoder: Layers, decoder: Layers, x: Tensor, noise: Tensor, beta: float) -> Tensor:
    """Return the losses (K,) of minibatches `x` (K, B, V), each averaged over its own."""
    mean, log_variance = _apply(encoder, x).chunk(2, -1)
    z = vae.reparameterise(mean, log_variance, noise)
    errors = vae.reconstruction_error(_apply(decoder, z), x)
    return errors.mean(1) + beta / x.shape[1] * vae.kl_divergence(mean, log_variance).sum((1, 2))


def _stacked(part: str, layers: nn.Sequential, weights: dict[str, Tensor]) -> Layers:
    """Return the layers of a part that change vectors, the linear ones as their stacked weights and biases."""
    return [
        (weights[f"{part}.{name}.weight"], weights[f"{part}.{name}.bias"]) if isinstance(layer, nn.Linear) else layer
        for name, layer in layers.named_children()
        if not isinstance(layer, nn.Flatten | nn.Unflatten)
    ]


def _apply(layers: Layers, x: Tensor) -> Tensor:
    """Return (K, B, outputs) of `layers` for `x` (K, B, inputs)."""
    for layer in layers:
        x = torch.baddbmm(layer[1], x, layer[0]) if isinstance(layer, tuple) else layer(x)
    return x
