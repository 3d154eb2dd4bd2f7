"""The settings of a model and of its training. Imports no torch: the command line shows them at once."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal

from tyro.conf import Suppress

from evovae.base import MAX_WHOLE, MIN_NUMBER, InputError, require_number, require_types, require_whole
from evovae.data import MAX_SIDE, Binarisation, Corruption

Bound = Literal["elbo", "iwae"]
MAX_LAYERS = 100
"""Most layers of a kind in a model: a file may ask for a million."""


@dataclass(frozen=True)
class VAEConfig:
    """The shape of a VAE: what it reads, how wide it is, which likelihood it maximises."""

    data_shape: Suppress[tuple[int, ...]] = (1, 28, 28)
    """Shape of one example: (C, H, W) for images, (V,) for plain vectors."""
    latent_dim: int = 32
    """Number of latent variables D."""
    network: Literal["mlp", "conv"] = "mlp"
    """Fully connected layers, or stride-2 convolutions followed by them."""
    hidden: tuple[int, ...] = (512,)
    """Units of the encoder's fully connected layers; the decoder mirrors them."""
    channels: tuple[int, ...] = (32, 64)
    """Channels of the encoder's convolutions, each of which halves the image (conv only); the decoder mirrors them."""
    activation: Literal["silu", "relu", "tanh"] = "silu"
    """Nonlinearity between the layers."""
    initialisation: Literal["lecun", "he", "glorot", "unit", "torch"] = "lecun"
    """Variance of the normal initial weights: lecun 1/N_in, he 2/N_in, glorot 2/(N_in + N_out), unit 1; torch: even
    weights and biases, as torch's layers begin with, of variance 1/(3 N_in)."""
    likelihood: Literal["bernoulli", "gaussian"] = "bernoulli"
    """Distribution of the data given z."""
    variance: float | None = None
    """Variance of the gaussian likelihood; None learns one for all pixels."""
    output: Literal["sigmoid", "tanh", "linear"] = "sigmoid"
    """Range of the decoded mean: [0, 1] (images), [-1, 1] or unbounded (vectors)."""
    variational: bool = True
    """A VAE; off, a plain autoencoder: the code is a point and the distance is the likelihood term alone."""

    def __post_init__(self) -> None:
        """Refuse settings that make no model."""
        require_types(self)
        for name, sizes in (("data shape", self.data_shape), ("hidden", self.hidden), ("channels", self.channels)):
            if len(sizes) > MAX_LAYERS:
                raise InputError(f"{name} has {len(sizes)} numbers: expected at most {MAX_LAYERS}")
            if not all(1 <= size <= MAX_WHOLE for size in sizes):
                raise InputError(f"{name} is {sizes!r}: expected whole numbers, 1 or more, below 2^63")
        if len(self.data_shape) not in (1, 3):
            raise InputError(f"data shape is {self.data_shape}: expected (C, H, W) or (V,)")
        images = len(self.data_shape) == 3
        if images and max(self.data_shape[1:]) > MAX_SIDE:  # convolutions' weights do not depend on the size
            raise InputError(f"data shape is {self.data_shape}: expected images of at most {MAX_SIDE} pixels a side")
        require_whole("latent dim", self.latent_dim, 1)
        if self.network == "conv" and not images:
            raise InputError(f"network is conv but data shape is {self.data_shape}: use mlp")
        if self.network == "conv" and not self.channels:
            raise InputError("channels is empty: a conv network needs at least one, for example --channels 32 64")
        if images and self.output != "sigmoid":
            raise InputError(f"output is {self.output!r}: images need sigmoid, for [0, 1]")
        if self.likelihood == "bernoulli" and self.output != "sigmoid":
            raise InputError(
                f"output is {self.output!r}: a bernoulli likelihood needs sigmoid; use --likelihood gaussian"
            )
        if self.variance is not None:
            require_number("variance", self.variance, MIN_NUMBER)
            if self.likelihood == "bernoulli":
                raise InputError(
                    f"variance is {self.variance}: a bernoulli likelihood has none; use --likelihood gaussian"
                )

    @classmethod
    def notebook(cls) -> VAEConfig:
        """The network of the founding notebook: 784-128-100, ReLU, weights of variance 2/N_in."""
        return cls(data_shape=(1, 28, 28), latent_dim=100, hidden=(128,), activation="relu", initialisation="he")


