"""What was published or found by others' code, and what comes out here? The table at the head of results/README.md.

Each of these studies leaves its rows in results/STUDY/verdicts.csv, and beside them what it took. This script puts
them, in the order of `STUDIES`, in the place of the table that is there.

    python experiments/published_results.py            a second
    python experiments/published_results.py --smoke    changes nothing, and fails where the table differs
"""

from collections.abc import Iterable
from dataclasses import dataclass

import pandas as pd

from evovae.base import files
from evovae.studies import RESULTS, VERDICTS, start

STUDIES = (
    "reproduce_notebook",
    "reproduce_example",
    "reproduce_iwae",
    "reproduce_coil",
    "reproduce_fooling",
    "reproduce_cma_mae",
    "reproduce_dqd",
    "reproduce_lsi",
    "latent_diversity",
    "reproduce_swing_up",
)
COLUMNS = ("result", "source", "reference", "ours", "interval", "verdict", "minutes", "command")


@dataclass(frozen=True)
class Arguments:
    """What to do with the table."""

    smoke: bool = False
    """Compare instead of writing."""


def main(arguments: Arguments) -> None:
    path = RESULTS / "README.md"
    before, first = path.read_text(), line(COLUMNS)
    head, found, rest = before.partition(first)
    if not found:
        raise RuntimeError(f"{path} has no table that begins with: {first}")
    now = table()
    after = head + now + "\n\n" + rest.partition("\n\n")[2]
    if arguments.smoke and after != before:
        raise RuntimeError(f"{path} has another table than the results: write it with {__file__}")
    if not arguments.smoke:
        files.write_bytes(path, after.encode())
    print(now)


def table() -> str:
    """Return the table in Markdown; minutes and command stand in the first row of each study."""
    lines = [line(COLUMNS), line(["---"] * len(COLUMNS))]
    for study in STUDIES:
        folder = RESULTS / study
        provenance = files.read_json(folder / "provenance.json")
        took = {"minutes": f"{provenance['minutes']:.0f}", "command": f"`{' '.join(provenance['command'])}`"}
        for row in pd.read_csv(folder / f"{VERDICTS}.csv", dtype=str, keep_default_na=False).to_dict("records"):
            cells = row | took
            lines.append(line([cells[column] for column in COLUMNS]))
            took = dict.fromkeys(took, "")
    return "\n".join(lines)


def line(cells: Iterable[str]) -> str:
    """Return a line of a table in Markdown."""
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    start(main, Arguments, __doc__)
