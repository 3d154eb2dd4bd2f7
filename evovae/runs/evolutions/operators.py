"""The register of operators that an evolution can be set to: their names, and which settings they take.

Imports no torch: the settings of a run name the operators.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

Mate = Literal["cxBlend", "cxUniform", "cxOnePoint", "cxTwoPoint", "cxSimulatedBinary", "cxSlerp"]
Select = Literal["selTournament", "selBest", "selNSGA2"]


class Operator(NamedTuple):
    """An operator of `evolution`."""

    parameters: dict[str, str]
    """By the names of its parameters, the settings that hold them."""
    genes: int = 1
    """That it needs at least."""


CROSSOVERS: dict[str, Operator] = {
    "cxBlend": Operator({"alpha": "alpha"}),
    "cxUniform": Operator({"indpb": "swap"}),
    "cxOnePoint": Operator({}, genes=2),
    "cxTwoPoint": Operator({}, genes=2),
    "cxSimulatedBinary": Operator({"eta": "eta"}),
    "cxSlerp": Operator({}),
}
SELECTIONS: dict[str, Operator] = {
    "selTournament": Operator({"tournsize": "tournsize"}),
    "selBest": Operator({}),
    "selNSGA2": Operator({}),
}
