"""What the page is shown of a session: generations, individuals and favourites, with their images."""

from __future__ import annotations

import torch
from pydantic import BaseModel

from evovae.explorer.cards import Card, Model
from evovae.explorer.session import Session


class IndividualView(Card):
    """An individual and its image."""

    number: int
    generation: int
    parents: list[int]
    origin: str


class GenerationView(BaseModel):
    """A generation and its images."""

    generation: int
    parent: int | None
    how: str
    selected: list[int]
    sigma: float | None
    crossover: str | None
    individuals: list[IndividualView]


class Individuals(BaseModel):
    """Individuals in the order in which they were made."""

    individuals: list[IndividualView]


class GenerationNote(BaseModel):
    """A generation without its images."""

    parent: int | None
    how: str
    selected: list[int]


class FavouriteView(Card):
    """A favourite and its image."""

    number: int
    origin: str


class SessionView(BaseModel):
    """A session without the images of its generations."""

    id: str
    seed: int
    generations: list[GenerationNote]
    favourites: list[FavouriteView]


def show_session(identity: str, session: Session, model: Model) -> SessionView:
    """Return what there is to show of a session."""
    cards = model.cards(torch.stack(list(session.kept.values()))) if session.kept else []
    named = zip(session.favourites.items(), cards, strict=True)
    return SessionView(
        id=identity,
        seed=session.seed,
        generations=[
            GenerationNote(parent=g.parent, how=g.how, selected=list(g.selected)) for g in session.generations
        ],
        favourites=[FavouriteView(number=n, origin=origin, **dict(card)) for (n, origin), card in named],
    )


def show_individuals(session: Session, numbers: list[int], model: Model) -> list[IndividualView]:
    """Return what there is to show of individuals of a session, in this order."""
    cards = model.cards(session.genomes[numbers])
    people = [session.individuals[number] for number in numbers]
    return [
        IndividualView(number=number, generation=p.generation, parents=list(p.parents), origin=p.origin, **dict(card))
        for number, p, card in zip(numbers, people, cards, strict=True)
    ]


def show_generation(session: Session, number: int, model: Model) -> GenerationView:
    """Return what there is to show of a generation.

    Raises:
        InputError: if there is none of this number.
    """
    generation = session.generation(number)
    return GenerationView(
        generation=number,
        parent=generation.parent,
        how=generation.how,
        selected=list(generation.selected),
        sigma=generation.sigma,
        crossover=generation.crossover,
        individuals=show_individuals(session, list(generation.members), model),
    )
