"""Does a run survive what happens to processes, disks and folders, and is its result the same as if nothing had?

Small runs of training, evolution and illumination, each first undisturbed; then killed at random moments (SIGKILL,
SIGTERM, SIGINT) and in the middle of writing a file, resumed until they finish, and compared byte for byte. Then disks
that are full, folders that vanish or turn read-only, files that something else cuts, and two processes on one folder: a
single line must say so, and what was complete must be kept. Expect no run lost.

    python experiments/survive_faults.py            about 8 minutes on two cores
    python experiments/survive_faults.py --smoke    seconds, leaving no results
"""

import contextlib
import errno
import hashlib
import multiprocessing
import os
import shutil
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from multiprocessing.process import BaseProcess
from pathlib import Path

import numpy as np
import pandas as pd

from evovae.runs import PREVIOUS
from evovae.studies import start, study

SIGNALS = {"SIGKILL": signal.SIGKILL, "SIGTERM": signal.SIGTERM, "SIGINT": signal.SIGINT}
PAPERS = ("environment.json",)
"""What depends on the clock."""
VAE = "train --dataset {images} --hidden 16 --latent-dim 4 --batch-size 20 --epochs 12 --out {out}"
ILLUMINATE = (
    "illuminate --vae {vae} --objective ink --measures boldness,symmetry --grid 20 20 --emitters 2 --batch-size 10 "
    "--replicates 3 --generations 20 --out {out}"
)
EVOLVE = "evolve --vae {vae} --population 20 --replicates 3 --hall-of-fame 3 --generations 20 --out {out}"
JOBS = {
    "training": VAE,
    "autoencoder": VAE + " --no-variational --binarisation dynamic --corruption gaussian",
    "eaSimple": EVOLVE + " --objective target:test/1 --elites 2 --baselines random-search gradient-ascent",
    "NSGA-II": EVOLVE + " --objective ink,symmetry",
    "CMA-ES": EVOLVE + " --objective ink --algorithm eaGenerateUpdate --baselines random-search",
    "MAP-Elites": ILLUMINATE + " --algorithm mapElitesLine",
    "CMA-MAE": ILLUMINATE + " --algorithm cmaMAE",
}
CONTEXT = multiprocessing.get_context("forkserver")
LOOKING = threading.Lock()
"""Of two threads that look at a process at once, multiprocessing tells one that it ended with 255."""
LATE = [
    *("torch._dynamo", "torch._meta_registrations", "pandas.io.formats.csvs", "safetensors.torch", "rich._emoji_codes"),
    *(
        "evovae.studies.script",
        "evovae.evolution.baselines",
        "evovae.evolution.toolboxes",
        "evovae.evolution.algorithms",
    ),
    *("evovae.evolution.variation", "evovae.evolution.strategies", "evovae.evolution.generate_update", "scipy.stats"),
    *("matplotlib.figure", "tyro._backends._tyro_backend", "tyro._backends._tyro_help_formatting"),
]
"""Imported when first used, by each process anew."""
CONTEXT.set_forkserver_preload(
    ["evovae.runs.resuming", "evovae.cli.report", "evovae.runs.figures", "evovae.cli.commands", *LATE]
)


@dataclass(frozen=True)
class Arguments:
    """Settings of the study."""

    kills: int = 400
    """Runs that are killed at a random moment, and as many in the middle of a write."""
    faults: int = 20
    """How often each other fault is injected."""
    seed: int = 0
    """Of the moments."""
    smoke: bool = False
    """Run in seconds, leaving no results."""


@dataclass(frozen=True)
class Fault:
    """What happens when the process syncs or renames a file for the `number`-th time."""

    what: str
    """kill-half, kill-whole, kill-written (a file put aside does not count), full, read-only or removed."""
    number: int


class EndedError(Exception):
    """A process ended otherwise than it should."""


def command(job: str, folder: Path, out: Path) -> list[str]:
    """Return the arguments of a job, with a checkpoint after each epoch or generation."""
    words = JOBS[job].format(images=folder / "images", vae=folder / "training", out=out).split()
    return [*words, "--checkpoint-every", "1", "--device", "cpu"]


