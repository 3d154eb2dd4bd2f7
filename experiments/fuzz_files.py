"""Does every file that evovae reads either load, or get refused in one line?

Small valid files of each format are damaged by a seeded mutator: bits, runs of bytes and lengths; values, keys and
cells in JSON, in tables and in the headers of tensors. Each is read as the program reads it, and some run folders are
drawn, in a process that may take 1 GiB more than it has. Anything but loading and a refusal in one line is a crash:
another exception, a warning, output, ten seconds, that memory. There should be none, and both other columns should be
well filled; `ways` counts the different refusals. The mutator is no hypothesis, so that input n can be made again, by
itself, on a plain installation.

    python experiments/fuzz_files.py             about three minutes on two cores
    python experiments/fuzz_files.py --smoke     seconds, leaving no results
    python experiments/fuzz_files.py --smoke --formats csv --first 77 --inputs 1     input 77 again
"""

import contextlib
import io
import multiprocessing
import os
import re
import resource
import signal
import tempfile
import time
import traceback
import warnings
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from fuzzing.cases import Case, configurations, generators, idx_files, npz_files, pictures, tables, tensors
from fuzzing.damage import (
    damage_archive,
    damage_bytes,
    damage_export,
    damage_gzip,
    damage_json,
    damage_onnx,
    damage_picture,
    damage_table,
    damage_tensors,
)

from evovae.base import InputError
from evovae.studies import start, study

SECONDS, MEMORY = 10, 1 << 30
PROCESSES = 2
"""That read side by side, each a format."""
DRAWN = 200
"""One run folder in this number is drawn, too."""


@dataclass(frozen=True)
class Arguments:
    """Settings of the experiment."""

    inputs: int = 10_000
    """Inputs of each format."""
    first: int = 0
    """Number of the first one."""
    formats: tuple[str, ...] = ("idx", "idx.gz", "npz", "pictures", "safetensors", "json", "csv", "pt2", "onnx")
    """Which formats."""
    seed: int = 0
    """Seed of the mutations."""
    smoke: bool = False
    """Run in seconds, leaving no results."""


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
    numbers = range(arguments.first, arguments.first + inputs)

    def read_all(name: str) -> tuple[list[Outcome], float]:
        begin = time.perf_counter()
        return supervise(name, numbers, arguments.seed), time.perf_counter() - begin

    with study("fuzz_files", arguments.smoke) as results, ThreadPoolExecutor(PROCESSES) as threads:
        for name, (outcomes, seconds) in zip(arguments.formats, threads.map(read_all, arguments.formats), strict=True):
            rows.append(summarise(name, outcomes) | {"seconds": seconds})
            numbered = zip(numbers, outcomes, strict=True)
            crashes += [(name, arguments.seed, i, it.reason) for i, it in numbered if it.verdict == "crash"]
        results.table("summary", pd.DataFrame(rows))
        found = pd.DataFrame(crashes, columns=["format", "seed", "number", "reason"])
        results.table("crashes", found, show=len(crashes) > 0)
    if crashes:
        raise RuntimeError(
            f"{len(crashes)} of the damaged files crashed their reader; --first and --inputs 1 make one again"
        )


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
    """Read inputs in a process of its own; what kills or stops it is a crash, and another process takes its place."""
    context = multiprocessing.get_context("forkserver")
    entered = ["runs.figures", "objectives.judges.store", "cli.report", "encodings.generators"]
    context.set_forkserver_preload([f"evovae.{module}" for module in entered])
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


FORMATS: dict[str, tuple[Callable[[Path], list[Case]], Callable[[bytes, np.random.Generator], bytes]]] = {
    "idx": (idx_files, damage_bytes),
    "idx.gz": (lambda folder: idx_files(folder, ".gz"), damage_gzip),
    "npz": (npz_files, damage_archive),
    "pictures": (pictures, damage_picture),
    "safetensors": (tensors, damage_tensors),
    "json": (configurations, damage_json),
    "csv": (tables, damage_table),
    "pt2": (lambda folder: generators(folder, ".pt2"), damage_export),
    "onnx": (lambda folder: generators(folder, ".onnx"), damage_onnx),
}

if __name__ == "__main__":
    start(main, Arguments, __doc__)