@dataclass(frozen=True)
class TrainConfig:
    """How a VAE is trained: how long, how fast, on what."""

    epochs: int | Literal["auto"] | None = None
    """Passes over the training images, fewer when validation images find no better model for long; None: 4, or the
    number that 900 minibatches take; auto: until more no longer pays, 25 times that at most."""
    restarts: tuple[int, ...] = ()
    """Epochs after which the learning rate rises and falls anew."""
    iterations: int | None = None
    """Stop after this number of minibatches instead of after `epochs`."""
    batch_size: int = 256
    """Images in a minibatch."""
    learning_rate: float | Literal["auto"] = "auto"
    """Adam's step size, at its largest; auto: 0.36 / sqrt(pixels times channels), half for conv, autoencoders and
    gaussian, at most 0.016."""
    optimiser: Literal["stable-adam", "adam"] = "stable-adam"
    """Adam with gradients cut where they are out of proportion, and a second try after a divergence; or Adam alone."""
    centre: bool = True
    """Let the encoder read images minus the mean of the training images, and a learned variance begin at theirs."""
    validation_images: int | None = None
    """Training images held out, to keep the model that explains them best; None: a tenth, at most 1,000; 0: none, and
    the last model is kept."""
    schedule: Literal["one-cycle", "constant"] = "one-cycle"
    """Learning rate over the run: up for a tenth of it and down to zero (Smith and Topin 2019), or always the same."""
    precision: Literal["auto", "bfloat16", "float32"] = "auto"
    """Of matrix products; auto is bfloat16 for images where the device multiplies it natively, else float32."""
    beta: float = 1.0
    """Weight of the KL term (Higgins et al. 2017); 1 gives the ELBO."""
    beta_warmup: float = 0.0
    """Part of the run, 0 to 1, over which beta grows from 0 (Bowman et al. 2016)."""
    bound: Bound = "elbo"
    """On the likelihood, to be maximised; iwae is tighter the more samples it weighs (Burda et al. 2016)."""
    samples: int = 1
    """Draws of z for each image."""
    binarisation: Binarisation = "grey"
    """Convention for the pixels: grey as they are, dynamic drawn anew each time, static drawn once."""
    corruption: Corruption = "none"
    """Noise put on the encoder's input; the target stays clean (denoising, Vincent et al. 2010)."""
    corruption_level: float = 0.3
    """Standard deviation of gaussian noise, or probability that a pixel is hit."""
    train_images: int | None = None
    """Train on a stratified subset of this number of images; None takes all."""
    seed: int = 0
    """Seed of the initial weights and of every draw while training."""
    device: str = "auto"
    """auto (CUDA when present, else the CPU), cpu, cuda, cuda:1, ..."""

    def __post_init__(self) -> None:
        """Refuse settings that train nothing."""
        require_types(self)
        if isinstance(self.epochs, int):
            require_whole("epochs", self.epochs, 1)
        if self.restarts:
            ends = (0, *self.restarts, self.epochs if isinstance(self.epochs, int) else 0)
            if not all(first < second for first, second in pairwise(ends)):
                raise InputError(f"restarts is {self.restarts}: expected rising numbers below those of --epochs")
        if self.validation_images is not None:
            require_whole("validation images", self.validation_images, 0)
        if self.iterations is not None:
            require_whole("iterations", self.iterations, 1)
        require_whole("batch size", self.batch_size, 1)
        if not isinstance(self.learning_rate, str):
            require_number("learning rate", self.learning_rate, MIN_NUMBER)
        require_number("beta", self.beta)
        if not 0 <= self.beta_warmup <= 1:
            raise InputError(f"beta warmup is {self.beta_warmup}: expected a part from 0 to 1")
        require_whole("samples", self.samples, 1)
        require_number("corruption level", self.corruption_level)
        if self.corruption in ("masking", "salt-and-pepper") and self.corruption_level > 1:
            raise InputError(f"corruption level is {self.corruption_level}: expected a probability from 0 to 1")
        require_whole("seed", self.seed, 0)
        if self.train_images is not None:
            require_whole("train images", self.train_images, 1)

    @classmethod
    def plain(cls, **settings: Any) -> TrainConfig:
        """What papers mean by training, but for these `settings`: Adam at a constant rate, images as they are, all."""
        literal = {"schedule": "constant", "optimiser": "adam", "centre": False, "validation_images": 0}
        return cls(**{**literal, "precision": "float32", **settings})

    @classmethod
    def notebook(cls) -> TrainConfig:
        """The founding notebook's run: 100,000 minibatches of 64 from 55,000 images, Adam at a constant 1e-3."""
        return cls.plain(iterations=100_000, batch_size=64, learning_rate=1e-3, train_images=55_000)
