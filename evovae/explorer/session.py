"""A person's breeding: individuals, the generations that they form, and favourites; without a page and without images.

The person's eye is the fitness. All else is the library's: genomes come from the encoding's prior, mates are drawn
evenly among those chosen, children are made by `evolution.varAnd` with its crossovers and `mutGaussian`, and every
number comes from the session's own random stream: the same seed and the same choices give the same images.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from evovae.base import InputError, State, Streams, join
from evovae.encodings import Encoding
from evovae.explorer.breeding import Crossover, draw_mates, vary
from evovae.explorer.session_record import (
    MOST_FAVOURITES,
    MOST_GENERATIONS,
    MOST_OF_GENOMES,
    SIZE,
    Generation,
    Individual,
    Record,
)

SURVIVORS = SIZE // 2
"""Chosen ones at most that live on beside their children."""


class Session:
    """Generations that a person breeds, as a tree: to go back and breed again begins a branch, and nothing is lost.

    Args:
        encoding: of the genomes.
        seed: of all its draws.

    Attributes:
        genomes: (I, D), of all individuals by number.
        kept: genomes (D,) of the favourites by number.
    """

    def __init__(self, encoding: Encoding, seed: int) -> None:
        self.encoding = encoding
        self._record = Record(seed)
        self._streams = Streams(seed, 1, encoding.device)
        self.genomes = torch.empty(0, encoding.dim, device=encoding.device, dtype=torch.float32)
        self.kept: dict[int, Tensor] = {}
        self.draw()

    @property
    def seed(self) -> int:
        """Of all its draws."""
        return self._record.seed

    @property
    def individuals(self) -> list[Individual]:
        """All of them, by number."""
        return self._record.individuals

    @property
    def generations(self) -> list[Generation]:
        """In the order in which they were made; the first is drawn from the prior."""
        return self._record.generations

    @property
    def favourites(self) -> dict[int, str]:
        """Where each favourite came from, by a number that is never given again."""
        return self._record.favourites

    def generation(self, number: int) -> Generation:
        """Return a generation by its number.

        Raises:
            InputError: if there is none.
        """
        if not 0 <= number < len(self.generations):
            raise InputError(f"no generation {number}: choose one of this session")
        return self.generations[number]

    def favourite_genomes(self, numbers: Sequence[int] | None = None) -> Tensor:
        """Return the genomes (K, D) of these favourites, or of all, in this order.

        Raises:
            InputError: if one of them is none, or there are none.
        """
        numbers = list(self.kept) if numbers is None else numbers
        if not numbers:
            raise InputError("nothing is kept: keep a favourite first")
        for number in numbers:
            if number not in self.kept:
                raise InputError(f"no favourite {number}: expected one that is kept")
        return torch.stack([self.kept[number] for number in numbers])

    def draw(self) -> int:
        """Make a generation of draws from the prior, and return its number.

        Raises:
            InputError: if the session is full.
        """
        self._require_room()
        born = self._bear(self.encoding.sample(SIZE, self._streams[0]), ["prior"] * SIZE)
        return self._add(Generation("drawn", tuple(born)))

    def breed(self, generation: int, selected: Sequence[int], sigma: float, crossover: Crossover) -> int:
        """Make the next generation after `generation`, and return its number.

        Those `selected` live on, ten at most, and children fill the places that are left: with a crossover each pair
        of children has two different parents, drawn evenly; without, each is a copy of one; then every gene of a child
        moves by N(0, sigma), and the encoding's support holds it.

        Args:
            generation: a number in `generations`.
            selected: individuals of it, one or more.
            sigma: standard deviation of the mutation, 0 to 2; the prior's is 1.
            crossover: of `breeding.CROSSOVERS`; a single parent has nobody to mate with.

        Raises:
            InputError: if there is no such generation or individual in it, nobody is selected, or the session is full.
        """
        self._require_room()
        before, chosen = self.generation(generation), list(dict.fromkeys(selected))
        for number in chosen:
            if number not in before.members:
                raise InputError(f"individual {number} is not in generation {generation}: choose another")
        if not chosen:
            raise InputError(f"nobody in generation {generation} is selected: choose one or more")
        crossing = crossover != "none" and len(chosen) > 1
        survivors = chosen[:SURVIVORS]
        parents = [chosen[mate] for mate in draw_mates(len(chosen), SIZE - len(survivors), self._streams)]
        children = self._vary(parents, sigma, crossover if crossing else "none")
        families: list[tuple[int, ...]] = [(parent,) for parent in parents]
        if crossing:  # varAnd mates neighbours; the last of an odd number stays single
            for i in range(0, len(parents) - 1, 2):
                families[i], families[i + 1] = (parents[i], parents[i + 1]), (parents[i + 1], parents[i])
        origins = [("mutation", "crossover and mutation")[len(family) - 1] for family in families]
        members = (*survivors, *self._bear(children, origins, families))
        self.generations[generation] = replace(before, selected=tuple(chosen))
        return self._add(Generation("bred", members, generation, sigma, crossover))

    def start(self, genomes: Tensor, origin: str, sigma: float) -> int:
        """Make a generation of `genomes` (K, D), brought from elsewhere, and of their mutants; return its number.

        Raises:
            InputError: if they are not 1 to 20 genomes, or the session is full.
        """
        self._require_room()
        count = len(genomes)
        if not 1 <= count <= SIZE:
            raise InputError(f"{count} genomes: expected 1 to {SIZE}, the size of a generation")
        brought = self._bear(self._check(genomes), [origin] * count)
        parents = [brought[place % count] for place in range(SIZE - count)]
        mutants = self._vary(parents, sigma, "none")
        families = [(parent,) for parent in parents]
        members = (*brought, *self._bear(mutants, ["mutation"] * len(parents), families))
        return self._add(Generation("started", members, sigma=sigma))

    def ancestry(self, number: int, most: int = 400) -> list[int]:
        """Return an individual and its ancestors, the nearest `most` of them, in the order in which they were made.

        Raises:
            InputError: if there is no such individual.
        """
        if not 0 <= number < len(self.individuals):
            raise InputError(f"no individual {number}: expected one of this session")
        found, row = {number: None}, [number]
        while row and len(found) < most:
            parents = [parent for child in row for parent in self.individuals[child].parents]
            row = [parent for parent in dict.fromkeys(parents) if parent not in found][: most - len(found)]
            found |= dict.fromkeys(row)
        return sorted(found)

    def keep(self, genome: Tensor, origin: str) -> int:
        """Keep a `genome` (D,) as a favourite and return its number; one that is kept already stays as it is.

        Raises:
            InputError: if it is no genome, or there are too many favourites.
        """
        (genome,) = self._check(genome.unsqueeze(0))
        for number, other in self.kept.items():
            if torch.equal(genome, other):
                return number
        if len(self.kept) >= MOST_FAVOURITES:
            raise InputError(f"{MOST_FAVOURITES} favourites are kept: remove some first")
        self._require_memory(1)
        number = self._record.next_favourite
        self.kept[number], self.favourites[number] = genome, origin
        self._record = replace(self._record, next_favourite=number + 1)
        return number

    def forget(self, number: int) -> None:
        """Remove a favourite.

        Raises:
            InputError: if there is no such one.
        """
        self.favourite_genomes([number])
        del self.kept[number], self.favourites[number]

    def state(self) -> State:
        """Return genomes and random stream; the rest is the `record`."""
        kept = torch.stack([*self.kept.values()]) if self.kept else self.genomes[:0]
        return join(genomes=self.genomes, kept=kept, streams=self._streams.state())

    @property
    def record(self) -> dict[str, Any]:
        """What the session is beside its tensors, for JSON."""
        return self._record.dumped()

    @classmethod
    def restored(cls, encoding: Encoding, state: State, record: object) -> Session:
        """Return the session that gave `state` and `record`.

        Raises:
            InputError: if they are those of no session, or of one with other genomes.
        """
        found = Record.read(record)
        session = object.__new__(cls)
        session.encoding, session._record = encoding, found
        session._streams = Streams(found.seed, 1, encoding.device).restored(state.part("streams"))
        session.genomes, kept = session._check(state["genomes"]), session._check(state["kept"])
        if (len(session.genomes), len(kept)) != (len(found.individuals), len(found.favourites)):
            raise InputError("the session's genomes are not as many as its individuals and favourites: it is damaged")
        session.kept = dict(zip(found.favourites, kept, strict=True))
        return session

    def _require_room(self) -> None:
        if len(self.generations) >= MOST_GENERATIONS:
            raise InputError(f"the session has {MOST_GENERATIONS} generations: save it, and begin another")
        self._require_memory(SIZE)

    def _require_memory(self, more: int) -> None:
        """Refuse this many more genomes where the session's file would become too large."""
        if (len(self.genomes) + len(self.kept) + more) * 4 * self.encoding.dim > MOST_OF_GENOMES:
            raise InputError(f"the session's genomes take {MOST_OF_GENOMES >> 20} MiB: save it, and begin another")

    def _check(self, genomes: Tensor) -> Tensor:
        """Return `genomes` (K, D) where the encoding's are."""
        dim, shape = self.encoding.dim, tuple(genomes.shape)
        if len(shape) != 2 or shape[1] != dim or genomes.dtype != torch.float32:
            raise InputError(f"genomes of {genomes.dtype} and shape {shape}: expected float32 (K, {dim})")
        if not genomes.isfinite().all():
            raise InputError("the genomes have values that are not finite: expected numbers")
        return genomes.to(self.encoding.device)

    def _vary(self, parents: Sequence[int], sigma: float, crossover: Crossover) -> Tensor:
        return vary(self.genomes[parents], self.encoding, sigma, crossover, self._streams)

    def _bear(
        self, genomes: Tensor, origins: Sequence[str], families: Sequence[tuple[int, ...]] | None = None
    ) -> list[int]:
        """Add individuals to the generation that comes next, and return their numbers."""
        first, generation = len(self.individuals), len(self.generations)
        for origin, parents in zip(origins, families or [()] * len(origins), strict=True):
            self.individuals.append(Individual(generation, origin, parents))
        self.genomes = torch.cat((self.genomes, genomes))
        return list(range(first, len(self.individuals)))

    def _add(self, generation: Generation) -> int:
        self.generations.append(generation)
        return len(self.generations) - 1
