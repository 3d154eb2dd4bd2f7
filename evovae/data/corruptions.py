"""Corrupted inputs for denoising autoencoders."""

import math
from typing import get_args

import torch
from torch import Tensor

from evovae.data.names import Corruption
from evovae.errors import InputError


def corrupt(x: Tensor, kind: Corruption, level: float, generator: torch.Generator) -> Tensor:
    """Damage images as a denoising autoencoder learns to repair them (Vincent et al. 2010, section 3.3).

    - `"none"`: `x` itself, whatever the level.
    - `"gaussian"`: adds noise of standard deviation `level` and clips to [0, 1].
    - `"masking"`: sets each value to 0 with probability `level`.
    - `"salt-and-pepper"`: sets each value, with probability `level`, to 0 or 1 at even odds.

    Each value is drawn on its own, also among the channels of a pixel.

    Args:
        x: float `(B, ...)` in [0, 1], not changed.
        kind: One of the four above.
        level: At least 0; at most 1 where it is a probability.
        generator: Source of the noise, on the device of `x`.

    Returns:
        Same shape and dtype, in [0, 1].

    Raises:
        InputError: The kind is unknown or the level out of range.
    """
    if kind not in get_args(Corruption):
        raise InputError(f"corruption {kind!r}: expected one of {', '.join(get_args(Corruption))}; choose one")
    if kind == "none":
        return x
    if kind == "gaussian":
        if not 0 <= level < math.inf:
            raise InputError(
                f"level {level} of gaussian corruption: expected a standard deviation, 0 or more; change it"
            )
        noise = torch.randn(x.shape, generator=generator, device=x.device, dtype=x.dtype)
        return noise.mul_(level).add_(x).clamp_(0, 1)
    if not 0 <= level <= 1:
        raise InputError(f"level {level} of {kind} corruption: expected a probability, 0 to 1; change it")
    uniform = torch.rand(x.shape, generator=generator, device=x.device, dtype=x.dtype)
    if kind == "masking":
        return torch.where(uniform < level, 0, x)
    return torch.where(uniform < level, (uniform < level / 2).to(x.dtype), x)
