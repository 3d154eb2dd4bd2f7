"""How long does COIL take for three variables, where the figure for the authors' code is 208 s on one core?

A pipeline and the searches on the variables, as `reproduce_coil.py` runs them: 5,000 searches for data, ten VAEs of
which the best is taken, 100 replicates of the search in its latent space, and 100 on the variables. One torch thread.
Expect about a tenth. The 208 s are of another machine: the ratio tells of both.

    python experiments/speed_coil.py            about a minute, with nothing else running
    python experiments/speed_coil.py --smoke    seconds, leaving no results
"""

from dataclasses import dataclass

import pandas as pd
from published.coil import PROBLEMS, SECONDS
from reproduce_coil import pipeline

from evovae.base import require_counts
from evovae.studies import start, study

import torch

PROBLEM, VARIABLES = "c1", 3


@dataclass(frozen=True)
class Arguments:
    """Settings of the measurement."""

    rounds: int = 3
    """Times that it is measured."""
    smoke: bool = False
    """Run in seconds, leaving no results."""

    def __post_init__(self) -> None:
        """Refuse what makes no measurement."""
        require_counts(self, "rounds")


def main(arguments: Arguments) -> None:
    torch.set_num_threads(1)
    problem, theirs = PROBLEMS[PROBLEM][0](VARIABLES), SECONDS[PROBLEM, VARIABLES]
    pipeline(problem, seed=0, smoke=True)  # warms up allocators
    with study("speed", arguments.smoke, provenance="coil_provenance.json") as results:
        rows = [{"round": seed} | pipeline(problem, seed, arguments.smoke)[1] for seed in range(arguments.rounds)]
        table = pd.DataFrame(rows).assign(theirs=theirs)
        ratios = theirs / table["total"]
        results.table("coil", table.assign(ratio=ratios))
    print(f"{ratios.median():.1f} times faster than {theirs} s ({ratios.min():.1f} to {ratios.max():.1f})")


if __name__ == "__main__":
    start(main, Arguments, __doc__)
