"""Layers of the encoder and the decoder, and the variances their weights start from."""

from __future__ import annotations

import math
from itertools import pairwise

import torch
from torch import nn

from evovae.base import InputError, require_memory
from evovae.models.config import VAEConfig

_ACTIVATIONS = {"silu": nn.SiLU, "relu": nn.ReLU, "tanh": nn.Tanh}


def count_weights(config: VAEConfig) -> int:
    """Number of weights in encoder and decoder, biases aside, found without making any."""
    steps = [*pairwise(_encoder_sizes(config)), *pairwise(_decoder_sizes(config))]
    kernels = [*pairwise((config.data_shape[0], *config.channels))] if config.network == "conv" else []
    return sum(a * b for a, b in steps) + 2 * 9 * sum(a * b for a, b in kernels)


def require_room(config: VAEConfig, device: torch.device, copies: int = 1) -> None:
    """Refuse a model whose weights, in this number of `copies`, are more than the memory behind `device`.

    Raises:
        InputError: if they are.
    """
    numbers = copies * count_weights(config) + (0 if config.variational else config.latent_dim**2)
    channels = f", channels {config.channels}" if config.network == "conv" else ""
    sizes = f"latent dim {config.latent_dim}, hidden {config.hidden}{channels}"
    require_memory(f"a model of {sizes} and data of shape {config.data_shape}", 4 * numbers, device)


def build_encoder(config: VAEConfig) -> nn.Sequential:
    """Layers from data (B, *data_shape) to the posterior's mean and log-variance (B, 2D), or to codes (B, D)."""
    sizes = _image_sizes(config)
    layers: list[nn.Module] = []
    for inputs, channels in pairwise((config.data_shape[0], *config.channels) if sizes else ()):
        layers += [nn.Conv2d(inputs, channels, 3, stride=2, padding=1), _ACTIVATIONS[config.activation]()]
    return nn.Sequential(*layers, nn.Flatten(), *_dense(_encoder_sizes(config), config))


def build_decoder(config: VAEConfig) -> nn.Sequential:
    """Layers from latent vectors (B, D) to the mean of the data before its output function (B, *data_shape)."""
    dense = _dense(_decoder_sizes(config), config)
    sizes = _image_sizes(config)
    if not sizes:
        return nn.Sequential(*dense, nn.Unflatten(1, config.data_shape))
    layers: list[nn.Module] = [*dense, nn.Unflatten(1, (config.channels[-1], *sizes[-1]))]
    channels = (*reversed(config.channels), config.data_shape[0])
    for (inputs, outputs), (small, large) in zip(pairwise(channels), pairwise(reversed(sizes)), strict=True):
        # A stride-2 convolution maps two sizes to one; the output padding chooses between them. Of kernel 3 and padding
        # 1, a transposed one returns 2 * (small - 1) - 2 + 3 + output_padding = 2 * small - 1 + output_padding.
        padding = (large[0] - 2 * small[0] + 1, large[1] - 2 * small[1] + 1)
        layers += [_ACTIVATIONS[config.activation]()]
        layers += [nn.ConvTranspose2d(inputs, outputs, 3, stride=2, padding=1, output_padding=padding)]
    return nn.Sequential(*layers)


def initialise(module: nn.Module, scheme: str, generator: torch.Generator) -> None:
    """Draw every weight of `module` from N(0, `weight_variance`) and set every bias to zero.

    `torch` draws both as torch's own layers do, evenly between -1/sqrt(fan_in) and 1/sqrt(fan_in). Its fan_in is N_in,
    but for transposed convolutions, where torch counts the outputs that one input has, stride aside.
    """
    for layer in module.modules():
        if not isinstance(layer, nn.Linear | nn.Conv2d | nn.ConvTranspose2d):
            continue
        with torch.no_grad():
            if scheme == "torch":
                reach = 1 / math.sqrt(layer.weight[0].numel())
                for numbers in layer.parameters(recurse=False):
                    numbers.uniform_(-reach, reach, generator=generator)
                continue
            layer.weight.normal_(0.0, math.sqrt(weight_variance(scheme, *_fans(layer))), generator=generator)
            if layer.bias is not None:
                layer.bias.zero_()


def weight_variance(scheme: str, n_in: float, n_out: float) -> float:
    """Return the variance of initial weights, where an output has `n_in` inputs, and an input `n_out` outputs.

    `lecun`: 1/N_in, which keeps the variance of activations through linear and tanh layers (LeCun et al. 1998,
    "Efficient BackProp", sec. 4.6); `he`: 2/N_in, the same for ReLU, which lets half of it through (He et al. 2015,
    eq. 10); `glorot`: 2/(N_in + N_out), the compromise between activations and gradients (Glorot and Bengio 2010,
    eq. 12); `unit`: 1, what the others are measured against.
    """
    return {"lecun": 1 / n_in, "he": 2 / n_in, "glorot": 2 / (n_in + n_out), "unit": 1.0}[scheme]


def _fans(layer: nn.Linear | nn.Conv2d | nn.ConvTranspose2d) -> tuple[float, float]:
    if isinstance(layer, nn.Linear):
        return layer.in_features, layer.out_features
    taps, steps = math.prod(layer.kernel_size), math.prod(layer.stride)  # an input is seen from taps / steps places
    if isinstance(layer, nn.ConvTranspose2d):
        return layer.in_channels * taps / steps, layer.out_channels * taps
    return layer.in_channels * taps, layer.out_channels * taps / steps


def _dense(sizes: tuple[int, ...], config: VAEConfig) -> list[nn.Module]:
    layers: list[nn.Module] = []
    for inputs, outputs in pairwise(sizes):
        layers += [nn.Linear(inputs, outputs), _ACTIVATIONS[config.activation]()]
    return layers[:-1]


def _encoder_sizes(config: VAEConfig) -> tuple[int, ...]:
    """Inputs and outputs of the encoder's fully connected layers."""
    return (_flat_size(config), *config.hidden, config.latent_dim * (2 if config.variational else 1))


def _decoder_sizes(config: VAEConfig) -> tuple[int, ...]:
    """Inputs and outputs of the decoder's fully connected layers."""
    return (config.latent_dim, *reversed(config.hidden), _flat_size(config))


def _image_sizes(config: VAEConfig) -> list[tuple[int, int]]:
    """Height and width before and after each convolution; empty without convolutions."""
    if config.network == "mlp":
        return []
    sizes = [(config.data_shape[1], config.data_shape[2])]
    if min(sizes[0]) < 2 ** len(config.channels):
        raise InputError(
            f"channels has {len(config.channels)} levels, too many to halve images of {sizes[0]}: use fewer"
        )
    for _ in config.channels:
        sizes.append(((sizes[-1][0] + 1) // 2, (sizes[-1][1] + 1) // 2))  # kernel 3, stride 2, padding 1: half, up
    return sizes


def _flat_size(config: VAEConfig) -> int:
    sizes = _image_sizes(config)
    return config.channels[-1] * math.prod(sizes[-1]) if sizes else math.prod(config.data_shape)
