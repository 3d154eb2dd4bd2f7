r"""Faces of a DCGAN: 100 normal numbers -> 64x64 pixels in colour.

The generator is that of gan-face-generate 1.1.1 on PyPI (MIT). It learned from DigiFace-1M, whose licence allows
research that earns nothing: evovae ships none of it. Python 3.10 to 3.12, and without what only its training needs:

    pip install --no-deps gan-face-generate==1.1.1
    evovae evolve --generator experiments/generators/faces.py:generator \
        --objective experiments/generators/faces.py:likeness --out runs/likeness
"""

import functools
from importlib import resources

import evovae

import torch
from torch import Tensor

TARGET = 1
"""Seed of the face that `likeness` searches for."""


@functools.cache
def generator() -> evovae.DecoderEncoding:
    try:
        from gan_face_generate.models import Generator
    except ImportError:
        told = "gan-face-generate is not installed: pip install --no-deps gan-face-generate==1.1.1"
        raise evovae.InputError(told) from None
    with torch.device("meta"):  # where nothing is drawn that the weights replace
        network = Generator(ngpu=0, nc=3, nz=100, ngf=64)
    weights = torch.load(str(resources.files("gan_face_generate") / "weights.tar"), "cpu", weights_only=True)
    network.load_state_dict(weights["netG_state_dict"], assign=True)
    return evovae.DecoderEncoding(network, 100, (3, 64, 64), latent_shape=(100, 1, 1), range=(-1.0, 1.0))


@functools.cache
def drawn(count: int, seed: int) -> Tensor:
    with torch.no_grad():
        return generator().decode(generator().sample(count, torch.Generator().manual_seed(seed)))


def likeness(faces: Tensor) -> Tensor:
    """Mean squared error (B,) to a face that the generator drew."""
    return (faces - drawn(1, TARGET)).square().flatten(1).mean(1)


def distinctness(faces: Tensor) -> Tensor:
    """Root mean square distance (B,) from the mean of 500 drawn faces, in standard deviations of each pixel."""
    usual = drawn(500, 0)
    return ((faces - usual.mean(0)) / usual.std(0)).square().flatten(1).mean(1).sqrt()


likeness.weights = (-1.0,)  # type: ignore[attr-defined]
