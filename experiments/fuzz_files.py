"""Does every file that evovae reads either load, or get refused in one line?

Small valid files of each format are damaged by a seeded mutator: bits, runs of bytes and lengths; values, keys and
cells in JSON, in tables and in the headers of tensors. Each is read as the program reads it, and some run folders are
drawn, in a process that may take 1 GiB more than it has. Anything but loading and a refusal in one line is a crash:
another exception, a warning, output, ten seconds, that memory. There should be none, and both other columns should be
well filled. The mutator is no hypothesis, so that input n can be made again, by itself, on a plain installation.

    python experiments/fuzz_files.py             about two minutes on one core
    python experiments/fuzz_files.py --smoke     seconds, leaving no results
    python experiments/fuzz_files.py --smoke --formats csv --first 77 --inputs 1     input 77 again
"""

import contextlib
import gzip
import io
import json
import math
import multiprocessing
import os
import re
import resource
import shutil
import signal
import struct
import tempfile
import time
import traceback
import warnings
import zlib
from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import dataclass
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch
import tyro
from PIL import Image

from evovae import figures, files, report
from evovae.config import VAEConfig
from evovae.data import load_images
from evovae.errors import InputError
from evovae.findings import read_examples, read_population, read_training
from evovae.judges import Judge
from evovae.runs import Run
from evovae.studies import study
from evovae.vae import VAE

GOLDEN = Path(__file__).parents[1] / "tests" / "golden" / "format-1"
SECONDS, MEMORY = 10, 1 << 30
DRAWN = 200
"""One run folder in so many is drawn, too."""


@dataclass(frozen=True)
class Arguments:
    """Settings of the experiment."""

    inputs: int = 10_000
    """Inputs of each format."""
    first: int = 0
    """Number of the first one."""
    formats: tuple[str, ...] = ("idx", "idx.gz", "pictures", "safetensors", "json", "csv")
    """Which formats."""
    seed: int = 0
    """Seed of the mutations."""
    smoke: bool = False
    """Run in seconds, leaving no results."""


class Case(NamedTuple):
    """A valid file: its content, where it lies, and what the program does with it."""

    content: bytes
    path: Path
    read: Callable[[], object]
    draw: Callable[[], object] | None = None


class Outcome(NamedTuple):
    """What came of reading one input."""

    verdict: str
    """loaded, refused, or crash."""
    reason: str
    """Of a refusal, its line; of a crash, what happened and where."""
    seconds: float
    memory: int
    """Most bytes that the process has held so far."""


def main(arguments: Arguments) -> None:
    rows, crashes = [], []
    inputs = min(100, arguments.inputs) if arguments.smoke else arguments.inputs
    with study("fuzz_files", arguments.smoke) as results:
        for name in arguments.formats:
            start = time.perf_counter()
            outcomes = supervise(name, range(arguments.first, arguments.first + inputs), arguments.seed)
            rows.append(summarise(name, outcomes) | {"seconds": time.perf_counter() - start})
            numbered = enumerate(outcomes, arguments.first)
            crashes += [(name, arguments.seed, i, it.reason) for i, it in numbered if it.verdict == "crash"]
        results.table("summary", pd.DataFrame(rows))
        if crashes:
            results.table("crashes", pd.DataFrame(crashes, columns=["format", "seed", "number", "reason"]))


def summarise(name: str, outcomes: list[Outcome]) -> dict[str, Any]:
    verdicts = [outcome.verdict for outcome in outcomes]
    memory = [outcome.memory for outcome in outcomes if outcome.memory]
    return {
        "format": name,
        "inputs": len(outcomes),
        "loaded": verdicts.count("loaded"),
        "refused": verdicts.count("refused"),
        "crashes": verdicts.count("crash"),
        "ways": len({re.sub(r"'[^']*'|\S*[\d/]\S*", "", it.reason) for it in outcomes if it.verdict == "refused"}),
        "slowest_ms": 1000 * max(outcome.seconds for outcome in outcomes),
        "peak_mib": (max(memory) - memory[0]) / 2**20,
    }