def run_program(arguments: list[str], errors: Path, fault: Fault | None) -> None:
    """Run the command line in this process, which was made for it; figures are not what is asked about."""
    from evovae import cli
    from evovae.runs import figures

    with errors.open("w") as file:
        os.dup2(file.fileno(), 2)
        os.dup2(file.fileno(), 1)
    sys.argv = ["evovae", *arguments]
    figures.draw = lambda run: []
    if fault is not None:
        inject(fault)
    cli.main()


def inject(fault: Fault) -> None:
    """Let the fault happen where files are written."""
    calls, sync, rename = [0], os.fsync, Path.replace

    def due() -> bool:
        calls[0] += 1
        return calls[0] >= fault.number

    def fsync(descriptor: int) -> None:
        if due():
            if fault.what == "kill-half":
                os.ftruncate(descriptor, os.fstat(descriptor).st_size // 2)
                os.kill(os.getpid(), signal.SIGKILL)
            if fault.what == "full":
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            if fault.what == "read-only":
                raise OSError(errno.EROFS, os.strerror(errno.EROFS))
            if fault.what == "removed":
                shutil.rmtree(Path(os.readlink(f"/proc/self/fd/{descriptor}")).parent)
        sync(descriptor)

    def replace(self: Path, target: Path) -> Path:
        renamed = rename(self, target)
        counted = fault.what == "kill-whole" or (fault.what == "kill-written" and target.name != PREVIOUS)
        if counted and due():
            os.kill(os.getpid(), signal.SIGKILL)
        return renamed

    os.fsync, Path.replace = fsync, replace  # type: ignore[assignment, method-assign]


def launch(arguments: list[str], errors: Path, fault: Fault | None = None) -> BaseProcess:
    """Start the program in a process of its own."""
    process = CONTEXT.Process(target=run_program, args=(arguments, errors, fault))
    with LOOKING:
        process.start()
    return process


def status_of(process: BaseProcess, seconds: float = 120) -> int | None:
    """Wait for a process and return its exit status, negative for a signal; None if it has none after so long."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        with LOOKING:
            if (status := process.exitcode) is not None:
                return status
        time.sleep(0.005)
    return None


def finish(arguments: list[str], errors: Path, fault: Fault | None = None) -> int:
    """Run the program to its end and return its exit status, negative for a signal."""
    process = launch(arguments, errors, fault)
    if (status := status_of(process)) is None:
        process.kill()
        raise EndedError(f"{' '.join(arguments)} hangs")
    return status


def checksums(folder: Path) -> dict[str, str]:
    """Return a checksum for each file of a run, but the clock's and what a kill left half written."""
    paths = sorted(path for path in folder.rglob("[!.]*") if path.is_file() and path.name not in PAPERS)
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in paths}


