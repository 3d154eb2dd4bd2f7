"""Digits of a GAN: 128 normal numbers -> 28x28 pixels.

The networks are those of pyribs' tutorial on latent space illumination (https://docs.pyribs.org, "Illuminating the
latent space of an MNIST GAN"); `python experiments/train_gan.py` trains them, into runs/gan below the current folder.

    evovae evolve --generator experiments/generators/mnist_gan.py:generator --objective digit:8 --dataset mnist

The discriminator's verdict is realism that a GAN brings along: report it beside a fitness, or search for it.
"""

import functools
from itertools import pairwise
from pathlib import Path

import evovae
from evovae.encodings import StandardNormal, Support

import torch
from torch import Tensor, nn

WEIGHTS = Path("runs/gan/mnist.safetensors")
GENERATOR, DISCRIMINATOR = (128, 256, 512, 1024, 784), (784, 1024, 512, 256, 1)


def stack(sizes: tuple[int, ...]) -> nn.Sequential:
    """Linear layers of these sizes, with a leaky ReLU between two."""
    layers = [layer for pair in pairwise(sizes) for layer in (nn.Linear(*pair), nn.LeakyReLU(0.2))]
    return nn.Sequential(*layers[:-1])


@functools.cache
def load(name: str, sizes: tuple[int, ...], path: Path = WEIGHTS) -> nn.Sequential:
    if not path.is_file():
        raise evovae.InputError(f"{path} is not there: run python experiments/train_gan.py, which trains it")
    with torch.device("meta"):
        network = stack(sizes)
    kept = {key: weights for key, weights in evovae.load_state(path).items() if key.startswith(name)}
    network.load_state_dict({key.removeprefix(f"{name}/"): weights for key, weights in kept.items()}, assign=True)
    return network.requires_grad_(False)


def generator(path: Path = WEIGHTS, support: Support = "ball") -> evovae.DecoderEncoding:
    network = nn.Sequential(load("generator", GENERATOR, path), nn.Tanh(), nn.Unflatten(1, (1, 28, 28)))
    prior = StandardNormal(GENERATOR[0], support)
    return evovae.DecoderEncoding(network, GENERATOR[0], (1, 28, 28), prior=prior, range=(-1.0, 1.0))


def discriminator(images: Tensor) -> Tensor:
    """Probability (B,) that images (B, 1, 28, 28) in [0, 1] are real, says the network that taught the generator."""
    return load("discriminator", DISCRIMINATOR)(2.0 * images.flatten(1) - 1.0).sigmoid().squeeze(1)
