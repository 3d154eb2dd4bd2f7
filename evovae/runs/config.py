"""What a command can ask of an evolution. Imports no torch: the command line shows it at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from evovae.base import MAX_NUMBER, MIN_NUMBER, InputError, require_number, require_types, require_whole
from evovae.encodings import Support
from evovae.runs.evolutions.operators import Mate, Select
from evovae.runs.searches import Baseline

EPSILON = 1.1920928955078125e-07
"""Of float32: smaller steps from a gene of 1 get lost in rounding."""
LARGE = 1e15
"""Of what genes are moved by: squares of such numbers, and their sums, stay within float32."""
EncodingName = Literal["latent", "pixels", "pca", "cppn"]
Algorithm = Literal["auto", "eaSimple", "eaMuPlusLambda", "eaMuCommaLambda", "eaGenerateUpdate"]


@dataclass(frozen=True)
class ProblemConfig:
    """What is evolved, and for what, by names that a command can give."""

    vae: str | None = None
    """A VAE: a run folder of evovae train, or a .safetensors file."""
    generator: str | None = None
    """Another decoder instead: FILE.py:FACTORY or MODULE:FACTORY, whose code is run and gives an encoding, or a .pt2 or
    .onnx file."""
    range: tuple[float, float] | None = None
    """What a .pt2 or .onnx file gives for black and for white, such as -1 1; None: what the file says, or 0 to 1."""
    encoding: EncodingName = "latent"
    """How genomes become images: codes of the VAE or the generator; or pixels, pca or cppn, of the --dataset, with no
    model at all."""
    components: int = 32
    """Genes of the encoding pca."""
    support: Support = "ball"
    """Where genomes may lie: anywhere, |gene| at most 3, norm at most the prior's 99% quantile, or norm sqrt(D)."""
    objective: str = "digit:8"
    """class:NAME, digit:K, target:test/7 or target:FILE, ssim:test/7, target:genome/0, ink, symmetry, boldness or
    lightness, or FILE.py:FUNCTION, whose code is run; digit:8+0.1*ink is a sum; digit:3,digit:8 are two objectives, for
    NSGA-II."""
    weights: tuple[float, ...] | None = None
    """One for each objective, positive to maximise; None: what each objective is meant for."""
    measures: str | None = None
    """What else is told of an image, the axes of an archive: boldness, lightness, symmetry, slant, thickness, loops or
    class, any objective, or FILE.py:FUNCTION, whose code is run; joined by commas."""

    def __post_init__(self) -> None:
        """Refuse what names no problem, or two."""
        require_types(self)
        require_whole("components", self.components, 1)
        if self.vae is not None and self.generator is not None:
            raise InputError("a VAE and a generator are given: expected one; leave --vae or --generator out")
        for name in ("vae", "generator"):
            if self.encoding != "latent" and getattr(self, name) is not None:
                raise InputError(f"encoding is {self.encoding}: it needs no {name}; leave --{name} out")
        if self.range is not None and not (len(self.range) == 2 and self.range[0] < self.range[1]):
            raise InputError(f"range is {self.range}: expected two numbers, the smaller first")


