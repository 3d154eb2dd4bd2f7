"""Every command-line option out of range, of the wrong type, or in conflict: exit 2, one line, and nothing written."""

import ast
import contextlib
import dataclasses
import functools
import gzip
import inspect
import io
import re
import shutil
import sys
import textwrap
import types
import typing
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple
from unittest import mock

import pytest
import torch
import tyro
from PIL import Image
from refusals import refused

from evovae import cli, runs
from evovae.base import devices, program
from evovae.cli import conflicts
from evovae.data import DataConfig
from evovae.models import VAE, TrainConfig, VAEConfig, fit
from evovae.models.config import MAX_LAYERS
from evovae.models.networks import count_weights
from evovae.runs import EvolveConfig, IlluminateConfig, ProblemConfig, choose, genomes
from evovae.runs.evolutions import archive_kinds, builders
from evovae.runs.illuminations import illumination
from evovae.runs.problems import inputs

pytestmark = pytest.mark.early

TRAIN = ("train", "--out", "run", "--device", "cpu")
EVOLVE = ("evolve", "--vae", "vae", "--out", "run", "--device", "cpu")
ILLUMINATE = ("illuminate", "--vae", "vae", "--out", "run", "--device", "cpu")
COMMANDS = {
    "train": TRAIN,
    "evolve": EVOLVE,
    "illuminate": ILLUMINATE,
    "resume": ("resume", "eight"),
    "plot": ("plot", "eight"),
    "explore": ("explore", "--vae", "vae", "--no-browser"),
    "export": ("export", "vae", "--to", "decoder.pt2"),
    "demo": ("demo",),
    "info": ("info",),
}


class Option(NamedTuple):
    """An option of a command, as its dataclass declares it."""

    command: str
    name: str
    hint: Any

    @property
    def kinds(self) -> set[Any]:
        """Types that a value may have, without None; of a tuple those of its elements."""
        parts = typing.get_args(self.hint) if typing.get_origin(self.hint) in (typing.Union, types.UnionType) else ()
        found = {part for part in parts or (self.hint,) if part is not types.NoneType}
        return {typing.get_args(kind)[0] if typing.get_origin(kind) is tuple else kind for kind in found}

    @property
    def is_choice(self) -> bool:
        """Whether it takes one of several words."""
        return any(typing.get_origin(kind) is typing.Literal for kind in self.kinds)

    @property
    def is_text(self) -> bool:
        """Whether it takes any text."""
        return bool(self.kinds & {str, Path})


def options_of(command: str, fields: type) -> Iterator[Option]:
    """Every option of a command's dataclass, those of its nested ones too; what cannot be typed is left out."""
    for name, hint in typing.get_type_hints(fields, include_extras=True).items():
        marks = getattr(hint, "__metadata__", ())
        kind = typing.get_args(hint)[0] if marks else hint
        if dataclasses.is_dataclass(kind):
            yield from options_of(command, typing.cast(type, kind))
        elif tyro.conf.Suppress not in marks:
            name = next((mark.name for mark in marks if getattr(mark, "name", None)), name)
            shown = name.upper() if tyro.conf.Positional in marks else "--" + name.replace("_", "-")
            yield Option(command, shown, kind)


def commands() -> dict[str, type]:
    """The dataclass of each command."""
    found = (typing.get_args(part) for part in typing.get_args(cli.Command))
    return {fields.__name__.lower(): fields for fields, *_ in found}


OPTIONS = [option for command, fields in commands().items() for option in options_of(command, fields)]

SMALL_VAE = VAEConfig(latent_dim=2, hidden=(4,))
HUGE = str(10**30)
ABOVE = str(2**63)
BELOW_1 = ("0", "-1", HUGE)
POSITIVE = ("0", "-0.0", "-1", "nan", "inf", "1e308", "1e-320")
NOT_NEGATIVE = ("-1", "nan", "inf", "-inf", "1e308")
FINITE = ("nan", "inf", "-inf", "1e308", "-1e308")
PROBABILITY = ("-0.01", "1.01", "nan", "inf")
LONG = "x" * 300

