"""What the tests of evolution share: a simple problem, an objective that counts its calls, comparisons bit for bit."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import torch
from deap import base, tools

from evovae import evolution
from evovae.encodings import VectorEncoding
from evovae.evolution import Population


def sphere(x: torch.Tensor) -> torch.Tensor:
    return -x.square().sum(-1, keepdim=True)


@contextmanager
def case(name: str) -> Iterator[None]:
    """Name one of many small cases in the failure of its block."""
    try:
        yield
    except BaseException as failure:
        failure.add_note(f"in the case {name}")
        raise


class Counting:
    """An objective that keeps what it was asked."""

    def __init__(self, objective: Callable[[torch.Tensor], torch.Tensor] = sphere) -> None:
        self.objective = objective
        self.batches: list[torch.Tensor] = []

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        self.batches.append(x.clone())
        return self.objective(x)

    @property
    def count(self) -> int:
        return sum(len(batch) for batch in self.batches)


def toolbox(objective=sphere, dim: int = 5, low=None, high=None, weights=None, **roles) -> base.Toolbox:
    box = evolution.toolbox(VectorEncoding(dim, low, high), objective, weights)
    for role, operator in roles.items():
        box.register(role, operator)
    return box


def assert_same(one: Population, other: Population, rows: slice = slice(None)) -> None:
    """Compare two populations bit for bit: `one` with the replicates `rows` of `other`."""
    for name in ("genomes", "fitness", "valid"):
        torch.testing.assert_close(
            getattr(one, name), getattr(other, name)[rows], rtol=0, atol=0, equal_nan=True, msg=f"{name} differ"
        )


def assert_same_logbook(one: tools.Logbook, other: tools.Logbook, rows: slice = slice(None)) -> None:
    """Compare two logbooks: `one` with the replicates `rows` of `other`, of which there may be a single one."""
    assert [sorted(entry) for entry in one] == [sorted(entry) for entry in other]
    for ours, theirs in zip(one, other, strict=True):
        for name, values in ours.items():
            chosen = theirs[name] if name == "gen" or rows == slice(None) else theirs[name][rows]
            np.testing.assert_array_equal(values, np.squeeze(chosen) if np.ndim(values) == 0 else chosen, err_msg=name)
