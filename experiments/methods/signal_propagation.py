"""How signals and gradients grow or fade through a stack of layers whose weights were just drawn."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

import pandas as pd

from evovae.models import initialise, weight_variance

import torch
from torch import Tensor, nn


def measure_variances(
    x: Tensor, activation: Callable[[Tensor], Tensor], scheme: str, widths: Sequence[int], generator: torch.Generator
) -> pd.DataFrame:
    """Draw a stack of L layers, and return variances over units and examples in it.

    The gradient that enters at the end, behind the last nonlinearity, is standard normal: no loss shapes it.

    Args:
        x: examples (B, V), the inputs of the first layer.
        activation: the nonlinearity, elementwise.
        scheme: of the initial weights, as `networks.initialise` takes it.
        widths: V, then the outputs of each layer, L + 1 numbers.
        generator: of the weights and of the gradient.

    Returns:
        A row for each `depth`, 1 to L: the variance of `outputs`, what layer `depth` puts out before the nonlinearity,
        and of `gradients`, the gradient with respect to a layer's inputs once it has passed `depth` layers back.
    """
    layers = [nn.utils.skip_init(nn.Linear, n_in, n_out) for n_in, n_out in pairwise(widths)]
    initialise(nn.Sequential(*layers), scheme, generator)
    inputs, outputs = [x.detach().requires_grad_()], []
    for layer in layers:
        outputs.append(layer(inputs[-1]))
        inputs.append(activation(outputs[-1]))
    last = torch.randn(inputs[-1].shape, generator=generator)
    gradients = torch.autograd.grad(inputs[-1], inputs[:-1], last)
    found = {
        "outputs": [output.detach().double().var().item() for output in outputs],
        "gradients": [gradient.double().var().item() for gradient in reversed(gradients)],
    }
    return pd.DataFrame({"depth": range(1, len(layers) + 1)} | found)


def expect_variances(activation: Callable[[Tensor], Tensor], scheme: str, widths: Sequence[int]) -> pd.DataFrame:
    """Return what `measure_variances` finds on average in wide layers, for inputs of mean square 1.

    By mean-field theory (Poole et al. 2016; Schoenholz et al. 2017): with f the nonlinearity and y normal, of mean 0
    and the variance of a layer's outputs, those of the next have the variance N_in * variance * E[f(y)^2]; on the way
    back the gradient's is multiplied by N_out * variance * E[f'(y)^2]. For ReLU E[f(y)^2] = E[y^2] / 2 and E[f'(y)^2] =
    1/2 (He et al. 2015, eq. 10 and 14); for tanh near zero they are E[y^2] and 1.
    """
    z = torch.linspace(-8, 8, 8000, dtype=torch.float64)  # an even number: no point lies on the kink of ReLU
    density = torch.softmax(-z.square() / 2, 0)
    square, outputs, gains = 1.0, [], []
    for n_in, n_out in pairwise(widths):
        variance = weight_variance(scheme, n_in, n_out)
        outputs.append(n_in * variance * square)
        y = (z * outputs[-1] ** 0.5).requires_grad_()
        value = activation(y)
        (slope,) = torch.autograd.grad(value.sum(), y)
        square = float(density @ value.detach().square())
        gains.append(n_out * variance * float(density @ slope.square()))
    gradients = torch.tensor(gains[::-1], dtype=torch.float64).cumprod(0).tolist()
    return pd.DataFrame({"depth": range(1, len(gains) + 1), "outputs": outputs, "gradients": gradients})