@contextlib.contextmanager
def workshop(seed: int = 0) -> Iterator[tuple[Path, dict[str, dict[str, str]], dict[str, float]]]:
    """Make images and run each job undisturbed; yields the folder, checksums and seconds of each."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        write_images(folder / "images", np.random.default_rng(seed))
        seconds = {}
        for job in JOBS:
            begin = time.monotonic()
            if status := finish(command(job, folder, folder / job), folder / "errors"):
                raise EndedError(f"{job} undisturbed ends with {status}: {(folder / 'errors').read_text()}")
            seconds[job] = time.monotonic() - begin
        yield folder, {job: checksums(folder / job) for job in JOBS}, seconds


def write_images(folder: Path, rng: np.random.Generator) -> None:
    """Write an image set of one class, in idx files: there is nothing that judges would tell apart."""
    folder.mkdir()
    for split, n in (("train", 200), ("t10k", 20)):
        for name, array in (("images-idx3", rng.integers(0, 256, (n, 10, 10))), ("labels-idx1", np.zeros(n))):
            header = bytes([0, 0, 8, array.ndim]) + b"".join(size.to_bytes(4, "big") for size in array.shape)
            (folder / f"{split}-{name}-ubyte").write_bytes(header + array.astype(np.uint8).tobytes())


def resume(out: Path, errors: Path) -> str:
    """Resume a run to its end and return what is wrong with that, or nothing."""
    status = finish(["resume", str(out)], errors)
    return f"resuming ends with {status}: {errors.read_text()[-300:]}" if status else ""


def not_told(errors: Path, status: int, expected: int, *words: str) -> str:
    """Return what is wrong with an end of the `expected` status, and one line that has all of `words`; or nothing."""
    lines = [line for line in errors.read_text().splitlines() if line.startswith("evovae: ")]
    if status == expected and len(lines) == 1 and all(word in lines[0] for word in words):
        return ""
    return f"ends with {status}: {errors.read_text()[-300:]}"


def killed_at_a_moment(job: str, name: str, folder: Path, out: Path, rng: np.random.Generator, seconds: float) -> str:
    """Kill a run at a random moment and resume it; return what is wrong."""
    errors = out.with_suffix(".err")
    process = launch(command(job, folder, out), errors)
    time.sleep(rng.uniform(0, seconds))
    with contextlib.suppress(ProcessLookupError):  # it was quicker
        os.kill(process.pid or 0, SIGNALS[name])
    status = status_of(process)
    if not (out / "config.json").exists():  # it had not begun, and the same command begins again
        shutil.rmtree(out, ignore_errors=True)
        status = finish(command(job, folder, out), errors)
        return f"beginning again ends with {status}: {errors.read_text()}" if status else ""
    if status not in (0, -SIGNALS[name]):
        lines = errors.read_text().strip().splitlines()
        known = (f"evovae resume {out}", f"{out} is finished")
        if status != 128 + SIGNALS[name] or not lines or not any(words in lines[-1] for words in known):
            return f"{name} ends with {status}: {lines[-3:]}"
    return resume(out, errors)


def killed_in_a_write(job: str, name: str, folder: Path, out: Path, rng: np.random.Generator, _: float) -> str:
    """Kill a run while it writes a file, and its first resumption too; return what is wrong."""
    errors = out.with_suffix(".err")
    what = "kill-half" if rng.integers(2) else "kill-whole"
    for arguments in (command(job, folder, out), ["resume", str(out)]):
        status = finish(arguments, errors, Fault(what, int(rng.integers(1, 40))))
        if status not in (0, -signal.SIGKILL):
            return f"{what} ends with {status}: {errors.read_text()[-300:]}"
        if not (out / "config.json").exists():
            return f"beginning again ends with {s}" if (s := finish(command(job, folder, out), errors)) else ""
    return resume(out, errors)


def cannot_write(job: str, name: str, folder: Path, out: Path, rng: np.random.Generator, _: float) -> str:
    """Let the disk be full, or the folder read-only, from a random write on; mend it, resume."""
    errors = out.with_suffix(".err")
    status = finish(command(job, folder, out), errors, Fault(name, int(rng.integers(4, 40))))
    if wrong := not_told(errors, status, 1, "cannot be written", f"evovae resume {out}"):
        return f"{name} {wrong}"
    return resume(out, errors)


def removed(job: str, name: str, folder: Path, out: Path, rng: np.random.Generator, _: float) -> str:
    """Remove the folder while the run writes to it: a line says so; the same command makes it again."""
    errors = out.with_suffix(".err")
    status = finish(command(job, folder, out), errors, Fault(name, int(rng.integers(4, 40))))
    if wrong := not_told(errors, status, 1, "has gone"):
        return f"{name} {wrong}"
    if out.exists():
        return f"{name}, and the folder is there again"
    status = finish(command(job, folder, out), errors)
    return f"beginning again ends with {status}" if status else ""


def truncated(job: str, name: str, folder: Path, out: Path, rng: np.random.Generator, seconds: float) -> str:
    """Cut a file of a killed run short: what can be had from others is, and a line names what cannot."""
    errors = out.with_suffix(".err")
    finish(command(job, folder, out), errors, Fault("kill-written", int(rng.integers(20, 50))))
    path = out / name
    whole = path.read_bytes()
    path.write_bytes(whole[: int(rng.integers(0, len(whole) - 1))])
    trains = JOBS[job].startswith("train")
    if name not in ("config.json", "vae.safetensors") or (name == "vae.safetensors" and trains):
        return resume(out, errors)
    before = checksums(out)
    status = finish(["resume", str(out)], errors)
    if wrong := not_told(errors, status, 2, name):
        return f"{name} cut {wrong}"
    if checksums(out) != before:
        return f"{name} cut, and resuming changes the folder"
    path.write_bytes(whole)
    return resume(out, errors)


def shared(job: str, name: str, folder: Path, out: Path, rng: np.random.Generator, seconds: float) -> str:
    """Let a second process come to the folder while the first lives, and after it was killed."""
    errors, second = out.with_suffix(".err"), out.with_suffix(".second")
    process = launch(command(job, folder, out), errors)
    while not (out / "checkpoint.safetensors").exists():
        if (ended := status_of(process, 0.01)) is not None:
            return f"it ends with {ended} before a checkpoint"
    os.kill(process.pid or 0, signal.SIGSTOP)  # alive, and slower than the second
    status = finish(["resume", str(out)], second)
    if status != 2 or "in use" not in second.read_text():
        return f"the second ends with {status}: {second.read_text()[-300:]}"
    os.kill(process.pid or 0, signal.SIGKILL)
    status_of(process)
    return resume(out, errors)


Injector = Callable[[str, str, Path, Path, np.random.Generator, float], str]
FAULTS: dict[str, tuple[Injector, str]] = {
    "SIGKILL at a random moment": (killed_at_a_moment, "SIGKILL"),
    "SIGTERM at a random moment": (killed_at_a_moment, "SIGTERM"),
    "SIGINT at a random moment": (killed_at_a_moment, "SIGINT"),
    "SIGKILL within a write, twice": (killed_in_a_write, "SIGKILL"),
    "disk full": (cannot_write, "full"),
    "folder turned read-only": (cannot_write, "read-only"),
    "folder removed": (removed, "removed"),
    "checkpoint.safetensors cut": (truncated, "checkpoint.safetensors"),
    "vae.safetensors cut": (truncated, "vae.safetensors"),
    "environment.json cut": (truncated, "environment.json"),
    "config.json cut": (truncated, "config.json"),
    "two processes on one folder": (shared, ""),
}


def survive(times: dict[str, int], seed: int, processes: int = 2) -> tuple[pd.DataFrame, pd.DataFrame, list[str]]:
    """Inject each fault this often; return the table of faults, the table of checksums, and what went wrong."""
    with workshop() as (folder, known, seconds), ThreadPoolExecutor(processes) as pool:

        def one(number: int, fault: str) -> str:
            which = list(FAULTS).index(fault)
            job = list(JOBS)[(which + number) % len(JOBS)]
            inject_it, name = FAULTS[fault]
            out = folder / "disturbed" / f"{which}-{number}"
            out.parent.mkdir(exist_ok=True)
            rng = np.random.default_rng([seed, which, number])
            wrong = inject_it(job, name, folder, out, rng, seconds[job])
            if not wrong and (found := checksums(out)) != known[job]:
                differing = [n for n in known[job].keys() | found.keys() if found.get(n) != known[job].get(n)]
                wrong = f"files differ: {', '.join(sorted(differing))}"
            if not wrong:
                shutil.rmtree(out)
            return f"{fault}, {job}, number {number}: {wrong}" if wrong else ""

        rows, troubles = [], []
        for fault, count in times.items():
            found = list(pool.map(one, range(count), [fault] * count))
            wrong = [trouble for trouble in found if trouble]
            rows.append({"fault": fault, "times": count, "survived": count - len(wrong), "lost": len(wrong)})
            troubles += wrong
        sums = [{"job": job, "file": name, "sha256": s} for job, files in known.items() for name, s in files.items()]
    return pd.DataFrame(rows), pd.DataFrame(sums), troubles


def main(arguments: Arguments) -> None:
    kills, others = (1, 1) if arguments.smoke else (arguments.kills // 3 + 1, arguments.faults)
    times = {fault: others for fault in FAULTS} | {fault: kills for fault in list(FAULTS)[:3]}
    times["SIGKILL within a write, twice"] = 1 if arguments.smoke else arguments.kills
    with study("survive_faults", arguments.smoke) as results:
        table, sums, troubles = survive(times, arguments.seed)
        results.table("summary", table)
        results.table("checksums", sums, show=False)
    if troubles:
        sys.exit("\n".join(troubles))


if __name__ == "__main__":
    start(main, Arguments, __doc__)