# What is out of range, by option; of a text, what it must not be.
OUT_OF_RANGE: dict[str, tuple[str, ...]] = {
    "--alpha": NOT_NEGATIVE,
    "--background": ("rot", "#12", "ff88001"),
    "--batch-size": BELOW_1,
    "--beta": NOT_NEGATIVE,
    "--beta-warmup": PROBABILITY,
    "--channels": BELOW_1,
    "--checkpoint-every": BELOW_1,
    "--checkpoint-seconds": NOT_NEGATIVE,
    "--components": BELOW_1,
    "--corruption-level": NOT_NEGATIVE,
    "--cxpb": PROBABILITY,
    "--data-dir": ("file", LONG),
    "--dataset": ("mnits", "./missing", "empty", "text", "truncated", "file"),
    "--device": ("warp", "cpu:7", "cpu:0", "cpu:-1", "cuda:99", "cuda:-1", "meta", "CPU"),
    "--elites": ("-1", "200", HUGE),
    "--emitters": BELOW_1,
    "--epochs": BELOW_1,
    "--eta": NOT_NEGATIVE,
    "--from": ("missing", "file", "empty", "eight", LONG),
    "--generations": ("-1", HUGE),
    "--generator": (
        *("missing.py:make", "mine.py", "mine.py:makes", "mine.py:broken", "mine.py:number", "mine.py:picture"),
        *("no_such_module:make", "json:dumps", "missing.pt2", "missing.onnx", "damaged.pt2", "damaged.onnx"),
    ),
    "--genomes": ("missing.json", "file", "empty", "damaged.json", "strange.safetensors", "bare.safetensors", LONG),
    "--grid": (*BELOW_1, str(10**12)),
    "--hall-of-fame": BELOW_1,
    "--hidden": (*BELOW_1, str(10**12)),
    "--image-size": ("7", "257", "0", "-5", HUGE),
    "--indpb": PROBABILITY,
    "--initial": (*BELOW_1, str(10**15)),
    "--iterations": BELOW_1,
    "--latent-dim": (*BELOW_1, str(10**12)),
    "--learning-rate": POSITIVE,
    "--line-sigma": (*NOT_NEGATIVE, "1e16"),
    "--measures": (
        *("beauty", "boldness:3", "class:dog", "digit:10", "nan*ink", "target:test/10000"),
        *("missing.py:bright", "mine.py:brigt", "mine.py:number", "mine.py:wrong", "mine.py:raises", "broken.py:any"),
    ),
    "--mutpb": PROBABILITY,
    "--objective": (
        *("beauty", "digit", "digit:10", "digit:-1", "digit:1.0", "digit:" + "9" * 5000, "ink:3", "nan*ink"),
        *("target:all/1", "target:test/10000", "target:test/-1", "target:test/" + "9" * 5000, "ssim:train/60000"),
        *("target:genome/0", "target:genome/-1"),
        *("missing.py:bright", "mine.py:brigt", "mine.py:number", "mine.py:wrong", "mine.py:raises", "broken.py:any"),
    ),
    "--offspring": BELOW_1,
    "--out": ("full", "file", "file/run", "vae/figures/run", LONG),
    "--port": ("-1", "65536", HUGE),
    "--population": ("1", "-5", str(10**15), HUGE),
    "--qd-offset": FINITE,
    "--range": (),
    "--ranges": (),
    "--replicates": (*BELOW_1, str(10**12)),
    "--restarts": BELOW_1,
    "--runs": ("missing", "file", LONG),
    "--samples": BELOW_1,
    "--seed": ("-1", ABOVE, HUGE),
    "--sigma": (*NOT_NEGATIVE, "1e16"),
    "--stop-evaluations": BELOW_1,
    "--stop-seconds": POSITIVE,
    "--stop-stagnation": BELOW_1,
    "--step-size": (*POSITIVE, "1e16"),
    "--stop-target": FINITE,
    "--swap": PROBABILITY,
    "--threshold-min": FINITE,
    "--tournsize": (*BELOW_1, str(10**15)),
    "--to": ("full", "file", "file/decoder.pt2", "decoder.txt", LONG),
    "--train-images": (*BELOW_1, "70000"),
    "--vae": ("missing", "file", "empty", "vectors.safetensors", LONG),
    "--validation-images": ("-1", HUGE),
    "--variance": POSITIVE,
    "--weights": ("0", "nan", "inf"),
    "FOLDER": ("missing", "file", "empty", LONG),
    "RUNS": ("missing", "file", "empty", LONG),
    "VAE": ("missing", "file", "empty", "vectors.safetensors", LONG),
}
# What a range depends on beside the option itself.
WITH = {
    "--channels": ("--network", "conv"),
    "--data-dir": ("--dataset", "usps"),
    "--genomes": ("--seeded",),
    "--offspring": ("--algorithm", "eaMuPlusLambda"),
    "--variance": ("--likelihood", "gaussian"),
    "VAE": ("--to", "decoder.pt2"),
}
# What stands in the place of a command's own options.
INSTEAD = {"--generator": ("evolve", "--out", "run", "--device", "cpu")}
# Where a command has ranges of its own.
OUT_OF_RANGE_IN: dict[tuple[str, str], tuple[str, ...]] = {
    ("illuminate", "--batch-size"): ("1", "0", "-1", str(10**15), HUGE),
    ("illuminate", "--generations"): BELOW_1,
    ("illuminate", "--learning-rate"): PROBABILITY,
    ("illuminate", "--sigma"): (*POSITIVE, "1e16"),
    ("plot", "--out"): ("curves.txt", "curves", "empty", LONG + ".png"),
    ("demo", "--out"): ("file", "file/demo", "taken", "vae", LONG),
}
UNPRINTABLE = ("a\nb", "a\0b", "a\udcff", "", " ")