def supervise(name: str, numbers: range, seed: int) -> list[Outcome]:
    """Read inputs in a process of its own; what kills or stops it is a crash, and another process goes on."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["evovae.figures", "evovae.judges", "evovae.report"])
    outcomes: list[Outcome] = []
    while len(outcomes) < len(numbers):
        ours, theirs = context.Pipe(duplex=False)
        child = context.Process(target=send, args=(theirs, name, numbers[len(outcomes) :], seed), daemon=True)
        child.start()
        theirs.close()
        with contextlib.suppress(EOFError):
            while len(outcomes) < len(numbers) and ours.poll(10 * SECONDS):  # the first takes the imports, too
                outcomes.append(ours.recv())
        if len(outcomes) < len(numbers):
            child.kill()
            outcomes.append(Outcome("crash", "it killed its process, or no signal reached it", 0.0, 0))
        child.join()
    return outcomes


def send(connection: Connection, name: str, numbers: range, seed: int) -> None:
    for outcome in attempts(name, numbers, seed):
        connection.send(outcome)


def attempts(name: str, numbers: range, seed: int) -> Iterator[Outcome]:
    """Yield what comes of each of the `numbers` of inputs of a format."""
    prepare, mutate = FORMATS[name]
    shared = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    with tempfile.TemporaryDirectory(dir=shared) as folder, guarded() as printed:
        cases = prepare(Path(folder))
        for number in numbers:
            case = cases[number % len(cases)]
            random = np.random.default_rng((seed, zlib.crc32(name.encode()), number))
            case.path.write_bytes(mutate(case.content, random))
            drawn = case.draw if number // len(cases) % DRAWN == 0 else None
            yield attempt(drawn or case.read, printed)


def attempt(read: Callable[[], object], printed: Callable[[], str]) -> Outcome:
    """Return what comes of calling `read`, under `guarded`."""
    start, verdict, reason = time.perf_counter(), "loaded", ""
    signal.setitimer(signal.ITIMER_REAL, SECONDS)
    try:
        read()
    except InputError as error:
        verdict, reason = "refused", str(error)
        if len(reason.splitlines()) != 1 or lacks_memory(error):
            verdict, reason = "crash", f"{error!r} after {error.__cause__!r}"
    except (Exception, Hang) as error:
        places = [f"{Path(frame.filename).name}:{frame.lineno}" for frame in traceback.extract_tb(error.__traceback__)]
        verdict, reason = "crash", f"{error!r} at {' '.join(places[-4:])}"
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
    if output := printed():
        verdict, reason = "crash", f"it printed {output!r}"
    memory = 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return Outcome(verdict, reason[:500], time.perf_counter() - start, memory)


def lacks_memory(error: BaseException | None) -> bool:
    """Whether memory ran out below a refusal: then the reader had asked for too much before it refused."""
    while error is not None:
        if isinstance(error, MemoryError) or "not enough memory" in str(error):
            return True
        error = error.__context__
    return False


class Hang(BaseException):
    """Reading took too long. No reader catches this."""


@contextlib.contextmanager
def guarded() -> Iterator[Callable[[], str]]:
    """Bound memory and turn warnings into errors; yields a function that returns what has been printed since asked.

    What libraries in C print is seen, too.
    """

    def stop(*_: object) -> None:
        raise Hang(f"more than {SECONDS} s")

    def printed() -> str:
        text = os.pread(output, 200, 0).decode(errors="replace")
        os.ftruncate(output, 0)
        os.lseek(output, 0, os.SEEK_SET)
        return text

    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    held = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    handler = signal.signal(signal.SIGALRM, stop)
    streams = [os.dup(number) for number in (1, 2)]
    with tempfile.TemporaryFile() as file, warnings.catch_warnings():
        output = file.fileno()
        text = io.TextIOWrapper(io.FileIO(output, "w", closefd=False), write_through=True)
        warnings.simplefilter("error")
        try:
            for number in (1, 2):
                os.dup2(output, number)
            resource.setrlimit(resource.RLIMIT_AS, (held + MEMORY, hard))
            with contextlib.redirect_stdout(text), contextlib.redirect_stderr(text):
                yield printed
        finally:
            resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
            for number, stream in zip((1, 2), streams, strict=True):
                os.dup2(stream, number)
                os.close(stream)
            signal.signal(signal.SIGALRM, handler)


# Valid files


def idx_files(folder: Path, ending: str = "") -> list[Case]:
    pixels = np.random.default_rng(0).integers(0, 256, (12, 8, 8), dtype=np.uint8)
    contents = {}
    for what, values in (("images", pixels), ("labels", np.arange(12, dtype=np.uint8) % 3)):
        header = struct.pack(f">BBBB{values.ndim}I", 0, 0, 8, values.ndim, *values.shape)
        content = header + values.tobytes()
        contents[f"train-{what}-idx{values.ndim}-ubyte{ending}"] = pack(content) if ending else content
    cases = []
    for name, content in contents.items():
        place = folder / name.replace(".", "-")
        place.mkdir()
        for other, valid in contents.items():
            (place / other).write_bytes(valid)
        cases.append(Case(content, place / name, partial(load_images, place)))
    return cases


def pictures(folder: Path) -> list[Case]:
    pixels = np.random.default_rng(0).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    colour, grey = Image.fromarray(pixels), Image.fromarray(pixels[..., 0])
    cases: list[Case] = []
    for ending in ("png", "jpg", "bmp", "gif", "webp", "tif", "ppm"):
        for picture in (colour, grey, colour.convert("RGBA")):
            if picture.mode == "RGBA" and ending in ("jpg", "ppm"):
                continue
            place = folder / str(len(cases))
            place.mkdir()
            path = place / f"damaged.{ending}"
            exif = Image.Exif()
            exif[0x0112] = 6
            picture.save(path, exif=exif)
            grey.save(place / "valid.png")
            cases.append(Case(path.read_bytes(), path, partial(load_images, place, image_size=8)))
    return cases


def tensors(folder: Path) -> list[Case]:
    small: dict[str, Any] = {"data_shape": (1, 8, 8), "hidden": (4,), "latent_dim": 2}
    configs = (
        VAEConfig(**small),
        VAEConfig(**small, network="conv", channels=(2, 3), variational=False),
        VAEConfig(**small, likelihood="gaussian"),
    )
    cases: list[Case] = []
    for number, config in enumerate(configs):
        path = folder / f"vae-{number}.safetensors"
        VAE(config).save(path)
        cases.append(Case(path.read_bytes(), path, partial(VAE.load, path)))
    judge = folder / "judge.safetensors"
    Judge("convnext", (1, 8, 8), 2).save(judge)
    cases.append(Case(judge.read_bytes(), judge, partial(Judge.load, judge)))
    checkpoint = folder / "checkpoint.safetensors"
    state = {"adam/0/step": torch.tensor(3.0), "random": torch.arange(40, dtype=torch.uint8), "done": torch.tensor(1)}
    files.save_tensors(checkpoint, "checkpoint", state, {})
    cases.append(Case(checkpoint.read_bytes(), checkpoint, partial(files.load_tensors, checkpoint, "checkpoint")))
    for name in ("eight", "front"):
        cases.append(run_file(folder / name, name, "population.safetensors", read_searches))
    cases.append(
        run_file(folder / "examples", "vae", "examples.safetensors", partial(read_examples, data_shape=(1, 28, 28)))
    )
    cases.append(run_file(folder / "weights", "vae", "vae.safetensors", lambda run: VAE.load(run.folder)))
    return cases


def configurations(folder: Path) -> list[Case]:
    return [
        run_file(folder / "vae", "vae", "config.json", lambda run: Run.open(run.folder).settings),
        run_file(folder / "eight", "eight", "config.json", read_searches),
        run_file(folder / "front", "front", "config.json", read_searches),
        run_file(folder / "made", "vae", "environment.json", lambda run: (run.environment, run.finished)),
    ]


def tables(folder: Path) -> list[Case]:
    cases = [run_file(folder / "vae", "vae", "history.csv", read_training)]
    for name in ("eight", "front"):
        cases.append(run_file(folder / f"{name}-history", name, "history.csv", figures.fitness_curves))
        cases.append(run_file(folder / f"{name}-hall", name, "hall_of_fame.csv", report.summarise_evolution))
    return cases


def read_searches(run: Run) -> None:
    figures.yardstick(Run.open(run.folder))
    figures.fitness_curves(run)
    read_population(run, D=4)


def run_file(folder: Path, name: str, file: str, read: Callable[[Run], object]) -> Case:
    """Return the case of a file of a golden run, copied to `folder`."""
    run = Run(shutil.copytree(GOLDEN / name, folder))
    draw = lambda: figures.draw(Run.open(folder))  # noqa: E731
    return Case((folder / file).read_bytes(), folder / file, partial(read, run), draw)


# Damage

NUMBERS = [0, 1, 2, 127, 128, 255, 256, 65535, 2**31 - 1, 2**31, 2**32 - 1, 2**63 - 1, 2**64 - 1]
VALUES: list[Any] = [
    None, True, False, *NUMBERS, -1, -(2**63), 10**30, 10**400, 0.5, -0.0, 1e-320, 1e38, 1e308, -1e308, math.nan,
    math.inf, "", "a\nb", "\x1b[2J\0", "\ud800", "$x$", "[/b]", "é🐣", "~", "../..", "1", "x" * 5000, [], {}, [[]],
    [None], [1.5, "a"], {"a": 1}, [0] * 1000,
]  # fmt: skip
CELLS = [
    "", " ", "nan", "inf", "-inf", "-1", "0", "1", "2", "1.5", "1e38", "1e308", "-1e308", "1e999", "9" * 18, "9" * 40,
    "9" * 5000, "x", "True", "None", '"', '"a\n,b"', "evolution", "random search", "a,b", "\0", "é🐣", "#", "0x10",
]  # fmt: skip


def damage_bytes(content: bytes, random: np.random.Generator) -> bytes:
    """Flip bits; overwrite, insert, repeat or remove a run of bytes; put in a number; cut the rest off."""
    damaged = bytearray(content)
    for _ in range(random.geometric(0.5)):
        size = len(damaged)
        start = int(random.integers(0, 1 + (min(size, 64) if random.random() < 0.5 else size)))
        end = min(size, start + int(random.geometric(0.1)))
        kind = random.integers(8)
        if kind <= 1 and start < size:
            damaged[start] ^= 1 << int(random.integers(8))
        elif kind == 2:
            damaged[start:end] = random.bytes(end - start)
        elif kind == 3:
            damaged[start:start] = damaged[start:end] * int(random.integers(1, 20))
        elif kind == 4:
            del damaged[start:end]
        elif kind == 5 and random.random() < 0.5:
            del damaged[start:]
        else:
            width = int(2 ** random.integers(4))
            order = "big" if random.random() < 0.5 else "little"
            number = (pick(NUMBERS, random) % 256**width).to_bytes(width, order)
            damaged[start : start + width * int(random.integers(2))] = number
    return bytes(damaged)


def damage_gzip(content: bytes, random: np.random.Generator) -> bytes:
    """Damage what is packed, or the pack."""
    if random.random() < 0.5:
        return damage_bytes(content, random)
    return pack(damage_bytes(gzip.decompress(content), random))


def pack(content: bytes) -> bytes:
    return gzip.compress(content, mtime=0)


def damage_picture(content: bytes, random: np.random.Generator) -> bytes:
    """Damage bytes, and make good the checksums of a PNG: with them hardly anything would come further."""
    damaged = damage_bytes(content, random)
    if not damaged.startswith(b"\x89PNG") or random.random() < 0.2:
        return damaged
    whole, at = bytearray(damaged), 8
    while at + 12 <= len(whole):
        end = at + 8 + int.from_bytes(whole[at : at + 4], "big")
        whole[end : end + 4] = zlib.crc32(whole[at + 4 : end]).to_bytes(4, "big")
        at = end + 4
    return bytes(whole)


def damage_tensors(content: bytes, random: np.random.Generator) -> bytes:
    """Damage a safetensors file: anywhere, in its header, in the configuration there, in its numbers, in its length."""
    kind, start = random.integers(6), 8 + int.from_bytes(content[:8], "little")
    header, data = content[8:start], content[start:]
    if kind == 0:
        return damage_bytes(content, random)
    if kind == 1:
        header = damage_bytes(header, random)
    elif kind == 2:
        header = damage_json(header, random)
    elif kind in (3, 4):
        described = json.loads(header)
        config = damage_json(described["__metadata__"]["config"].encode(), random)
        described["__metadata__"]["config"] = config.decode(errors="replace")
        header = json.dumps(described).encode()
    else:
        data = damage_bytes(data, random)
    length = len(header) if random.random() < 0.95 else pick(NUMBERS, random)
    return length.to_bytes(8, "little") + header + data


def damage_json(content: bytes, random: np.random.Generator) -> bytes:
    """Replace, change, add, move or remove values; nest one deeply; sometimes damage the text."""
    values = json.loads(content)
    deep = "[" * pick([10, 900, 100_000], random)
    for _ in range(random.geometric(0.6)):
        places = list(walk(values))
        if not places:
            break
        holder, key = pick(places, random)
        kind, old = random.integers(8), holder[key]
        if kind <= 1 and type(old) in (int, float) and abs(old) < 1e300:
            holder[key] = old + pick([1, -1, 0.5, 100, -old, old], random)
        elif kind == 2:
            other, name = pick(places, random)
            holder[key] = json.loads(json.dumps(other[name]))
        elif kind == 3 and isinstance(holder, dict):
            del holder[key]
        elif kind == 4 and isinstance(holder, dict):
            holder[pick(["", "x", "a\nb", f"{key} ", "__metadata__"], random)] = deepcopy(pick(VALUES, random))
        elif kind == 5 and random.random() < 0.2:
            holder[key] = "DEEP"
        else:
            holder[key] = deepcopy(pick(VALUES, random))
    text = json.dumps(values, indent=2).replace('"DEEP"', deep + deep.replace("[", "]")).encode()
    return damage_bytes(text, random) if random.random() < 0.1 else text


def walk(values: Any) -> Iterator[tuple[Any, Any]]:
    """Yield every place in a JSON value: what holds it, and its key there."""
    keys = values if isinstance(values, dict) else range(len(values)) if isinstance(values, list) else ()
    for key in keys:
        yield values, key
        yield from walk(values[key])


def damage_table(content: bytes, random: np.random.Generator) -> bytes:
    """Replace, change and swap cells; remove, repeat, add and shuffle lines and columns; sometimes damage the text."""
    lines = [line.split(",") for line in content.decode().splitlines()]
    for _ in range(random.geometric(0.5)):
        line, other = pick(lines, random), pick(lines, random)
        column = int(random.integers(len(lines[0])))
        kind = random.integers(9)
        if kind <= 1 and column < len(line):
            line[column] = pick(CELLS, random)
        elif kind == 2 and column < min(len(line), len(other)):
            line[column], other[column] = other[column], line[column]
        elif kind == 3 and column < len(line):
            with contextlib.suppress(ValueError):
                line[column] = f"{float(line[column]) * pick([-1, 0, 2, 1e3, 1e300], random):.9g}"
        elif kind == 4:
            lines = [cells[:column] + cells[column + 1 :] for cells in lines]
        elif kind == 5:
            lines = [[*cells, pick(CELLS, random)] for cells in lines]
        elif kind == 6:
            lines.insert(int(random.integers(1, len(lines) + 1)), list(line))
        elif kind == 7 and len(lines) > 2:
            del lines[int(random.integers(len(lines)))]
        else:
            lines[1:] = [lines[i] for i in 1 + random.permutation(len(lines) - 1)]
    text = "\n".join(",".join(cells) for cells in lines).encode() + b"\n"
    return damage_bytes(text, random) if random.random() < 0.1 else text


def pick(choices: list[Any], random: np.random.Generator) -> Any:
    return choices[int(random.integers(len(choices)))]


FORMATS: dict[str, tuple[Callable[[Path], list[Case]], Callable[[bytes, np.random.Generator], bytes]]] = {
    "idx": (idx_files, damage_bytes),
    "idx.gz": (lambda folder: idx_files(folder, ".gz"), damage_gzip),
    "pictures": (pictures, damage_picture),
    "safetensors": (tensors, damage_tensors),
    "json": (configurations, damage_json),
    "csv": (tables, damage_table),
}

if __name__ == "__main__":
    main(tyro.cli(Arguments, description=__doc__))
