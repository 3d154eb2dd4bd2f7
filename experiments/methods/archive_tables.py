"""A published table of quality diversity, from cells to verdicts: what the reproductions of two papers share."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path

import pandas as pd
from published.illumination import compare, draw, published, verdicts

from evovae.base import InputError, require_counts
from evovae.studies import VERDICTS, Spec, Workers, gather, start, study
from methods.illumination import CURVES, FOUND

TOGETHER = 5
"""Trials of a cell, side by side."""


@dataclass(frozen=True)
class Arguments:
    """Settings of the study."""

    where: Workers = field(default_factory=Workers)
    trials: int = 0
    """Of each algorithm; 0 for those of the docstring."""
    without: tuple[str, ...] = ()
    """Algorithms to leave out, such as CMA-ME."""
    smoke: bool = False
    """Run in seconds, leaving no results."""

    def __post_init__(self) -> None:
        """Refuse what makes no study."""
        if self.trials:
            require_counts(self, "trials")


def reproduce(
    script: str,
    doc: str | None,
    table: str,
    shown: list[tuple[str, str]],
    cells: Callable[[Arguments, Path], Iterable[Spec]],
) -> None:
    """Run the cells of a table, and write what they come to beside what was published.

    Args:
        script: name of the folder under results/.
        doc: of the script.
        table: name of the table among the published ones.
        shown: domains and algorithms with a row of their own in the table of all reproductions.
        cells: arguments and the folder for the cells -> what is to be run.
    """

    def main(arguments: Arguments) -> None:
        known = list(published(table)["algorithm"].unique())
        for name in arguments.without:
            if name not in known:
                raise InputError(f"without is {name}: expected some of {', '.join(known)}")
        told = [(domain, name) for domain, name in shown if name not in arguments.without]
        with study(script, arguments.smoke) as results:
            with arguments.where.executor() as executor:
                runs = results.run_all(cells(arguments, results.cells), executor)
            summary = compare(results.rows("replicates", gather(runs, FOUND)), table)
            results.table("summary", summary)
            results.table(VERDICTS, pd.DataFrame(verdicts(summary, table, told)))
            results.figure("curves", draw(gather(runs, CURVES)))

    start(main, Arguments, doc)


def trials_of(
    arguments: Arguments,
    folder: Path,
    illuminate: Callable[..., None],
    trials: Mapping[str, int],
    domains: Iterable[str],
    together: int = TOGETHER,
) -> Iterator[Spec]:
    """Yield cells of so many trials, algorithm by algorithm.

    Args:
        arguments: of the study.
        folder: for the cells.
        illuminate: fills a cell, given domain, algorithm, `first` and `last` trial and whether this is a smoke test.
        trials: of each algorithm.
        domains: their names.
        together: trials of a cell.
    """
    for algorithm, domain in product([name for name in trials if name not in arguments.without], domains):
        number = 2 if arguments.smoke else arguments.trials or trials[algorithm]
        for first in range(0, number, together):
            settings = {"domain": domain, "algorithm": algorithm, "first": first, "smoke": arguments.smoke}
            settings["last"] = min(first + together, number)
            yield Spec(folder / f"{domain} {algorithm} {first}", illuminate, settings)