# Generators and objectives of one's own.
MINE = """
import torch
from evovae import DecoderEncoding

number = 3


def make():
    return DecoderEncoding(lambda z: z.sigmoid().repeat(1, 32).unflatten(1, (3, 8, 8)), 6, (3, 8, 8))


def curve():
    return DecoderEncoding(lambda z: z.sigmoid(), 6, (6,))


def broken():
    raise ValueError("mine.py:broken does not work")


def picture():
    return torch.zeros(3, 4, 4)


def wrong(images):
    return images


def raises(images):
    raise ValueError("mine.py:raises does not work")


def noisy(images, random):
    return random.uniform(len(images))


noisy.random = True
"""

WRONG_TYPE = {int: ("three", "1.5"), float: ("1,5",), bool: ("yes",)}

Row = tuple[tuple[str, ...], str]
OBJECTIVE = (*EVOLVE, "--objective")
TWO = (*OBJECTIVE, "ink,symmetry")
OWN = ("evolve", "--out", "run", "--device", "cpu")
OWN_ARCHIVE = ("illuminate", "--out", "run", "--device", "cpu", "--generator", "mine.py:curve", "--objective", "ink")
KEPT = (*EVOLVE, "--genomes", "kept.json")
CONFLICTS: list[Row] = [
    (("resume", "vae", "--generations", "5"), "only evolutions"),
    (("resume", "eight", "--epochs", "5"), "only trainings"),
    ((*TRAIN, "--epochs", "5", "--restarts", "7"), "rising numbers below those of --epochs"),
    ((*TRAIN, "--restarts", "7"), "rising numbers below those of --epochs"),
    ((*TRAIN, "--epochs", "auto", "--validation-images", "0"), "held out"),
    ((*TRAIN, "--train-images", "100", "--validation-images", "100"), "fewer than the 100"),
    ((*TRAIN, "--from", "vae", "--latent-dim", "5"), "latent dim is 5"),
    ((*TRAIN, "--network", "conv", "--channels"), "channels is empty"),
    ((*TRAIN, "--hidden", *["8"] * (MAX_LAYERS + 1)), "hidden has"),
    ((*TRAIN, "--network", "conv", "--channels", "8", "8", "8", "8", "8"), "too many to halve"),
    ((*TRAIN, "--network", "conv", "--channels", str(10**12)), "channels (1000000000000,)"),
    ((*TRAIN, "--latent-dim", "10000000", "--no-variational"), "GiB"),
    ((*TRAIN, "--output", "tanh", "--likelihood", "gaussian"), "images need sigmoid"),
    ((*TRAIN, "--variance", "0.1"), "--likelihood gaussian"),
    ((*TRAIN, "--corruption", "masking", "--corruption-level", "1.5"), "probability"),
    ((*TRAIN, "--overwrite", "--out", "full"), "no run folder"),
    ((*TRAIN, "--overwrite", "--out", "eight"), "run of evolution"),
    ((*EVOLVE, "--out", "vae"), "--overwrite"),
    ((*EVOLVE, "--overwrite", "--out", "vae"), "run of training"),
    ((*EVOLVE, "--vae", "vae/vae.safetensors", "--dataset", "mnits"), "mnits"),
    ((*EVOLVE, "--vae", "bare.safetensors"), "--dataset"),
    ((*EVOLVE, "--vae", "one.safetensors", "--dataset", "mnist", "--mate", "cxOnePoint"), "2 genes"),
    ((*EVOLVE, "--algorithm", "eaSimple", "--offspring", "50"), "not for eaSimple"),
    ((*EVOLVE, "--offspring", "50"), "not for eaSimple"),
    ((*EVOLVE, "--algorithm", "eaMuCommaLambda", "--elites", "1"), "only eaSimple"),
    ((*EVOLVE, "--algorithm", "eaMuCommaLambda", "--offspring", "50"), "at least the population"),
    ((*EVOLVE, "--algorithm", "eaMuPlusLambda", "--mutpb", "0.6"), "at most 1"),
    ((*EVOLVE, "--algorithm", "eaGenerateUpdate", "--sigma", "0"), "positive"),
    ((*EVOLVE, "--algorithm", "eaGenerateUpdate", "--sigma", "1e-7"), "positive"),
    ((*EVOLVE, "--algorithm", "eaGenerateUpdate", "--select", "selBest"), "by itself"),
    ((*EVOLVE, "--algorithm", "eaMuCommaLambda", "--select", "selBest"), "offspring"),
    ((*EVOLVE, "--select", "selNSGA2"), "several objectives"),
    ((*EVOLVE, "--select", "selBest"), "everybody survive"),
    ((*EVOLVE, "--baselines", "random-search", "random-search"), "name each once"),
    ((*EVOLVE, "--seeded"), "--genomes"),
    (KEPT, "genomes are given: they have no effect"),
    ((*KEPT, "--objective", "target:test/1"), "genomes are given: they have no effect"),
    ((*KEPT, "--seeded", "--population", "2"), "at least the 3 genomes"),
    ((*KEPT, "--objective", "ssim:genome/3"), "0 to 2"),
    ((*OBJECTIVE, "boldness", "--baselines", "gradient-ascent"), "no gradient"),
    ((*OBJECTIVE, "digit:8+0.05*boldness", "--baselines", "gradient-ascent"), "no gradient"),
    ((*OBJECTIVE, "ink,ink"), "once"),
    ((*OBJECTIVE, "digit:8*0.5"), "0.5*digit:8"),
    ((*OBJECTIVE, "digit:8-1*ink"), "+-0.5*ink"),
    ((*OBJECTIVE, ",".join(f"digit:{k}" for k in range(6))), "at most 5"),
    ((*TWO, "--algorithm", "eaSimple"), "ranks by one objective"),
    ((*TWO, "--algorithm", "eaGenerateUpdate"), "ranks by one objective"),
    ((*TWO, "--select", "selTournament"), "selNSGA2"),
    ((*TWO, "--stop-target", "3"), "no best to stop at"),
    ((*TWO, "--stop-stagnation", "3"), "no best to stop at"),
    ((*TWO, "--baselines", "gradient-ascent"), "one objective"),
    ((*TWO, "--mutpb", "0.6"), "at most 1"),
    ((*TWO, "--algorithm", "eaMuCommaLambda"), "--offspring"),
    ((*EVOLVE, "--generator", "mine.py:make"), "a VAE and a generator are given"),
    ((*EVOLVE, "--encoding", "pixels", "--dataset", "mnist"), "it needs no vae"),
    ((*OWN, "--encoding", "cppn"), "say which with --dataset"),
    ((*OWN, "--generator", "mine.py:make", "--range", "-1", "1"), "leave range out"),
    ((*OWN, "--generator", "mine.py:make", "--range", "1", "-1"), "the smaller first"),
    ((*OWN, "--generator", "mine.py:make", "--objective", "digit:8"), "--dataset"),
    ((*OWN, "--generator", "mine.py:make", "--objective", "target:test/1"), "--dataset"),
    ((*OWN, "--generator", "mine.py:curve", "--objective", "target:picture.png"), "no picture is like them"),
    ((*OWN, "--generator", "mine.py:make", "--dataset", "mnist"), "the generator makes (3, 8, 8)"),
    ((*OWN, "--generator", "mine.py:curve", "--dataset", "mnist"), "makes no images"),
    ((*OWN, "--generator", "mine.py:make", "--objective", "mine.py:noisy+ink"), "noisy needs draws"),
    ((*EVOLVE, "--weights", "1", "1"), "expected 1"),
    ((*ILLUMINATE, "--measures", "None"), "no measures"),
    ((*ILLUMINATE, "--measures", "ink,ink"), "once"),
    ((*ILLUMINATE, "--measures", "mine.py:noisy"), "mine.py:noisy cannot be used"),
    ((*ILLUMINATE, "--objective", "ink,symmetry"), "2 objectives are too many"),
    ((*ILLUMINATE, "--objective", "boldness", "--measures", "ink", "--algorithm", "cmaMEGA"), "no gradient"),
    ((*ILLUMINATE, "--algorithm", "cmaMAEGA"), "measure boldness has no gradient"),
    ((*ILLUMINATE, "--grid", "5"), "a number of cells for each of boldness, lightness"),
    ((*ILLUMINATE, "--ranges", "0", "784"), "two numbers for each of boldness, lightness"),
    ((*ILLUMINATE, "--ranges", "0", "784", "1", "0.5"), "low < high"),
    ((*ILLUMINATE, "--ranges", "0", "784", "0.5"), "two finite numbers for each measure"),
    ((*ILLUMINATE, "--measures", "class,ink", "--grid", "9", "9"), "9 cells for class: expected 10"),
    ((*ILLUMINATE, "--baselines", "random-search", "random-search"), "name each once"),
    ((*ILLUMINATE, "--overwrite", "--out", "eight"), "run of evolution"),
    ((*OWN_ARCHIVE, "--measures", "boldness"), "pictures (C, H, W)"),
    ((*OWN_ARCHIVE, "--measures", "class"), "--dataset"),
    (("plot", "eight", "killed", "--out", "curves.png"), "killed"),
    (("plot", "eight", "./eight", "--out", "curves.png"), "twice"),
    (("plot", "eight", "vae", "--out", "curves.png"), "vae has kind 'training', not 'evolution'"),
    (("plot", "eight", "--out", "file/curves.png"), "file cannot be written"),
]
# For each pair of `conflicts`: a value of the option, and what leaves it without effect.
IDLE = {
    ("epochs", "iterations"): ("7", "--iterations", "5"),
    ("channels", "network"): ("8", "--network", "mlp"),
    ("corruption_level", "corruption"): ("0.5", "--corruption", "none"),
    ("beta", "variational"): ("2", "--no-variational"),
    ("beta_warmup", "variational"): ("0.5", "--no-variational"),
    ("beta", "bound"): ("2", "--bound", "iwae"),
    ("beta_warmup", "bound"): ("0.5", "--bound", "iwae"),
    ("bound", "variational"): ("iwae", "--no-variational"),
    ("samples", "variational"): ("5", "--no-variational"),
    ("components", "encoding"): ("5", "--encoding", "latent"),
    ("support", "encoding"): ("free", "--encoding", "pixels"),
    ("mate", "algorithm"): ("cxSlerp", "--algorithm", "eaGenerateUpdate"),
    ("cxpb", "algorithm"): ("0.4", "--algorithm", "eaGenerateUpdate"),
    ("mutpb", "algorithm"): ("0.4", "--algorithm", "eaGenerateUpdate"),
    ("indpb", "algorithm"): ("0.4", "--algorithm", "eaGenerateUpdate"),
    ("tournsize", "algorithm"): ("5", "--algorithm", "eaGenerateUpdate"),
    ("learning_rate", "algorithm"): ("0.1", "--algorithm", "cmaME"),
    ("threshold_min", "algorithm"): ("1", "--algorithm", "mapElites"),
    ("step_size", "algorithm"): ("0.5", "--algorithm", "cmaMAE"),
    ("line_sigma", "algorithm"): ("0.1", "--algorithm", "mapElites"),
    ("initial", "algorithm"): ("50", "--algorithm", "cmaMAE"),
    ("alpha", "mate"): ("0.4", "--mate", "cxUniform"),
    ("eta", "mate"): ("4", "--mate", "cxBlend"),
    ("swap", "mate"): ("0.4", "--mate", "cxSlerp"),
    ("tournsize", "select"): ("5", "--select", "selBest", "--algorithm", "eaMuPlusLambda"),
}
LINES: list[Row] = [
    ((), "train"),
    (("bogus",), "bogus"),
    (("--bogus",), "--bogus"),
    (("--tyro-print-completion", "csh"), "csh"),
    (("train",), "--out"),
    (("train", "--out"), "--out"),
    (("train", "--out="), "--out"),
    (("evolve", "--out", "run"), "--vae, --generator, or --encoding"),
    (("evolve", "--vae", "vae"), "--out"),
    ((*TRAIN, "--sigma", "1"), "--sigma"),
    ((*TRAIN, "--data-shape", "3"), "--data-shape"),
    ((*TRAIN, "--epoch", "1"), "--epoch"),
    ((*TRAIN, "--epochs", "1", "2"), "2"),
    ((*TRAIN, "--batch-size", "9" * 5000), "--batch-size has too many digits"),
    ((*TRAIN, "--epochs", "9" * 5000), "9...': expected a whole number, or auto"),
    ((*TRAIN, "--epochs", "1e3"), "--epochs is '1e3': expected a whole number, or auto"),
    ((*TRAIN, "--learning-rate", "fast"), "--learning-rate is 'fast': expected a number, or auto"),
    ((*TRAIN, "--hidden", "8", "x"), "--hidden is '8', 'x': expected whole numbers"),
    ((*TRAIN, "--train-images", "all"), "--train-images is 'all': expected a whole number"),
    ((*TRAIN, "--network", "vit"), "--network is 'vit': expected one of 'mlp', 'conv'"),
    ((*EVOLVE, "--stop-target", "x"), "--stop-target is 'x': expected a number"),
    (("plot",), "RUN"),
    (("plot", "--out", "curves.png"), "RUN"),
    (("info", "more"), "more"),
    (("info", "--more"), "--more"),
]


