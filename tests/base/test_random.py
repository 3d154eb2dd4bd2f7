"""A replicate's numbers depend on seed and replicate alone, are even, and belong to whoever drew them."""

import numpy as np
import pytest
import torch
from precision import default_dtype
from refusals import refused
from scipy import stats

from evovae.base import Streams, make_generator, seeded_numpy

# Numbers asked for in one go, for each stream: none, few, whole blocks, more than a block, and few again.
REQUESTS = ((3,), (0,), (2, 500), (1,), (1024,), (5000,), (30,), (1023,), (1025,), (2, 3, 4), (700,), (700,), (9,))


def draw(streams: Streams) -> torch.Tensor:
    """All numbers of a mixed sequence of requests: (R, total)."""
    return torch.cat([streams.uniform(len(streams), *request).flatten(1) for request in REQUESTS], dim=1)


@pytest.mark.parametrize(
    "replicates", [1, 2, np.int64(3), range(3, 5), range(99, 100), [42], [7, 0, 99, 8], range(99, -1, -1)]
)
def test_a_replicate_draws_the_same_alone_in_any_company_and_in_any_order(replicates):
    keys = list(range(replicates) if isinstance(replicates, int | np.integer) else replicates)
    everyone = draw(Streams(5, 100))
    torch.testing.assert_close(draw(Streams(5, replicates)), everyone[keys], rtol=0, atol=0)


def test_drawing_small_and_large_in_turn_repeats_no_number():
    numbers = draw(Streams(0, 3))
    # 24 random bits: of 10,000 numbers about three pairs are equal by chance; a repeated block would make hundreds.
    assert all(len(row.unique()) > len(row) - 20 for row in numbers)


def test_seeds_and_replicates_draw_different_numbers():
    first = torch.cat([Streams(seed, 40).uniform(40, 4) for seed in range(50)])
    assert len(first.unique(dim=0)) == len(first)
    streams = Streams(3, 5000)
    assert len({streams[r].initial_seed() for r in range(5000)}) == 5000


def test_the_numbers_of_a_seed_are_the_same_bits_for_ever():
    """Published results hang on them: what changes here changes every result that a seed is given for."""
    keys = [(0,), (1,), (0, 1), (0, 1, 2), (2**40, 3)]
    seeds = [2968811710, 1835504127, 673228719, 1016617948, 2552297765]
    assert [make_generator(*key).initial_seed() for key in keys] == seeds
    assert [stream.initial_seed() for stream in Streams(7, 3)] == [1201125462, 3855561231, 2215029704]
    assert [stream.initial_seed() for stream in Streams(7, [5]).sibling()] == [3735886067]
    drawn, streams = torch.Generator().manual_seed(1201125462), Streams(7, [0])
    first, second = (torch.rand(1024, generator=drawn) for _ in range(2))  # small requests share blocks
    assert torch.equal(streams.uniform(1, 1000)[0], first[:1000])
    assert torch.equal(streams.uniform(1, 24)[0], first[1000:])
    assert torch.equal(streams.uniform(1, 30)[0], second[:30])
    assert torch.equal(streams.uniform(1, 995)[0], torch.rand(1024, generator=drawn)[:995])
    assert torch.equal(streams.uniform(1, 1025)[0], torch.rand(1025, generator=drawn))


def test_neighbouring_replicates_and_seeds_are_uncorrelated():
    numbers = torch.cat([Streams(seed, 8).uniform(8, 4000) for seed in range(4)])
    correlation = torch.corrcoef(numbers) - torch.eye(32)
    assert correlation.abs().max() < 4.5 / 4000**0.5


@pytest.mark.parametrize("count", [100, 20_000])
def test_uniform_is_even_on_zero_to_one_without_one(count):
    numbers = torch.cat([Streams(seed, 20).uniform(20, count).flatten() for seed in range(2)])
    assert numbers.dtype == torch.float32
    assert numbers.min() >= 0.0
    assert numbers.max() < 1.0
    assert stats.kstest(numbers.numpy(), "uniform").pvalue > 1e-3


@pytest.mark.parametrize("high", [1, 2, 7, 200])
def test_integers_are_even_and_in_range(high):
    numbers = Streams(1, 4).integers(high, 4, 10_000)
    counts = numbers.flatten().bincount(minlength=high)
    assert numbers.dtype == torch.int64
    assert len(counts) == high
    assert high == 1 or stats.chisquare(counts.numpy()).pvalue > 1e-3


