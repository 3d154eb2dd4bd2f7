"""What is reported of individuals beside their fitness."""

from __future__ import annotations

from collections.abc import Callable

import pandas as pd
from torch import Tensor

from evovae.objectives import Judges, measure_realism
from evovae.runs.problems.problem import Problem


def report_on(
    problem: Problem,
    genomes: Tensor,
    judges: Judges | None,
    measures: Callable[[Tensor], dict[str, Tensor]] | None = None,
) -> pd.DataFrame:
    """Return a row for each of `genomes` (B, D): realism, as `measure_realism` has it, and further `measures`.

    Classes that the judge sees have their names.
    """
    realism = problem.realism
    found = measure_realism(
        problem.encoding, genomes, judges, realism.real, realism.known, realism.discriminator, measures
    )
    if realism.images is not None and judges is not None:
        found["predicted"] = [realism.images.classes[label] for label in found["predicted"]]
    return found