def call(option: Option, *values: str) -> tuple[str, ...]:
    """The command line that gives `values` to `option`."""
    if not option.name.startswith("--"):
        return (option.command, *values, *WITH.get(option.name, ()))
    command = INSTEAD.get(option.name, COMMANDS[option.command])
    return (*command, *WITH.get(option.name, ()), option.name, *values)


def range_rows() -> Iterator[Row]:
    for option in OPTIONS:
        values = OUT_OF_RANGE_IN.get((option.command, option.name), OUT_OF_RANGE.get(option.name, ()))
        for value in values:
            word = option.name if option.kinds & {int, float} and value != "70000" else value
            yield call(option, value), word.removeprefix("target:").removeprefix("ssim:")
        for value in UNPRINTABLE if option.is_text else ():
            yield call(option, value), repr(value) if value.strip() else "empty"


def type_rows() -> Iterator[Row]:
    for option in OPTIONS:
        for value in [value for kind in option.kinds for value in WRONG_TYPE.get(kind, ())]:
            yield call(option, value), value
        if option.is_choice:
            yield call(option, "nonsense"), "nonsense"


def effect_rows() -> Iterator[Row]:
    for name, other, _ in conflicts.NEEDS:
        named = OWN if name in ProblemConfig.__annotations__ else TRAIN
        for command, config in ((EVOLVE, EvolveConfig), (ILLUMINATE, IlluminateConfig)):
            named = command if {name, other} <= config.__annotations__.keys() else named
        yield (*named, f"--{name.replace('_', '-')}", *IDLE[name, other]), "no effect with --"


