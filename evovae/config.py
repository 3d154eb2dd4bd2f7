"""The settings of a model and of its training, free of torch so that the command line can show them at once."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal

from tyro.conf import Suppress

from evovae.checks import LARGEST, MOST, SMALLEST, require, require_number, require_types, require_whole
from evovae.data.limits import MAX_SIDE
from evovae.data.names import Binarisation, Corruption, Fit, Unreadable, parse_colour

EPSILON = 1.1920928955078125e-07
"""Of float32: smaller steps from a gene of 1 get lost in rounding."""
LARGE = 1e15
"""Of what genes are moved by: squares of such numbers, and their sums, stay within float32."""

Support = Literal["free", "box", "ball", "shell"]
Algorithm = Literal["auto", "eaSimple", "eaMuPlusLambda", "eaMuCommaLambda", "eaGenerateUpdate"]
Bound = Literal["elbo", "iwae"]
Baseline = Literal["random-search", "gradient-ascent"]

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
    initialisation: Literal["lecun", "he", "glorot", "unit"] = "lecun"
    """Variance of the normal initial weights: lecun 1/N_in, he 2/N_in, glorot 2/(N_in + N_out), unit 1."""
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
            require(len(sizes) <= MAX_LAYERS, f"{name} has {len(sizes)} numbers: expected at most {MAX_LAYERS}")
            fit = all(1 <= size <= MOST for size in sizes)
            require(fit, f"{name} is {sizes!r}: expected whole numbers, 1 or more, below 2^63")
        images = len(self.data_shape) == 3
        require(images or len(self.data_shape) == 1, f"data shape is {self.data_shape}: expected (C, H, W) or (V,)")
        small = not images or max(self.data_shape[1:]) <= MAX_SIDE  # convolutions' weights do not tell the size
        require(small, f"data shape is {self.data_shape}: expected images of at most {MAX_SIDE} pixels a side")
        require_whole("latent dim", self.latent_dim, 1)
        require(self.network == "mlp" or images, f"network is conv but data shape is {self.data_shape}: use mlp")
        require(
            self.network == "mlp" or len(self.channels) >= 1,
            "channels is empty: a conv network needs at least one, for example --channels 32 64",
        )
        require(not images or self.output == "sigmoid", f"output is {self.output!r}: images need sigmoid, for [0, 1]")
        require(
            self.likelihood == "gaussian" or self.output == "sigmoid",
            f"output is {self.output!r}: a bernoulli likelihood needs sigmoid; use --likelihood gaussian",
        )
        if self.variance is not None:
            require_number("variance", self.variance, SMALLEST)
            asked = self.likelihood == "gaussian"
            require(asked, f"variance is {self.variance}: a bernoulli likelihood has none; use --likelihood gaussian")

    @classmethod
    def notebook(cls) -> VAEConfig:
        """The network of the founding notebook: 784-128-100, ReLU, weights of variance 2/N_in."""
        return cls(data_shape=(1, 28, 28), latent_dim=100, hidden=(128,), activation="relu", initialisation="he")


@dataclass(frozen=True)
class TrainConfig:
    """How a VAE is trained: how long, how fast, on what."""

    epochs: int | Literal["auto"] | None = None
    """Passes over the training images, fewer when validation images find no better model for long; None: 4, or as many
    as 900 minibatches take; auto: until going on no longer pays, 25 times as many at most."""
    restarts: tuple[int, ...] = ()
    """Epochs after which the learning rate rises and falls anew."""
    iterations: int | None = None
    """Stop after so many minibatches instead of after `epochs`."""
    batch_size: int = 256
    """Images in a minibatch."""
    learning_rate: float | Literal["auto"] = "auto"
    """Adam's step size, at its largest; auto: 0.36 / sqrt(pixels times channels), half for conv and for autoencoders,
    at most 0.016."""
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
    """Train on a stratified subset of so many images; None takes all."""
    seed: int = 0
    """Seed of the initial weights and of every draw while training."""
    device: str = "auto"
    """auto (CUDA when present, else the CPU), cpu, cuda, cuda:1, ..."""

    def __post_init__(self) -> None:
        """Refuse settings that train nothing."""
        require_types(self)
        if isinstance(self.epochs, int):
            require_whole("epochs", self.epochs, 1)
        ends = (*self.restarts, self.epochs if isinstance(self.epochs, int) else MOST)
        rising = all(1 <= first < second for first, second in pairwise(ends))
        fixed = isinstance(self.epochs, int) or not self.restarts
        require(rising and fixed, f"restarts is {self.restarts}: expected rising numbers below those of --epochs")
        if self.validation_images is not None:
            require_whole("validation images", self.validation_images, 0)
        if self.iterations is not None:
            require_whole("iterations", self.iterations, 1)
        require_whole("batch size", self.batch_size, 1)
        if not isinstance(self.learning_rate, str):
            require_number("learning rate", self.learning_rate, SMALLEST)
        require_number("beta", self.beta)
        require(0 <= self.beta_warmup <= 1, f"beta warmup is {self.beta_warmup}: expected a part from 0 to 1")
        require_whole("samples", self.samples, 1)
        level, probability = self.corruption_level, self.corruption in ("masking", "salt-and-pepper")
        require_number("corruption level", level)
        require(level <= 1 or not probability, f"corruption level is {level}: expected a probability from 0 to 1")
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


@dataclass(frozen=True)
class DataConfig:
    """Which images, and where they come from."""

    dataset: str = "mnist"
    """mnist (ships with evovae), fashion-mnist, kmnist, cifar10, ..., a folder of pictures (of each class, or not; in
    train/ and test/, or not) or of idx files, or an .npz file like MedMNIST's."""
    data_dir: str | None = None
    """Where torchvision's image sets are, or are put; None: the user's cache folder."""
    image_size: int | None = None
    """Bring pictures to squares of so many pixels a side, 8 to 256."""
    grey: bool = False
    """Turn colour into grey."""
    fit: Fit = "crop"
    """How pictures become square: crop cuts out the largest centred square, pad puts background around the whole,
    stretch changes its proportions."""
    background: str = "white"
    """Around padded pictures and under transparent ones: white, black, grey, or hexadecimal digits such as ff8800."""
    unreadable: Unreadable = "stop"
    """What to do about a picture that cannot be read: stop with an error, or skip it and say so."""

    def __post_init__(self) -> None:
        """Refuse what names no images."""
        require_types(self)
        parse_colour(self.background)
        square = self.fit == "crop" or self.image_size is not None
        require(square, f"fit is {self.fit}: it makes squares of --image-size pixels a side; give that, too")


