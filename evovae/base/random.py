"""Random streams: every draw in evovae comes from a generator made here, keyed by a seed and by what it is for."""

from __future__ import annotations

import contextlib
import functools
import math
import operator
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from evovae.base.checks import is_whole, require_whole
from evovae.base.devices import numbers_on
from evovae.base.errors import InputError, shown
from evovae.base.state import State, join

BLOCK = 1024
_MASK = 2**32 - 1


def make_generator(seed: int, *key: int, device: torch.device | str = "cpu") -> torch.Generator:
    """Return a generator on `device` for the purpose `key` of `seed`, by numpy's SeedSequence.

    Raises:
        InputError: if `seed` is no whole number, 0 or more.
    """
    return torch.Generator(device).manual_seed(_entropy(seed, *key))


class Draws(ABC):
    """What can be drawn from streams, by the numbers of [0, 1) that they give."""

    @abstractmethod
    def uniform(self, *shape: int) -> Tensor:
        """Draw from [0, 1): float32 of 24 random bits, in `shape` and in memory that the caller owns."""

    def normal(self, *shape: int) -> Tensor:
        """Draw from N(0, 1): float32 in `shape`, at most 5.4 from 0, where 24 random bits end."""
        half = 2.0**-25  # draws are multiples of 2^-24: their cells' middles, and float32 has no number above the last
        return torch.special.ndtri(self.uniform(*shape).add_(half).clamp_max_(1.0 - 2.0**-24))

    def integers(self, high: int, *shape: int) -> Tensor:
        """Draw from 0 ... high - 1: int64 in `shape`, even to 2^-48 also where `high` nears 2^24."""
        require_whole("high", high)
        return self._fine(float(high), *shape).long()

    def fine_uniform(self, *shape: int) -> Tensor:
        """Draw from [0, 1): float64 of 48 random bits, in `shape`; two coarse draws a number."""
        return self._fine(1.0, *shape)

    def _fine(self, high: float, *shape: int) -> Tensor:
        draws = self.uniform(*shape, 2).double()  # ... 2: the coarse half and the fine one
        return draws @ numbers_on((high, high * 2.0**-24), draws.dtype, draws.device)


