"""A person's breeding, without a page: nothing is lost, everything can be repeated, operators are the library's."""

import json
from typing import Any, get_args

import pytest
import torch
from refusals import refused

from evovae import LatentEncoding, evolution
from evovae.base import State
from evovae.explorer.breeding import CROSSOVERS, Crossover
from evovae.explorer.session import Session
from evovae.explorer.session_record import MOST_FAVOURITES, SIZE
from evovae.models import VAE, VAEConfig

DIM = 6


@pytest.fixture(scope="module")
def encoding() -> LatentEncoding:
    return LatentEncoding(VAE(VAEConfig(latent_dim=DIM, hidden=(8,))))


@pytest.fixture
def session(encoding: LatentEncoding) -> Session:
    return Session(encoding, seed=3)


def restored(session: Session, **changes: Any) -> Session:
    """The session after a way through a file."""
    record = json.loads(json.dumps(session.record)) | changes
    return Session.restored(session.encoding, State(session.state()), record)


def test_a_session_begins_with_draws_from_the_prior(session: Session) -> None:
    assert session.genomes.shape == (SIZE, DIM)
    assert session.generations[0].members == tuple(range(SIZE))
    assert {person.origin for person in session.individuals} == {"prior"}


def test_the_same_seed_and_choices_give_the_same_images(encoding: LatentEncoding) -> None:
    first, second = Session(encoding, 5), Session(encoding, 5)
    for session in (first, second):
        session.breed(0, [2, 9], 0.4, "cxSlerp")
    assert torch.equal(first.genomes, second.genomes)
    assert not torch.equal(first.genomes[:SIZE], Session(encoding, 6).genomes)


def test_every_crossover_can_be_asked_for() -> None:
    assert get_args(Crossover) == tuple(CROSSOVERS)


@pytest.mark.parametrize("crossover", list(CROSSOVERS))
@pytest.mark.parametrize("count", [1, 2, 3, 11, SIZE])
def test_the_chosen_live_on_and_their_children_fill_the_rest(
    session: Session, crossover: Crossover, count: int
) -> None:
    chosen = list(range(count))
    generation = session.generations[session.breed(0, chosen, 0.3, crossover)]
    survivors = chosen[: SIZE // 2]
    assert generation.members[: len(survivors)] == tuple(survivors)
    assert len(set(generation.members)) == SIZE
    for number in generation.members[len(survivors) :]:
        child = session.individuals[number]
        assert set(child.parents) <= set(chosen)
        crossed = crossover != "none" and count > 1
        assert len(child.parents) in ((1, 2) if crossed else (1,))
        assert len(set(child.parents)) == len(child.parents), "nobody mates with itself"
        assert child.origin == ("mutation" if len(child.parents) == 1 else "crossover and mutation")


def test_children_are_what_the_library_makes_of_their_parents(session: Session) -> None:
    """Without mutation, blended children mirror each other about their parents' middle."""
    generation = session.generations[session.breed(0, [0, 1], 0.0, "cxBlend")]
    pairs = torch.tensor(generation.members[2:]).view(-1, 2)
    middle = session.genomes[:2].mean(0)
    inside = session.encoding.project
    for first, second in session.genomes[pairs]:
        if torch.equal(inside(first), first) and first.norm() < session.encoding.prior.radius - 1e-4:  # type: ignore[union-attr]
            torch.testing.assert_close(inside(2 * middle - first), second, atol=1e-5, rtol=1e-5)


def test_children_stay_in_the_support(session: Session) -> None:
    for _ in range(3):
        session.breed(len(session.generations) - 1, session.generations[-1].members[:4], 2.0, "cxBlend")
    born = session.genomes[SIZE:]
    torch.testing.assert_close(session.encoding.project(born), born)


def test_going_back_and_breeding_again_loses_nothing(session: Session) -> None:
    first = session.breed(0, [1], 0.3, "none")
    kept = session.generations[first]
    second = session.breed(0, [2, 3], 0.3, "none")
    assert session.generations[first] == kept
    assert session.generations[second].parent == 0
    assert session.generations[0].selected == (2, 3)


def test_ancestors_reach_back_to_the_prior(session: Session) -> None:
    generation = 0
    for _ in range(4):
        members = session.generations[generation].members
        generation = session.breed(generation, [members[-1], members[-2]], 0.3, "cxUniform")
    line = session.ancestry(session.generations[generation].members[-1])
    assert line == sorted(line)
    assert session.individuals[line[0]].origin == "prior"
    known = set(line)
    assert all(parent in known for number in line for parent in session.individuals[number].parents)
    assert len(session.ancestry(line[-1], most=3)) == 3


def test_brought_genomes_begin_a_generation_as_they_are(session: Session) -> None:
    far = torch.full((2, DIM), 4.0)
    generation = session.generations[session.start(far, "sliders", 0.2)]
    assert torch.equal(session.genomes[list(generation.members[:2])], far)
    assert [session.individuals[n].parents for n in generation.members[2:4]] == [(20,), (21,)]
    assert session.individuals[20].origin == "sliders"


def test_a_session_goes_on_from_its_file_as_if_it_had_never_stopped(session: Session) -> None:
    session.breed(0, [1, 4, 5], 0.3, "cxBlend")
    session.keep(session.genomes[7], "generation 0")
    again = restored(session)
    for one in (session, again):
        one.breed(1, [1, 22], 0.3, "cxUniform")
        one.draw()
    assert torch.equal(session.genomes, again.genomes)
    assert (session.individuals, session.generations) == (again.individuals, again.generations)
    assert session.favourites == again.favourites == {0: "generation 0"}
    assert torch.equal(session.kept[0], again.kept[0])


def test_favourites_keep_their_numbers_and_come_once(session: Session) -> None:
    first, second = session.keep(session.genomes[0], "a"), session.keep(session.genomes[1], "b")
    assert session.keep(session.genomes[0], "again") == first
    session.forget(second)
    assert session.keep(session.genomes[2], "c") > second
    with refused("no favourite 1"):
        session.forget(second)
    with refused("no favourite 99"):
        session.favourite_genomes([99])


def test_too_many_favourites_are_refused(session: Session) -> None:
    session.kept |= dict.fromkeys(range(MOST_FAVOURITES), torch.zeros(DIM))
    with refused("1000 favourites are kept"):
        session.keep(torch.ones(DIM), "one more")


def test_a_full_session_is_refused_and_stays(session: Session) -> None:
    session.generations.extend(session.generations * 999)
    with refused("1000 generations"):
        session.draw()
    assert len(session.genomes) == SIZE


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((1, [0], 0.3, "none"), "no generation 1"),
        ((-1, [0], 0.3, "none"), "no generation -1"),
        ((0, [], 0.3, "none"), "nobody in generation 0"),
        ((0, [20], 0.3, "none"), "individual 20 is not in generation 0"),
    ],
)
def test_what_cannot_be_bred_is_refused(session: Session, arguments: Any, message: str) -> None:
    with refused(message):
        session.breed(*arguments)
    assert len(session.generations) == 1