ROWS = [*range_rows(), *type_rows(), *effect_rows(), *CONFLICTS, *LINES]


class Outcome(NamedTuple):
    """What came of a command line."""

    status: object
    output: str
    errors: str
    changed: list[Path]
    places: frozenset[tuple[str, int]]
    """File and line of every function that an exception passed."""


def snapshot(folder: Path) -> dict[Path, tuple[int, int, int]]:
    found = {path: path.lstat() for path in (folder, *folder.rglob("*"))}
    return {path: (stat.st_ino, stat.st_size, stat.st_mtime_ns) for path, stat in found.items()}


def places(error: BaseException | None) -> Iterator[tuple[str, int]]:
    while error is not None:
        trace = error.__traceback__
        while trace is not None:
            yield trace.tb_frame.f_code.co_filename, trace.tb_lineno
            trace = trace.tb_next
        error = error.__context__


def prepare(folder: Path) -> None:
    """Make a folder of everything that a wrong path may lead to."""
    for name in ("empty", "text", "truncated", "full", "taken", "killed"):
        (folder / name).mkdir()
    (folder / "text" / "notes.txt").write_text("no picture")
    (folder / "truncated" / "train-images-idx3-ubyte.gz").write_bytes(gzip.compress(bytes(5000))[:20])
    (folder / "truncated" / "train-labels-idx1-ubyte.gz").write_bytes(gzip.compress(bytes(50)))
    (folder / "full" / "thesis.tex").write_text("precious")
    (folder / "taken" / "three").write_text("no folder")
    (folder / "file").write_text("not a folder")
    VAE(SMALL_VAE).save(folder / "bare.safetensors")
    VAE(VAEConfig(latent_dim=1, hidden=(4,))).save(folder / "one.safetensors")
    VAE(VAEConfig(data_shape=(3,), latent_dim=2, hidden=(4,))).save(folder / "vectors.safetensors")
    with contextlib.chdir(folder):
        runs.train(DataConfig(), SMALL_VAE, TrainConfig(iterations=1, train_images=100, device="cpu"), "vae")
        small = EvolveConfig(population=4, generations=1, replicates=1, device="cpu", baselines=())
        runs.evolve_named(ProblemConfig(vae="vae", objective="ink"), small, "eight")
    shutil.copy(folder / "eight" / "config.json", folder / "killed")
    kept = genomes.to_json(torch.zeros(3, 2), genomes.digest_of(VAE.load(folder / "vae")))
    (folder / "kept.json").write_bytes(kept)
    (folder / "damaged.json").write_bytes(kept[:-5])
    (folder / "mine.py").write_text(MINE)
    (folder / "broken.py").write_text("import no_such_module\n")
    Image.new("RGB", (4, 4)).save(folder / "picture.png")
    for name in ("damaged.pt2", "damaged.onnx"):
        (folder / name).write_bytes(b"PK\x03\x04 and no more")
    (folder / "strange.safetensors").write_bytes(genomes.to_safetensors(torch.zeros(3, 2), "of another VAE"))


