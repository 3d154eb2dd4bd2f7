r"""The smallest generator of one's own: eight numbers -> two waves of colour, 32x32 pixels; nothing to install.

evovae evolve --generator experiments/generators/waves.py:generator \
    --objective experiments/generators/waves.py:warmth --out runs/warm
"""

import evovae

import torch
from torch import Tensor

SIDE = 32


def paint(codes: Tensor) -> Tensor:
    """Colours (B, 3, 32, 32) from -1 to 1 of codes (B, 8)."""
    across, down, phase, tint = codes.view(-1, 2, 4, 1, 1).unbind(2)  # each B 2 1 1: of two waves
    place = torch.linspace(-3.0, 3.0, SIDE)
    waves = torch.sin(across * place + down * place[:, None] + phase)  # B 2 H W
    hues = torch.stack([torch.cos(tint + shift) for shift in (0.0, 2.1, 4.2)], 1)  # B 3 2 1 1
    return torch.tanh((hues * waves[:, None]).sum(2))


def generator() -> evovae.DecoderEncoding:
    return evovae.DecoderEncoding(paint, 8, (3, SIDE, SIDE), range=(-1, 1))


def warmth(images: Tensor) -> Tensor:
    """Red less blue (B,), -1 to 1: maximised."""
    return (images[:, 0] - images[:, 2]).mean((1, 2))