@pytest.mark.parametrize(
    "genomes", [torch.zeros(0, DIM), torch.zeros(21, DIM), torch.zeros(1, 5), torch.full((1, DIM), torch.nan)]
)
def test_what_is_no_genome_is_refused(session: Session, genomes: torch.Tensor) -> None:
    with refused("genomes"):
        session.start(genomes, "x", 0.1)


GENERATION = {"how": "drawn", "members": list(range(SIZE))}


@pytest.mark.parametrize(
    "changes",
    [
        {"seed": -1},
        {"seed": "a"},
        {"individuals": []},
        {"individuals": [{"generation": 5, "origin": "prior"}] * SIZE},
        {"individuals": [{"generation": 0, "origin": "prior", "parents": [19]}] * SIZE},
        {"individuals": [{"generation": 0, "origin": "x" * 41}] * SIZE},
        {"individuals": [{"generation": 0, "origin": "\n"}] * SIZE},
        {"generations": []},
        {"generations": [GENERATION] * 1001},
        {"generations": [GENERATION | {"members": [0]}]},
        {"generations": [GENERATION | {"members": [*range(19), 20]}]},
        {"generations": [GENERATION | {"parent": 0}]},
        {"generations": [GENERATION | {"selected": [20]}]},
        {"generations": [GENERATION | {"sigma": 3.0}]},
        {"generations": [GENERATION | {"crossover": "cxMagic"}]},
        {"generations": [GENERATION | {"how": "stolen"}]},
        {"favourites": {"0": "x"}},
        {"next_favourite": -1},
        {"unknown": [1]} | {"generations": 3},
    ],
)
def test_a_forged_file_is_refused(session: Session, changes: dict[str, Any]) -> None:
    with refused("session"):
        restored(session, **changes)


def test_an_arc_ends_where_its_ends_are_and_keeps_their_norm() -> None:
    ends = torch.tensor([[3.0, 0.0], [0.0, 3.0]])
    points = evolution.slerp(ends[:1], ends[1:])(torch.linspace(0, 1, 5).unsqueeze(1))
    torch.testing.assert_close(points[[0, -1]], ends, atol=1e-6, rtol=0)
    torch.testing.assert_close(points.norm(dim=1), torch.full((5,), 3.0))
