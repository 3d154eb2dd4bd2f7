"""What a session is beside its genomes and its random stream: individuals, generations and favourites, for JSON."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, TypeAdapter, ValidationError

from evovae.base import InputError
from evovae.explorer.breeding import Crossover

SIZE = 20
"""Individuals of a generation."""
LARGEST_SIGMA = 2.0
MOST_GENERATIONS = 1000
MOST_FAVOURITES = 1000
MOST_BYTES = 64 << 20
"""Of a session's file: 64 MiB."""
MOST_OF_GENOMES = MOST_BYTES - (8 << 20)
"""Bytes of that for genomes; the rest is for the record."""
Sigma = Annotated[float, Field(ge=0, le=LARGEST_SIGMA, allow_inf_nan=False)]
Number = Annotated[int, Field(ge=0, lt=2**31)]


def _printable(text: str) -> str:
    if not text.isprintable():
        raise InputError("the text has control characters: expected plain text")
    return text


Origin = Annotated[str, Field(max_length=40), AfterValidator(_printable)]
"""Where a genome came from, in a few words."""


@dataclass(frozen=True)
class Individual:
    """How an individual came to be; its genome has its place in `Session.genomes`."""

    generation: Number
    """That it was made in."""
    origin: Origin
    """prior, mutation, crossover, ..., or where a person brought it from."""
    parents: tuple[Number, ...] = ()
    """None, one or two earlier individuals."""


@dataclass(frozen=True)
class Generation:
    """`SIZE` individuals side by side."""

    how: Literal["drawn", "bred", "started"]
    """Drawn from the prior, bred from chosen ones, or started from genomes that were brought."""
    members: Annotated[tuple[Number, ...], Field(min_length=SIZE, max_length=SIZE)]
    """Its individuals; survivors keep their numbers."""
    parent: Number | None = None
    """The generation that it was bred from."""
    sigma: Sigma | None = None
    """Standard deviation of the mutation."""
    crossover: Crossover | None = None
    selected: tuple[Number, ...] = ()
    """Who was chosen in it, the last time that it was bred from."""


@dataclass(frozen=True)
class Record:
    """What a session is beside its genomes and its random stream."""

    seed: Annotated[int, Field(ge=0, lt=2**63)]
    individuals: list[Individual] = field(default_factory=list)
    generations: Annotated[list[Generation], Field(max_length=MOST_GENERATIONS)] = field(default_factory=list)
    favourites: Annotated[dict[Number, Origin], Field(max_length=MOST_FAVOURITES)] = field(default_factory=dict)
    """Where each came from, by a number that is never given again."""
    next_favourite: Number = 0

    def dumped(self) -> dict[str, Any]:
        """Return it for JSON."""
        return _RECORD.dump_python(self, mode="json")

    @classmethod
    def read(cls, record: object) -> Record:
        """Return what `dumped` gave.

        Raises:
            InputError: if it is that of no session.
        """
        try:
            found = _RECORD.validate_python(record)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False, include_context=False)[0]
            where = "/".join(str(part)[:40] for part in first["loc"])
            raise InputError(f"the session's record has a fault at {where}: {first['msg']}") from error
        found._require_consistency()
        return found

    def _require_consistency(self) -> None:
        """Refuse a record whose numbers lead nowhere, or to later ones."""
        numbers = range(len(self.individuals))
        whole = bool(self.generations) and all(n < self.next_favourite for n in self.favourites)
        for number, person in enumerate(self.individuals):
            whole &= person.generation < len(self.generations) and len(person.parents) <= 2
            whole &= all(parent < number for parent in person.parents)
        for number, generation in enumerate(self.generations):
            whole &= all(member in numbers for member in generation.members)
            whole &= generation.parent is None or generation.parent < number
            whole &= set(generation.selected) <= set(generation.members)
        if not whole:
            raise InputError("the session's individuals and generations do not belong together: it is damaged")


_RECORD = TypeAdapter(Record)