class Streams(Draws):
    """One random stream for each of R replicates, drawn from side by side.

    Stream r of seed s depends on s and r alone: with the same requests it gives the same numbers by itself, among a
    hundred, in any order and in any split. Within a seed no two streams share a generator's seed: torch's CPU
    generator takes 32 bits, and r is mapped to them one to one.

    Args:
        seed: the seed s, 0 or more.
        replicates: how many streams, numbered from 0; or the numbers r themselves.
        device: where the numbers are drawn, and where they stay.

    Raises:
        InputError: if the seed is no whole number, 0 or more, or there is no replicate, or one twice.
    """

    def __init__(self, seed: int, replicates: int | Sequence[int], device: torch.device | str = "cpu") -> None:
        keys = _numbers_of(replicates)
        if len(set(keys)) < len(keys):
            raise InputError(f"replicates are {shown(keys)}: expected each once, for equal ones draw the same numbers")
        start = _entropy(seed, 0)
        # An odd multiplier makes r -> seed a bijection on 32 bits; this one (2^32 / golden ratio) spreads neighbours.
        self._start([(start + r * 2654435769) & _MASK for r in keys], device)

    def _start(self, seeds: list[int], device: torch.device | str) -> None:
        self._generators = [torch.Generator(device).manual_seed(seed) for seed in seeds]
        self._block = torch.empty(len(seeds), 0, device=device, dtype=torch.float32)
        self._used = 0

    def __len__(self) -> int:
        """Number of streams R."""
        return len(self._generators)

    def __getitem__(self, replicate: int) -> torch.Generator:
        """The generator behind one stream."""
        return self._generators[replicate]

    def __iter__(self) -> Iterator[torch.Generator]:
        """The generators behind the streams."""
        return iter(self._generators)

    @property
    def device(self) -> torch.device:
        """Where the numbers are drawn."""
        return self._block.device

    def clone(self) -> Streams:
        """Return streams that will draw the same numbers, independently of these."""
        copy = object.__new__(Streams)
        copy._generators = [g.clone_state() for g in self._generators]
        copy._block, copy._used = self._block, self._used
        return copy

    def state(self) -> State:
        """Return where each stream is, and the numbers drawn ahead."""
        generators = torch.stack([generator.get_state() for generator in self._generators])
        return join(generators=generators, block=self._block, used=self._used)

    def restored(self, state: Mapping[str, Tensor]) -> Streams:
        """Return the same number of streams, on the same device, that are where `state` says.

        Raises:
            InputError: if `state` is that of other streams.
        """
        state = State(state)
        copy = self.clone()
        generators, block = state["generators"], state["block"].to(self._block.device)
        if len(generators) != len(self) or block.dtype != torch.float32 or block.shape[:1] != (len(self),):
            raise InputError(f"the state is not that of {len(self)} random streams")
        try:
            for generator, place in zip(copy._generators, generators, strict=True):
                generator.set_state(place.clone())  # of a view it reads beyond the end
        except (RuntimeError, TypeError) as error:
            raise InputError(f"the state holds no random streams of {self._block.device}") from error
        copy._block, copy._used = block, state.number("used")
        if block.ndim != 2 or not 0 <= copy._used <= block.shape[1] or not bool(((block >= 0) & (block < 1)).all()):
            raise InputError(f"the state has {copy._used} numbers used of {tuple(block.shape)} drawn ahead from [0, 1)")
        return copy

    def sibling(self) -> Streams:
        """Return the same number of other streams, of replicates r + 2^31: for a baseline beside a search."""
        sibling = object.__new__(Streams)
        sibling._start([generator.initial_seed() ^ 2**31 for generator in self._generators], self._block.device)
        return sibling

    def uniform(self, *shape: int) -> Tensor:
        """Draw from [0, 1): float32 of 24 random bits, in `shape` (R, ...) and in memory that the caller owns."""
        _check_rows(shape, len(self))
        count = math.prod(shape[1:])
        if count > BLOCK:
            return self._draw(count).view(shape)
        if self._used + count > self._block.shape[1]:
            # Small requests share a block: one call a stream and block, instead of one a stream and request.
            self._block, self._used = self._draw(BLOCK), 0
        start, self._used = self._used, self._used + count
        return self._block[:, start : self._used].clone().view(shape)

    def rough_normal(self, *shape: int) -> Tensor:
        """Draw from N(0, 1) in 65,536 steps of equal probability: float32 in `shape` (R, ...), at most 4.2 from 0.

        For noise that is drawn by the million, in a fifth of the time that `normal` takes: a number costs 16 bits and a
        look into a table.
        """
        _check_rows(shape, len(self))
        return torch.stack(list(self.rough_normals(*shape[1:])))

    def rough_normals(self, *shape: int) -> Iterator[Tensor]:
        """Yield what `rough_normal` gives, stream by stream (...): what is used at once stays in the caches."""
        count, table = math.prod(shape), _rough_normals(self.device)
        bits = torch.empty((count + 3) // 4, dtype=torch.int64, device=self.device)
        for generator in self._generators:
            bits.random_(-(2**63), None, generator=generator)
            yield table.index_select(0, bits.view(torch.int16)[:count].int().add_(2**15)).view(shape)

    def select(self, chosen: Tensor, individuals: int) -> SelectedStreams:
        """Return the streams as the `chosen` ones see them, int64 (K,) of all R * `individuals`."""
        return SelectedStreams(self, chosen, individuals)

    def _draw(self, count: int) -> Tensor:
        device, dtype = self._block.device, self._block.dtype
        if len(self) == 1:
            return torch.rand(1, count, generator=self[0], device=device, dtype=dtype)
        return torch.stack([torch.rand(count, generator=g, device=device, dtype=dtype) for g in self._generators])


class SelectedStreams(Draws):
    """Streams that serve K selected individuals, packed as (K, ...), with the numbers that are theirs.

    Numbers are drawn for every individual and the others' are dropped: an individual meets the same numbers whoever
    else is selected, and a packed computation gives the same children as a masked one. (Drawing for the selected alone
    would make a generation about a fiftieth faster.)
    """

    def __init__(self, streams: Streams, chosen: Tensor, individuals: int) -> None:
        self._streams, self._chosen, self._individuals = streams, chosen, individuals

    def uniform(self, *shape: int) -> Tensor:
        """Draw from [0, 1): float32 of 24 random bits, in `shape` (K, ...) and in memory that the caller owns."""
        _check_rows(shape, len(self._chosen))
        everyone = self._streams.uniform(len(self._streams), self._individuals, *shape[1:])
        return everyone.flatten(0, 1).index_select(0, self._chosen)


@contextlib.contextmanager
def seeded_numpy(generator: torch.Generator) -> Iterator[None]:
    """Let numpy's global functions, which a library may insist on, draw from `generator`; then put their state back."""
    state = np.random.get_state()  # noqa: NPY002
    np.random.seed(int(torch.randint(_MASK + 1, (), generator=generator, device=generator.device)))  # noqa: NPY002
    try:
        yield
    finally:
        np.random.set_state(state)  # noqa: NPY002


@functools.lru_cache(maxsize=4)
def _rough_normals(device: torch.device) -> Tensor:
    """Quantiles of N(0, 1) float32 (2^16,), at the middles of as many steps; their variance is 1."""
    middles = (torch.arange(2**16, dtype=torch.float64) + 0.5) / 2**16
    quantiles = torch.special.ndtri(middles)
    return (quantiles / quantiles.square().mean().sqrt()).float().to(device)


def _check_rows(shape: tuple[int, ...], rows: int) -> None:
    if shape[:1] != (rows,):
        raise InputError(f"numbers of shape {shape}: expected {rows} rows, each with its own stream")


def _numbers_of(replicates: Any) -> list[int]:
    try:
        numbers = [operator.index(r) for r in (range(replicates) if is_whole(replicates) else replicates)]
    except TypeError:
        numbers = []
    if not numbers:
        raise InputError(f"replicates is {shown(replicates)}: expected a whole number, 1 or more, or a list of such")
    return numbers


def _entropy(seed: int, *key: int) -> int:
    if not is_whole(seed) or seed < 0:
        raise InputError(f"seed is {shown(seed)}: expected a whole number, 0 or more")
    return int(np.random.SeedSequence(seed, spawn_key=key).generate_state(1)[0])