def test_integers_are_even_where_one_draw_of_24_bits_would_not_be():
    # 2^24 numbers spread over 3 * 2^22 values: one value in three would come twice as often as the others.
    numbers = Streams(1, 2).integers(3 * 2**22, 2, 15_000).flatten()
    assert stats.chisquare((numbers % 3).bincount().numpy()).pvalue > 1e-3
    assert stats.kstest(numbers.numpy() / (3 * 2**22), "uniform").pvalue > 1e-3


@pytest.mark.parametrize("high", [1, 2, 3, 1000, 2**24 - 1, 2**24, 2**24 + 1, 2**31, 2**40])
@pytest.mark.parametrize("extreme", [0.0, 1.0 - 2.0**-24])
def test_integers_stay_in_range_at_the_extremes(monkeypatch, high, extreme):
    monkeypatch.setattr(Streams, "uniform", lambda self, *shape: torch.full(shape, extreme))
    assert Streams(0, 1).integers(high, 1).item() == (high - 1 if extreme else 0)


def test_fine_numbers_have_48_bits():
    coarse = Streams(1, 2).uniform(2, 500, 2).double()
    fine = Streams(1, 2).fine_uniform(2, 500)
    assert fine.dtype == torch.float64
    assert torch.equal(fine, coarse[..., 0] + coarse[..., 1] * 2.0**-24)
    assert fine.max() < 1.0
    assert not torch.equal(fine, (fine * 2**24).floor() / 2**24)


def test_writing_into_drawn_numbers_changes_nothing_later():
    streams, untouched = Streams(2, 3), Streams(2, 3)
    streams.uniform(3, 10)
    untouched.uniform(3, 10)
    copy = streams.clone()
    expected = [untouched.uniform(3, *request) for request in REQUESTS]
    for request, numbers in zip(REQUESTS, expected, strict=True):
        drawn = streams.uniform(3, *request)
        assert torch.equal(drawn, numbers)
        drawn.fill_(-1.0)
    assert torch.equal(draw(copy), torch.cat([numbers.flatten(1) for numbers in expected], dim=1))


@pytest.mark.parametrize("before", [0, 5, 1024, 3000])
def test_a_clone_draws_the_same_and_neither_disturbs_the_other(before):
    streams, witness = Streams(4, 3), Streams(4, 3)
    streams.uniform(3, before)
    witness.uniform(3, before)
    copy = streams.clone()
    expected = draw(witness)
    assert torch.equal(draw(copy), expected)
    assert torch.equal(draw(streams), expected)
    assert len(copy) == 3


def test_a_clone_has_generators_of_its_own():
    streams = Streams(4, 2)
    copy = streams.clone()
    first = torch.randn(5, generator=streams[1])
    assert torch.equal(torch.randn(5, generator=copy[1]), first)


@pytest.mark.parametrize("shape", [(), (6,), (2, 300)])
def test_selected_individuals_get_the_numbers_of_the_dense_draw(shape):
    dense = Streams(6, 3).uniform(3, 10, *shape).flatten(0, 1)
    chosen = torch.tensor([0, 4, 9, 10, 22, 29])
    packed = Streams(6, 3).select(chosen, 10).uniform(6, *shape)
    assert torch.equal(packed, dense[chosen])


def test_whoever_is_selected_the_streams_go_on_alike():
    after = []
    for chosen in ([], [3], list(range(20))):
        streams = Streams(6, 2)
        assert streams.select(torch.tensor(chosen, dtype=torch.int64), 10).uniform(len(chosen), 7).shape[1] == 7
        after.append(streams.uniform(2, 50))
    assert torch.equal(after[0], after[1])
    assert torch.equal(after[0], after[2])


def test_streams_do_not_read_the_global_random_state():
    drawn = []
    for seed in (1, 2):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            drawn.append(draw(Streams(0, 2)))
    assert torch.equal(*drawn)


def test_a_generator_is_determined_by_its_seed_and_by_its_whole_key():
    def numbers(*key: int) -> tuple[float, ...]:
        return tuple(torch.rand(3, generator=make_generator(*key)).tolist())

    keys = [(0,), (1,), (0, 0), (0, 1), (1, 0), (0, 0, 0), (0, 1, 2), (0, 2, 1), (2**40,), (2**40 + 1,)]
    assert len({numbers(*key) for key in keys}) == len(keys)
    assert all(numbers(*key) == numbers(*key) for key in keys)