@pytest.fixture(scope="module")
def run_cli(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[tuple[str, ...]], Outcome]]:
    """Run a command line in a prepared folder; the outcome of one that was run before is remembered."""
    folder = tmp_path_factory.mktemp("cwd")
    with (
        mock.patch.object(inputs, "SILENCE", float("inf")),  # a busy machine may take long, and would be told so
    ):
        prepare(folder)

        @functools.cache
        def run(arguments: tuple[str, ...]) -> Outcome:
            before, output, errors = snapshot(folder), io.StringIO(), io.StringIO()
            with (
                contextlib.chdir(folder),
                mock.patch.object(sys, "argv", ["evovae", *arguments]),
                contextlib.redirect_stdout(output),
                contextlib.redirect_stderr(errors),
                pytest.raises(SystemExit) as end,
            ):
                cli.main()
            after = snapshot(folder)
            changed = sorted(path for path in before.keys() | after.keys() if before.get(path) != after.get(path))
            found = frozenset(places(end.value))
            return Outcome(end.value.code, output.getvalue(), errors.getvalue(), changed, found)

        yield run


def shown(arguments: tuple[str, ...]) -> str:
    return " ".join(arguments).encode("unicode_escape").decode()[-80:] or "nothing"


def test_bad_input_ends_with_one_line_and_status_2_and_nothing_written(
    run_cli: Callable[[tuple[str, ...]], Outcome],
) -> None:
    wrong = {shown(arguments): fault for arguments, word in ROWS if (fault := fault_of(run_cli(arguments), word))}
    assert not wrong