@dataclass(frozen=True)
class EvolveConfig:
    """One evolution: how many, with which operators, for how long."""

    algorithm: Algorithm = "auto"
    """DEAP's algorithm; auto is eaSimple, and eaMuPlusLambda for several objectives. eaGenerateUpdate asks and tells a
    separable CMA-ES, which starts from the initial population's mean."""
    population: int = 200
    """Individuals N in each replicate."""
    seeded: bool = False
    """Begin with the genomes of --genomes; only the rest of the population is drawn from the prior. Gradient ascent
    begins there, too; random search does not."""
    offspring: int | None = None
    """Individuals that eaMuPlusLambda and eaMuCommaLambda make in a generation; None: the size of the population."""
    elites: int = 0
    """Best individuals that eaSimple lets pass unchanged into the next generation."""
    generations: int = 100
    """Generations after the initial one."""
    replicates: int = 10
    """Independent repetitions R, evolved side by side."""
    seed: int = 0
    """Seed of the random streams."""
    mate: Mate = "cxBlend"
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
    sigma: float | None = None
    """Standard deviation of mutGaussian; initial step size of the CMA-ES. None: what suits the encoding, 0.5 for a
    VAE."""
    indpb: float = 0.2
    """Probability that a gene of a mutating individual changes."""
    select: Literal["auto", Select] = "auto"
    """Selection; auto is selTournament, and selNSGA2 for several objectives."""
    tournsize: int = 3
    """Individuals in a tournament."""
    stop_target: float | None = None
    """Stop early when every replicate has reached this fitness."""
    stop_stagnation: int | None = None
    """Stop early when no replicate has improved for this number of generations."""
    stop_evaluations: int | None = None
    """Stop early when every replicate has spent this number of evaluations."""
    stop_seconds: float | None = None
    """Stop early after this number of seconds: how far a run comes then depends on the machine, not on the seed."""
    stop_nonfinite: bool = False
    """Stop with an error when a fitness is NaN or infinite; else it never wins, and the run says so at its end."""
    hall_of_fame: int = 10
    """Best individuals kept for each replicate; of several objectives up to 200 of the front are."""
    baselines: tuple[Baseline, ...] = ("random-search",)
    """Searches to compare with, each given the evaluations that the evolution spent; --baselines alone: none."""
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
            if not 0 <= value <= 1:
                raise InputError(f"{name} is {value}: expected a probability from 0 to 1")
        for name in ("alpha", "eta", "sigma"):
            if getattr(self, name) is not None:
                require_number(name, getattr(self, name), most=LARGE)
        self._require_an_algorithm()
        self._require_limits()

    def _require_an_algorithm(self) -> None:
        if self.offspring is not None:
            require_whole("offspring", self.offspring, 1)
            if self.algorithm in ("eaSimple", "eaGenerateUpdate"):
                raise InputError(f"offspring is for eaMuPlusLambda and eaMuCommaLambda, not for {self.algorithm}")
        require_whole("elites", self.elites, 0, self.population - 1)
        if self.elites > 0 and self.algorithm not in ("auto", "eaSimple"):
            raise InputError(f"elites is {self.elites}: only eaSimple has them, not {self.algorithm}")
        if self.algorithm in ("eaMuPlusLambda", "eaMuCommaLambda") and not self.cxpb + self.mutpb <= 1:
            chances = f"cxpb and mutpb are {self.cxpb} and {self.mutpb}"
            raise InputError(f"{chances}: {self.algorithm} needs a sum of at most 1")
        if self.algorithm == "eaMuCommaLambda" and (self.offspring or self.population) < self.population:
            raise InputError(f"offspring is {self.offspring}: expected at least the population, {self.population}")
        if self.algorithm == "eaGenerateUpdate" and self.sigma is not None:
            require_number("sigma, the step size that the CMA-ES starts with,", self.sigma, EPSILON, LARGE)
        if len(set(self.baselines)) < len(self.baselines):
            raise InputError(f"baselines are {self.baselines}: name each once")

    def _require_limits(self) -> None:
        target, seconds = self.stop_target, self.stop_seconds
        if target is not None and not abs(target) <= MAX_NUMBER:
            raise InputError(f"stop target is {target}: expected a finite fitness, from -3.4e38 to 3.4e38")
        if seconds is not None:
            require_number("stop seconds", seconds, MIN_NUMBER)
        for name in ("stop_stagnation", "stop_evaluations"):
            if getattr(self, name) is not None:
                require_whole(name.replace("_", " "), getattr(self, name), 1)


@dataclass(frozen=True)
class CheckpointConfig:
    """How often the complete state of a run is written. It changes no result."""

    checkpoint_seconds: float = 15.0
    """Seconds between checkpoints: what a kill can cost at most, beside the step that it hits."""
    checkpoint_every: int | None = None
    """Write one after this number of epochs or generations, too."""

    def __post_init__(self) -> None:
        """Refuse intervals that are none."""
        require_types(self)
        require_number("checkpoint seconds", self.checkpoint_seconds)
        if self.checkpoint_every is not None:
            require_whole("checkpoint every", self.checkpoint_every, 1)