@pytest.mark.parametrize("seed", [-1, None, 1.5, "1", True, [1]])
@pytest.mark.parametrize("make", [lambda s: Streams(s, 2), make_generator, lambda s: make_generator(s, 3)])
def test_what_is_no_seed_is_refused(make, seed):
    with refused(f"seed is {seed!r}: expected a whole number, 0 or more"):
        make(seed)


def test_seeds_may_be_numpys_and_large():
    assert torch.equal(draw(Streams(np.int64(5), 2)), draw(Streams(5, 2)))
    assert not torch.equal(draw(Streams(2**64 + 5, 2)), draw(Streams(5, 2)))


@pytest.mark.parametrize("replicates", [0, -2, [], range(0), 2.0, "3", None, True, [0, 1.5]])
def test_what_are_no_replicates_is_refused(replicates):
    with refused(f"replicates is {replicates!r}: expected a whole number, 1 or more, or a list of such"):
        Streams(0, replicates)


def test_siblings_draw_other_numbers_and_the_same_ones_for_the_same_replicate():
    streams = Streams(7, 5)
    siblings = streams.sibling().uniform(5, 100)
    assert not torch.isin(siblings, streams.uniform(5, 100)).float().mean() > 0.01
    streams.uniform(5, 2000)
    assert torch.equal(streams.sibling().uniform(5, 100), siblings), "whatever was drawn before"
    assert torch.equal(streams.clone().sibling().uniform(5, 100), siblings)
    assert torch.equal(Streams(7, range(3, 4)).sibling().uniform(1, 100), siblings[3:4])


def test_selected_individuals_meet_their_own_numbers_whatever_is_drawn():
    chosen = torch.tensor([0, 3, 5])
    for name, first in (("uniform", ()), ("normal", ()), ("integers", (9,))):
        packed = getattr(Streams(0, 2).select(chosen, 3), name)(*first, 3, 4)
        everyone = getattr(Streams(0, 2), name)(*first, 2, 3, 4)
        assert torch.equal(packed, everyone.flatten(0, 1)[chosen])


def test_numbers_for_other_rows_than_there_are_streams_or_from_no_range_are_refused():
    with refused("(4, 3)", "2 rows"):
        Streams(0, 2).uniform(4, 3)
    with refused("()", "2 rows"):
        Streams(0, 2).uniform()
    with refused("high is 2.5: expected a whole number, 0 or more"):
        Streams(0, 2).integers(2.5, 2)
    with refused("(7, 2)", "1 rows"):
        Streams(0, 2).select(torch.tensor([3]), 3).uniform(7, 2)


def test_normal_draws_are_normal_and_finite_at_the_extremes(monkeypatch):
    drawn = Streams(1, 3).normal(3, 4000)
    assert drawn.shape == (3, 4000)
    assert all(stats.kstest(row.numpy(), "norm").pvalue > 1e-3 for row in drawn)
    extremes = torch.tensor([[0.0, 1.0 - 2.0**-24]])
    monkeypatch.setattr(Streams, "uniform", lambda self, *shape: extremes.clone())
    assert Streams(1, 1).normal(1, 2).abs().amax() < 5.5
    assert Streams(1, 1).normal(1, 2).abs().amin() > 5.0


def test_draws_are_the_same_whatever_torchs_default_type():
    def drawn() -> list[torch.Tensor]:
        streams = Streams(2, 3)
        few, many = streams.uniform(3, 5), streams.normal(3, 2000)
        return [few, many, streams.select(torch.tensor([1, 5]), 2).normal(2, 4), streams.integers(7, 3, 9)]

    expected = drawn()
    with default_dtype(torch.float64):
        found = drawn()
    assert [values.dtype for values in found] == [torch.float32] * 3 + [torch.int64]
    assert all(torch.equal(*pair) for pair in zip(found, expected, strict=True))


def test_numpys_global_numbers_are_lent_and_given_back():
    drawn = []
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    for seed in (4, 4, 5):
        with seeded_numpy(torch.Generator().manual_seed(seed)):
            drawn.append(np.random.standard_normal(5))  # noqa: NPY002
    with pytest.raises(ZeroDivisionError), seeded_numpy(torch.Generator().manual_seed(4)):
        raise ZeroDivisionError
    np.testing.assert_array_equal(np.random.get_state()[1], before)  # noqa: NPY002
    np.testing.assert_array_equal(drawn[0], drawn[1])
    assert not np.isin(drawn[0], drawn[2]).any()
