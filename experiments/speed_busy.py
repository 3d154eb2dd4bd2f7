"""How should torch's threads wait for one another, on a machine that is idle and on one that does something else, too?

A thread of OpenMP that has nothing to do looks for work again and again, "spins", before it sleeps: as libgomp comes,
300,000 times, about 3 ms. Spinning saves the time of waking up; beside another busy process it takes the cores from
those that are waited for. Whole commands, a training, a judge and an evolution, in turns: as libgomp comes, sleeping at
once, after a few spins, and with one thread; with nothing else running, and beside one process that never rests. Idle,
a few spins should lose at most 3% against libgomp's many (ratio 1.03); busy, take at most 1.3 times what one thread
takes. Expect sleeping at once to fail the former, libgomp's many the latter by far, and 1,000 spins (0.01 ms) to hold
both.

    python experiments/speed_busy.py            about 30 minutes on two cores, with nothing else running
    python experiments/speed_busy.py --smoke    seconds, leaving no results
"""

import contextlib
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import pandas as pd

from evovae.base import require_counts
from evovae.studies import start, study

MANY, ONE = "as libgomp comes", "one thread"
AGAINST = {"idle": MANY, "busy": ONE}
"""What the seconds of each machine are divided by."""
JUDGE = """
import dataclasses, evovae
from evovae.judges import JudgeStore
digits = evovae.load_images("mnist")
JudgeStore(dataclasses.replace(digits, train=digits.train.subset(2000, seed=0)), [], "cpu").get("judge")
"""
TRAIN = ["-m", "evovae", "train", "--dataset", "mnist", "--epochs", "2", "--overwrite", "--out"]
EVOLVE = ["-m", "evovae", "evolve", "--vae", "vae", "--objective", "digit:8", "--generations", "40", "--overwrite"]
COMMANDS = {"training": [*TRAIN, "trained"], "judge": ["-c", JUDGE], "evolution": [*EVOLVE, "--out", "eight"]}
SMALL = {"nothing": ["-m", "evovae", "info"]}


@dataclass(frozen=True)
class Arguments:
    """Settings of the measurement."""

    rounds: int = 3
    """Times that each is measured, in turns."""
    spins: tuple[int, ...] = (1_000, 10_000)
    """Spins before sleeping that are tried."""
    limit: int = 60
    """Seconds after which a command is given up; its ratio is then a lower bound."""
    smoke: bool = False
    """Run in seconds, leaving no results."""

    def __post_init__(self) -> None:
        """Refuse what makes no measurement."""
        require_counts(self, "rounds", "spins", "limit")


def main(arguments: Arguments) -> None:
    ways, commands, rounds = settings(arguments.spins), COMMANDS, arguments.rounds
    if arguments.smoke:
        ways, commands, rounds = {MANY: ways[MANY], ONE: ways[ONE]}, SMALL, 1
    rows = []
    with study("speed", arguments.smoke, provenance="busy_provenance.json") as results:
        with tempfile.TemporaryDirectory() as temporary:
            work = Path(temporary)
            if not arguments.smoke:
                measure([*TRAIN, "vae"], work, {}, arguments.limit)  # for the evolution
            turns = product(range(rounds), AGAINST, commands.items(), ways.items())
            for number, machine, (name, command), (way, environment) in turns:
                with busy(machine == "busy"):
                    found = measure(command, work, environment, arguments.limit)
                rows.append({"round": number, "machine": machine, "command": name, "waiting": way} | found)
        table = with_ratios(pd.DataFrame(rows))
        results.table("busy", table, show=False)
    by = ["machine", "command", "waiting"]
    print(table.groupby(by, sort=False)[["seconds", "processor", "ratio"]].median().round(2).to_string())


def settings(spins: tuple[int, ...]) -> dict[str, dict[str, str]]:
    """Return the environment of each way to wait."""
    few = {f"{count:,} spins": {"GOMP_SPINCOUNT": str(count)} for count in spins}
    passive = {"sleeping at once": {"OMP_WAIT_POLICY": "PASSIVE"}}
    return {MANY: {"GOMP_SPINCOUNT": "300000"}} | passive | few | {ONE: {"OMP_NUM_THREADS": "1"}}


def measure(command: list[str], work: Path, settings: dict[str, str], limit: float) -> dict[str, float]:
    """Return the seconds that a command of Python takes, by the clock and of processor time, and whether it ended.

    Raises:
        RuntimeError: if it fails.
    """
    plain = {name: value for name, value in os.environ.items() if not name.startswith(("OMP_", "GOMP_"))}
    before, begin = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    with tempfile.TemporaryDirectory() as cache, tempfile.TemporaryFile() as said:  # a cache would keep the judge
        environment = plain | {"XDG_CACHE_HOME": cache} | settings
        process = subprocess.Popen([sys.executable, *command], cwd=work, env=environment, stdout=said, stderr=said)
        try:
            status = process.wait(limit)
        except subprocess.TimeoutExpired:
            status = None
        finally:
            process.kill()
            process.wait()
        seconds, after = time.perf_counter() - begin, resource.getrusage(resource.RUSAGE_CHILDREN)
        said.seek(0)
        if status:
            raise RuntimeError(f"{' '.join(command)} ends with {status}: {said.read().decode()[-300:]}")
    processor = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {"seconds": seconds, "processor": processor, "ended": status is not None}


@contextlib.contextmanager
def busy(wanted: bool) -> Iterator[None]:
    """Let a process that never rests run beside the block, where that is wanted."""
    with contextlib.ExitStack() as stack:
        if wanted:
            process = stack.enter_context(subprocess.Popen([sys.executable, "-c", "while True: pass"]))
            stack.callback(process.kill)
        yield


def with_ratios(table: pd.DataFrame) -> pd.DataFrame:
    """Return the rows with `ratio`: their seconds over what they are held against, round by round."""
    same = ["round", "machine", "command"]
    references = table[table["waiting"] == table["machine"].map(AGAINST)]
    references = references[[*same, "seconds"]].rename(columns={"seconds": "reference"})
    joined = table.merge(references, on=same, how="left")
    return table.assign(ratio=(joined["seconds"] / joined["reference"]).to_numpy())


if __name__ == "__main__":
    start(main, Arguments, __doc__)
