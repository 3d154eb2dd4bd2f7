"""From stored pixels to what a model sees: floats in [0, 1], grey or binarised."""

from typing import get_args

import torch
from torch import Tensor

from evovae.data.names import Binarisation
from evovae.errors import InputError


def to_unit(images: Tensor) -> Tensor:
    """Pixels 0..255 as floats.

    Args:
        images: uint8, any shape.

    Returns:
        float32 of the same shape in [0, 1].

    Raises:
        InputError: `images` are not uint8.
    """
    if images.dtype != torch.uint8:
        raise InputError(f"images of {images.dtype}: expected uint8 in 0..255; are they scaled already?")
    return images.to(torch.float32).div_(255)


def as_floats(data: Tensor) -> Tensor:
    """Images of bytes as floats in [0, 1], and data that are floats already as they are: any shape, kept."""
    return data if data.is_floating_point() else to_unit(data)


def binarise(x: Tensor, convention: Binarisation, generator: torch.Generator) -> Tensor:
    """Apply a binarisation convention to a batch.

    - `"grey"`: `x` as it is. Its values are then not Bernoulli outcomes, and a Bernoulli "likelihood" of them is
      a cross-entropy only.
    - `"dynamic"`: a fresh Bernoulli draw with the values as probabilities, each time a batch is used (Burda et
      al. 2016).
    - `"static"`: `x` is already a fixed draw (`Images.binarised`; Salakhutdinov and Murray 2008) and is returned
      as it is.

    Likelihoods under different conventions measure different data and cannot be compared.

    Args:
        x: float `(B, ...)` in [0, 1], not changed.
        convention: One of the three above.
        generator: Source of the dynamic draw, on the device of `x`.

    Returns:
        Same shape and dtype; in {0, 1} for `"dynamic"`.

    Raises:
        InputError: The convention is unknown.
    """
    if convention not in get_args(Binarisation):
        raise InputError(
            f"binarisation {convention!r}: expected one of {', '.join(get_args(Binarisation))}; choose one"
        )
    if convention != "dynamic":
        return x
    # Three times as fast as torch.bernoulli with a generator on the CPU, and the same distribution.
    return (torch.rand(x.shape, generator=generator, device=x.device, dtype=torch.float32) < x).to(x.dtype)
