"""Deliberate faults, each of which named tests must notice: `make mutants` puts in one after the other and runs them.

The faults are in `mutants.toml`: a file, the text that stands in it exactly once, what is put in its place, and the
tests that must fail then. They are put into copies of the tree, never into the tree itself, two at a time. Before any
fault all named tests must pass. A fault that no test notices has survived; more than 5% of survivors fail the run.

    python tests/mutants.py               all of them
    python tests/mutants.py likelihood    those whose file, fault or test has this word
"""

import ast
import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import tomllib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[1]
TABLE = Path(__file__).with_suffix(".toml")
MOST_SURVIVORS = 0.05
AT_A_TIME = 2
PATIENCE = 300.0
"""Seconds that tests may take; a fault that makes them wait for ever is noticed."""
PASSED, FAILED = 0, 1
"""Exit statuses of pytest; others are no verdict."""
LOST = 255
"""What multiprocessing says where it could not read a status."""
# Imported once, in the process that all others are copies of. Nothing of evovae's: that is what differs.
PRELOADED = [
    "torch", "pandas", "scipy.stats", "matplotlib.figure", "deap.tools", "moocore", "safetensors.torch", "rich", "tyro",
    "PIL.Image", "pytest",
]  # fmt: skip


class Mutant(NamedTuple):
    """A fault."""

    file: str
    fault: str
    old: str
    new: str
    tests: list[str]

    def source(self, root: Path = ROOT) -> str:
        """Return the file with the fault in it.

        Raises:
            ValueError: if the old text is not there exactly once, or the new one makes no other program.
        """
        before = (root / self.file).read_text()
        if (count := before.count(self.old)) != 1:
            raise ValueError(f"{self.file} has {self.old!r} {count} times: expected once, for {self.fault!r}")
        after = before.replace(self.old, self.new)
        if ast.dump(ast.parse(after)) == ast.dump(ast.parse(before)):
            raise ValueError(f"{self.file} is the same program with {self.new!r}: expected a fault, {self.fault!r}")
        return after


def read_mutants() -> list[Mutant]:
    """Return all faults, in the order of the table."""
    table = tomllib.loads(TABLE.read_text())
    return [Mutant(file, **fault) for file, faults in table.items() for fault in faults]


def copy_tree(folder: Path) -> None:
    """Copy the tree as git knows it, with what is new and not ignored."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    )
    for name in filter(None, listed.stdout.decode().split("\0")):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)


def serve_pytest(tree: Path, tests: list[str], log: Path) -> None:
    """Run tests of a tree in this process, and end it with pytest's status."""
    import pytest

    with log.open("wb") as output:
        for descriptor in (1, 2):
            os.dup2(output.fileno(), descriptor)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # which a job in the background ignores
    os.chdir(tree)
    os.environ |= {"PYTHONPATH": str(tree), "OMP_NUM_THREADS": "1", "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    sys.path[:] = [str(tree), *(path for path in sys.path if path not in ("", str(ROOT), str(ROOT / "tests")))]
    sys.exit(int(pytest.main(["-x", "-p", "no:cacheprovider", *tests])))


def run_tests(tree: Path, tests: list[str], patience: float | None = None) -> tuple[int | None, str]:
    """Return pytest's status, None where it does not come to an end in `patience` seconds, and what it said."""
    with tempfile.NamedTemporaryFile() as log:
        process = CONTEXT.Process(target=serve_pytest, args=(tree, tests, Path(log.name)))
        process.start()
        process.join(patience)
        status = process.exitcode
        process.kill()
        process.join()
        return status, Path(log.name).read_text(errors="replace")


def try_mutant(mutant: Mutant, whole: Path) -> bool:
    """Return whether the tests of a fault notice it.

    Raises:
        RuntimeError: if they could not be run.
    """
    with tempfile.TemporaryDirectory(dir=whole.parent) as temporary:
        tree = Path(temporary) / "tree"
        shutil.copytree(whole, tree, copy_function=os.link)
        (tree / mutant.file).unlink()  # which is the other tree's, too
        (tree / mutant.file).write_text(mutant.source(whole))
        status, said = run_tests(tree, mutant.tests, PATIENCE)
        if status == LOST:
            status, said = run_tests(tree, mutant.tests, PATIENCE)
    if status not in (PASSED, FAILED, None):
        raise RuntimeError(f"{mutant.file}, {mutant.fault}: pytest ends with {status}\n{said[-2000:]}")
    return status != PASSED


def shares_of(chosen: list[Mutant]) -> list[list[str]]:
    """Return the tests of some faults in as many parts as run at a time; those of a file stay together."""
    tests = sorted({test for mutant in chosen for test in mutant.tests})
    files = sorted({test.partition("::")[0] for test in tests})
    shares = (
        [test for test in tests if test.partition("::")[0] in files[part::AT_A_TIME]] for part in range(AT_A_TIME)
    )
    return [share for share in shares if share]


def main() -> None:
    """Try all faults, or those with a word, and print which survive."""
    chosen = [mutant for mutant in read_mutants() if all(word in str(mutant) for word in sys.argv[1:])]
    for mutant in chosen:
        mutant.source()
    begun = time.monotonic()
    with tempfile.TemporaryDirectory() as temporary, ThreadPoolExecutor(AT_A_TIME) as threads:
        whole = Path(temporary) / "whole"
        copy_tree(whole)
        subprocess.run([sys.executable, "-m", "compileall", "-q", str(whole / "evovae")], check=True)
        for status, said in threads.map(lambda tests: run_tests(whole, tests), shares_of(chosen)):
            if status != PASSED:
                sys.exit(f"the tests fail without any fault:\n{said[-4000:]}")
        survivors = []
        for mutant, noticed in zip(chosen, threads.map(lambda one: try_mutant(one, whole), chosen), strict=True):
            name = f"{mutant.file}: {mutant.fault}"
            print(f"{'killed  ' if noticed else 'SURVIVED'}  {name}", flush=True)
            survivors += [] if noticed else [name]
    print(
        f"{len(chosen) - len(survivors)} of {len(chosen)} killed in {time.monotonic() - begun:.0f} s",
        *survivors,
        sep="\n",
    )
    sys.exit(len(survivors) > MOST_SURVIVORS * len(chosen))


CONTEXT = multiprocessing.get_context("forkserver")

if __name__ == "__main__":
    CONTEXT.set_forkserver_preload(PRELOADED)
    main()