def fault_of(found: Outcome, word: str) -> str:
    """What is wrong with the outcome of bad input, whose message should name `word`; empty if nothing is."""
    if (found.status, found.output, found.changed) != (2, "", []):
        return f"status {found.status}, output {found.output!r}, changed {found.changed}, errors {found.errors!r}"
    one_line = found.errors.startswith("evovae: ") and found.errors.endswith("\n") and found.errors.count("\n") == 1
    if not one_line or len(found.errors.splitlines()) != 1:
        return f"not one line: {found.errors!r}"
    if word.strip("-").replace("-", " ") not in found.errors.replace("-", " "):
        return f"{word!r} is not named: {found.errors!r}"
    jargon = re.search(r"Errno|literal|instantiated|INT|FLOAT|NoneType|1 values|frame #", found.errors)
    return f"{jargon[0]!r} is not for users: {found.errors!r}" if jargon else ""


def test_every_option_has_rows_out_of_range_and_of_the_wrong_type() -> None:
    ranged = {*OUT_OF_RANGE, *(name for _, name in OUT_OF_RANGE_IN)}
    for option in OPTIONS:
        assert option.is_text or option.is_choice or option.kinds <= WRONG_TYPE.keys(), f"no wrong type for {option}"
        free = option.is_choice or option.kinds == {bool}
        assert free or option.name in ranged, f"no value out of range for {option}"
    assert ranged <= {option.name for option in OPTIONS}