@dataclass(frozen=True)
class EvolveConfig:
    """One evolution: what for, how many, with which operators."""

    objective: str = "digit:8"
    """class:NAME, digit:K, target:test/7 or target:FILE, ssim:test/7, target:genome/0, ink, symmetry, boldness or
    lightness; digit:8+0.1*ink is a sum; digit:3,digit:8 are two objectives, for NSGA-II."""
    algorithm: Algorithm = "auto"
    """DEAP's algorithm; auto is eaSimple, and eaMuPlusLambda for several objectives. eaGenerateUpdate asks and tells a
    separable CMA-ES, which starts from the initial population's mean."""
    population: int = 200
    """Individuals N in each replicate."""
    seeded: bool = False
    """Begin with the genomes of --genomes; only the rest of the population is drawn from the prior. Gradient ascent
    begins there, too; random search does not."""
    offspring: int | None = None
    """Individuals that eaMuPlusLambda and eaMuCommaLambda make in a generation; None: as many as the population."""
    elites: int = 0
    """Best individuals that eaSimple lets pass unchanged into the next generation."""
    generations: int = 100
    """Generations after the initial one."""
    replicates: int = 10
    """Independent repetitions R, evolved side by side."""
    seed: int = 0
    """Seed of the random streams."""
    support: Support = "ball"
    """Where genomes may lie: anywhere, |gene| at most 3, norm at most the prior's 99% quantile, or norm sqrt(D)."""
    mate: Literal["cxBlend", "cxUniform", "cxOnePoint", "cxTwoPoint", "cxSimulatedBinary", "cxSlerp"] = "cxBlend"
    """Crossover."""
    cxpb: float = 0.5
    """Probability that two neighbours mate."""
    alpha: float = 0.5
    """cxBlend: how far children may lie outside their parents, as a part of the distance between them."""
    eta: float = 15.0
    """cxSimulatedBinary: how closely children resemble their parents."""
    swap: float = 0.5
    """cxUniform: probability that a gene is exchanged."""
    mutpb: float = 0.2
    """Probability that an individual mutates."""
    sigma: float = 0.5
    """Standard deviation of mutGaussian; initial step size of the CMA-ES."""
    indpb: float = 0.2
    """Probability that a gene of a mutating individual changes."""
    select: Literal["auto", "selTournament", "selBest", "selNSGA2"] = "auto"
    """Selection; auto is selTournament, and selNSGA2 for several objectives."""
    tournsize: int = 3
    """Individuals in a tournament."""
    stop_target: float | None = None
    """Stop early when every replicate has reached this fitness."""
    stop_stagnation: int | None = None
    """Stop early when no replicate has improved for so many generations."""
    stop_evaluations: int | None = None
    """Stop early when every replicate has spent so many evaluations."""
    stop_seconds: float | None = None
    """Stop early after so many seconds; where that is, no seed decides."""
    stop_nonfinite: bool = False
    """Stop with an error when a fitness is NaN or infinite; else it never wins, and the run says so at its end."""
    hall_of_fame: int = 10
    """Best individuals kept for each replicate; of several objectives up to 200 of the front are."""
    baselines: tuple[Baseline, ...] = ("random-search",)
    """What to run besides with as many evaluations; --baselines without a word: nothing."""
    judges: bool = True
    """Let the judges say what they think of the images found; off, only one that the objective asks is trained."""
    device: str = "auto"
    """auto (CUDA when present, else the CPU), cpu, cuda, cuda:1, ..."""

    def __post_init__(self) -> None:
        """Refuse settings that evolve nothing."""
        require_types(self)
        for name, least in (("population", 2), ("generations", 0), ("replicates", 1), ("tournsize", 1), ("seed", 0)):
            require_whole(name, getattr(self, name), least)
        require_whole("hall of fame", self.hall_of_fame, 1)
        for name in ("cxpb", "mutpb", "indpb", "swap"):
            value = getattr(self, name)
            require(0 <= value <= 1, f"{name} is {value}: expected a probability from 0 to 1")
        for name in ("alpha", "eta", "sigma"):
            require_number(name, getattr(self, name), most=LARGE)
        self._require_an_algorithm()
        self._require_limits()

    def _require_an_algorithm(self) -> None:
        if self.offspring is not None:
            require_whole("offspring", self.offspring, 1)
            by_itself = self.algorithm in ("eaSimple", "eaGenerateUpdate")
            require(not by_itself, f"offspring is for eaMuPlusLambda and eaMuCommaLambda, not for {self.algorithm}")
        require_whole("elites", self.elites, 0, self.population - 1)
        require(
            self.elites == 0 or self.algorithm in ("auto", "eaSimple"),
            f"elites is {self.elites}: only eaSimple has them, not {self.algorithm}",
        )
        by_or = self.algorithm in ("eaMuPlusLambda", "eaMuCommaLambda")
        chances = f"cxpb and mutpb are {self.cxpb} and {self.mutpb}"
        require(not by_or or self.cxpb + self.mutpb <= 1, f"{chances}: {self.algorithm} needs a sum of at most 1")
        short = self.algorithm == "eaMuCommaLambda" and (self.offspring or self.population) < self.population
        require(not short, f"offspring is {self.offspring}: expected at least the population, {self.population}")
        if self.algorithm == "eaGenerateUpdate":
            require_number("sigma, the step size that the CMA-ES starts with,", self.sigma, EPSILON, LARGE)
        require(len(set(self.baselines)) == len(self.baselines), f"baselines are {self.baselines}: name each once")

    def _require_limits(self) -> None:
        target, seconds = self.stop_target, self.stop_seconds
        reachable = target is None or abs(target) <= LARGEST
        require(reachable, f"stop target is {target}: expected a finite fitness, from -3.4e38 to 3.4e38")
        if seconds is not None:
            require_number("stop seconds", seconds, SMALLEST)
        for name in ("stop_stagnation", "stop_evaluations"):
            if getattr(self, name) is not None:
                require_whole(name.replace("_", " "), getattr(self, name), 1)


@dataclass(frozen=True)
class CheckpointConfig:
    """How often the complete state of a run is written. It changes no result."""

    checkpoint_seconds: float = 15.0
    """Seconds between checkpoints: what a kill can cost at most, beside the step that it hits."""
    checkpoint_every: int | None = None
    """Write one after so many epochs or generations, too."""

    def __post_init__(self) -> None:
        """Refuse intervals that are none."""
        require_types(self)
        require_number("checkpoint seconds", self.checkpoint_seconds)
        if self.checkpoint_every is not None:
            require_whole("checkpoint every", self.checkpoint_every, 1)