def test_every_conflict_has_a_row(run_cli: Callable[[tuple[str, ...]], Outcome]) -> None:
    """Each line of the code that refuses a setting is met by a row, so that a new refusal cannot go without."""
    met = {place for arguments, _ in ROWS for place in run_cli(arguments).places}
    # No command line makes a model of vectors; images that have changed have a test of their own.
    elsewhere = ("data_shape", "likelihood needs", "have changed since", "ranges is None")
    holders = (VAEConfig, TrainConfig, EvolveConfig, IlluminateConfig, ProblemConfig)
    for holder in (*holders, archive_kinds, builders, illumination, choose):
        file, (lines, first) = inspect.getsourcefile(holder), inspect.getsourcelines(holder)
        for node in refusals_in(textwrap.dedent("".join(lines))):
            text = ast.unparse(node)
            if text == "require_types(self)" or any(word in text for word in elsewhere):
                continue  # a type that is wrong does not get past the command line
            span = range(max(first, 1) + node.lineno - 1, max(first, 1) + typing.cast(int, node.end_lineno))
            assert any((file, line) in met for line in span), f"no row meets {text}"


def refusals_in(source: str) -> Iterator[ast.Call | ast.Raise]:
    """The statements that refuse a setting: `raise InputError(...)`, and calls of `require_whole` and its kin."""
    for node in ast.walk(ast.parse(source)):
        called = node.exc if isinstance(node, ast.Raise) else node
        if isinstance(called, ast.Call):
            name = ast.unparse(called.func)
            if name == "InputError" if isinstance(node, ast.Raise) else name.startswith("require_"):
                yield typing.cast(ast.Call | ast.Raise, node)


def test_both_forms_of_a_refusal_are_found() -> None:
    source = """
        require_number("one", a)
        if b:
            raise InputError("two")
        require_whole("three", c)
        raise KeyError("none")
    """
    found = {ast.unparse(node).partition("(")[0] for node in refusals_in(textwrap.dedent(source))}
    assert found == {"require_number", "raise InputError", "require_whole"}


def test_an_option_without_effect_may_keep_its_default() -> None:
    conflicts.require_effect(VAEConfig(variational=False), TrainConfig(iterations=5))
    conflicts.require_effect(EvolveConfig(algorithm="eaGenerateUpdate", mate="cxBlend"))
    conflicts.require_effect(EvolveConfig(mate="cxUniform", swap=0.1))


@pytest.mark.parametrize("variational", [True, False])
@pytest.mark.parametrize(("network", "channels"), [("mlp", ()), ("conv", (3, 5))])
def test_the_size_of_a_model_is_foretold(network: str, channels: tuple[int, ...], variational: bool) -> None:
    settings = VAEConfig(network=network, channels=channels, hidden=(7, 6), latent_dim=3, variational=variational)
    weights = [parameter for parameter in VAE(settings).parameters() if parameter.ndim > 1]
    assert sum(weight.numel() for weight in weights) == count_weights(settings)


def test_training_needs_more_room_than_the_model(monkeypatch: pytest.MonkeyPatch) -> None:
    vae = VAE(SMALL_VAE)
    monkeypatch.setattr(devices, "_memory", lambda _: 3 * 4 * count_weights(SMALL_VAE))
    VAE(SMALL_VAE)
    with refused("latent dim 2", "GiB", "ask for less"):
        fit(vae, torch.zeros(4, 1, 28, 28), TrainConfig(device="cpu"))


def test_memory_that_is_used_up_ends_with_one_line_and_status_1(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for error in (MemoryError(), RuntimeError("DefaultCPUAllocator: can't allocate memory: 4 bytes\nframe #0")):
        monkeypatch.setattr("evovae.cli.commands.parse", mock.Mock(side_effect=error))
        with pytest.raises(SystemExit) as end:
            cli.main()
        assert end.value.code == 1
        assert capsys.readouterr().err == f"evovae: {program.NO_MEMORY}\n"
