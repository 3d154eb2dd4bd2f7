"""Images, subsets, binarisation and corruptions."""

from typing import Any

import pytest
import torch
from refusals import refused

from evovae.data import Images, ImageSet, binarise, corrupt, hold_out, to_unit

needs_cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def make_images(labels: list[int], shape: tuple[int, int, int] = (1, 8, 8)) -> Images:
    pixels = torch.randint(0, 256, (len(labels), *shape), dtype=torch.uint8, generator=generator())
    return Images(pixels, torch.tensor(labels))


UNEVEN = make_images([3] * 50 + [1] * 33 + [7] * 17)


def test_images_know_their_number_and_shape():
    images = make_images([0, 1, 2], (3, 8, 10))
    assert len(images) == 3
    assert images.shape == (3, 8, 10)


@pytest.mark.parametrize("device", ["cpu", pytest.param("cuda", marks=needs_cuda)])
def test_images_give_the_same_draws_on_every_device(device: str):
    moved = UNEVEN.to(device)
    assert moved.images.device.type == moved.labels.device.type == device
    for kept, expected in (
        (moved.subset(n=30, classes=[1, 3]), UNEVEN.subset(n=30, classes=[1, 3])),
        (moved.binarised(seed=0), UNEVEN.binarised(seed=0)),
    ):
        assert kept.images.device.type == device
        assert torch.equal(kept.images.cpu(), expected.images)
        assert torch.equal(kept.labels.cpu(), expected.labels)


@pytest.mark.parametrize(
    ("pixels", "labels", "words"),
    [
        (torch.zeros(2, 1, 8, 8), torch.zeros(2, dtype=torch.int64), ["float32", "uint8"]),
        (torch.zeros(2, 8, 8, dtype=torch.uint8), torch.zeros(2, dtype=torch.int64), ["(2, 8, 8)", "(N, C, H, W)"]),
        (torch.zeros(2, 8, 8, 3, dtype=torch.uint8), torch.zeros(2, dtype=torch.int64), ["(2, 8, 8, 3)", "channel"]),
        (
            torch.zeros(0, 1, 8, 8, dtype=torch.uint8),
            torch.zeros(0, dtype=torch.int64),
            ["(0, 1, 8, 8)", "at least one"],
        ),
        (torch.zeros(2, 1, 8, 8, dtype=torch.uint8), torch.zeros(3, dtype=torch.int64), ["(3,)", "(2,)"]),
        (torch.zeros(2, 1, 8, 8, dtype=torch.uint8), torch.zeros(2, dtype=torch.uint8), ["uint8", "int64"]),
        (torch.zeros(2, 1, 8, 8, dtype=torch.uint8), torch.tensor([0, -1]), ["label -1"]),
    ],
)
def test_images_refuse_tensors_that_are_not_images_with_labels(
    pixels: torch.Tensor, labels: torch.Tensor, words: list[str]
):
    with refused(*words):
        Images(pixels, labels)


def test_image_set_has_the_shape_of_its_images():
    assert ImageSet("a", make_images([0]), make_images([1]), ("x", "y")).shape == (1, 8, 8)


def test_the_digest_tells_sets_apart_by_every_pixel_label_and_shape_of_both_splits():
    def changed(images: Images, what: str) -> Images:
        pixels, labels = images.images.clone(), images.labels.clone()
        pixels[-1, -1, -1, -1] ^= what == "pixel"
        labels[-1] += what == "label"
        return Images(pixels.transpose(2, 3).reshape(pixels.shape) if what == "place" else pixels, labels)

    def digest(train: Images, test: Images) -> str:
        return ImageSet("a", train, test, tuple("abc")).digest

    train, test = make_images([0, 1, 0]), make_images([1, 0])
    digests = [digest(train, test), digest(test, train)]
    for what in ("pixel", "label", "place"):
        digests += [digest(changed(train, what), test), digest(train, changed(test, what))]
    square, wide = (
        Images(torch.zeros(shape, dtype=torch.uint8), torch.zeros(1, dtype=torch.int64))
        for shape in ((1, 1, 8, 18), (1, 1, 12, 12))
    )
    digests += [digest(square, square), digest(wide, wide)]
    assert len(set(digests)) == len(digests)
    assert ImageSet("b", make_images([0, 1, 0]), make_images([1, 0]), tuple("xyz")).digest == digests[0]


def test_image_set_refuses_splits_that_do_not_belong_together():
    with refused("'a'", "(1, 8, 8)", "(3, 8, 8)"):
        ImageSet("a", make_images([0]), make_images([0], (3, 8, 8)), ("x",))
    with refused("'a'", "label 2", "2 classes"):
        ImageSet("a", make_images([0]), make_images([2]), ("x", "y"))


@pytest.mark.parametrize("n", [1, 2, 3, 10, 37, 99, 100])
def test_subset_has_exactly_n_images_with_class_shares_within_one(n: int):
    subset = UNEVEN.subset(n=n)
    assert len(subset) == n
    for label in (1, 3, 7):
        share = n * int((UNEVEN.labels == label).sum()) / len(UNEVEN)
        assert abs(int((subset.labels == label).sum()) - share) < 1


def test_subset_gives_places_left_over_to_the_largest_remainders():
    # Of 10: 5.0, 3.3 and 1.7, so the place left over goes to class 7.
    subset = UNEVEN.subset(n=10)
    assert [int((subset.labels == label).sum()) for label in (3, 1, 7)] == [5, 3, 2]


def test_subset_breaks_equal_remainders_towards_the_lower_label():
    subset = make_images([2, 1, 0] * 4).subset(n=4)
    assert subset.labels.sort().values.tolist() == [0, 0, 1, 2]


def test_subset_keeps_images_with_their_labels_and_in_their_order():
    labelled_by_pixel = Images(torch.arange(100, dtype=torch.uint8).reshape(-1, 1, 1, 1), UNEVEN.labels)
    subset = labelled_by_pixel.subset(n=40)
    positions = subset.images.flatten().long()
    assert positions.diff().min() > 0
    assert torch.equal(subset.labels, UNEVEN.labels[positions])


def test_subset_repeats_for_a_seed_and_differs_between_seeds():
    state = torch.get_rng_state()
    first, again, other = (UNEVEN.subset(n=30, seed=seed).images for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert torch.equal(torch.get_rng_state(), state)


def test_subset_by_class_keeps_the_labels():
    subset = UNEVEN.subset(classes=(label for label in (7, 3)))
    assert torch.equal(subset.labels, torch.tensor([3] * 50 + [7] * 17))
    assert UNEVEN.subset(n=10, classes=[1]).labels.tolist() == [1] * 10


def test_subset_without_restriction_is_everything():
    assert torch.equal(UNEVEN.subset().images, UNEVEN.images)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"n": 0}, ["n=0", "1 to 100"]),
        ({"n": -3}, ["n=-3"]),
        ({"n": 101}, ["n=101", "1 to 100"]),
        ({"n": 18, "classes": [7]}, ["n=18", "1 to 17"]),
        ({"classes": [7, 4, 9]}, ["[4, 9]", "[1, 3, 7]"]),
        ({"classes": []}, ["[]", "[1, 3, 7]"]),
    ],
)
def test_subset_refuses_what_is_not_there(arguments: dict[str, Any], words: list[str]):
    with refused(*words):
        UNEVEN.subset(**arguments)


@pytest.mark.parametrize(("total", "held_out"), [(2, 1), (9, 1), (100, 10), (106, 11)])
def test_hold_out_takes_a_tenth_and_leaves_the_rest(total: int, held_out: int):
    pixels = torch.arange(total, dtype=torch.uint8).reshape(-1, 1, 1, 1)
    train, test, _ = hold_out(Images(pixels, torch.arange(total) % 2), "these")
    assert len(test) == held_out
    assert sorted([*train.images.flatten().tolist(), *test.images.flatten().tolist()]) == list(range(total))


def test_binarised_draws_each_pixel_once_with_its_probability():
    pixels = torch.tensor([0, 51, 128, 255], dtype=torch.uint8).reshape(1, 1, 2, 2).repeat(20_000, 1, 1, 1)
    images = Images(pixels, torch.zeros(20_000, dtype=torch.int64))
    binary = images.binarised(seed=0)
    assert set(binary.images.unique().tolist()) == {0, 255}
    frequency = to_unit(binary.images).mean(0).flatten()
    assert frequency[0] == 0
    assert frequency[3] == 1
    assert frequency[1:3].tolist() == pytest.approx([51 / 255, 128 / 255], abs=0.015)
    assert torch.equal(images.binarised(seed=0).images, binary.images)
    assert not torch.equal(images.binarised(seed=1).images, binary.images)


def test_to_unit_scales_to_floats_without_touching_the_pixels():
    pixels = torch.tensor([0, 51, 255], dtype=torch.uint8)
    unit = to_unit(pixels)
    assert unit.dtype == torch.float32
    assert unit.tolist() == pytest.approx([0, 0.2, 1])
    assert unit.max() == 1
    assert pixels.tolist() == [0, 51, 255]


def test_to_unit_refuses_pixels_that_are_scaled_already():
    with refused("float32", "uint8"):
        to_unit(torch.zeros(3))


@pytest.mark.parametrize("convention", ["grey", "static"])
def test_binarise_leaves_grey_and_static_batches_as_they_are(convention: Any):
    x = torch.rand(4, 3, generator=generator())
    assert binarise(x, convention, generator()) is x


def test_binarise_dynamic_draws_afresh_with_the_values_as_probabilities():
    x = torch.tensor([0.0, 0.2, 0.7, 1.0]).repeat(20_000, 1)
    before, source = x.clone(), generator()
    first, second = binarise(x, "dynamic", source), binarise(x, "dynamic", source)
    assert torch.equal(x, before)
    assert first.dtype == x.dtype
    assert set(first.unique().tolist()) == {0, 1}
    assert not torch.equal(first, second)
    assert first.mean(0).tolist() == pytest.approx([0, 0.2, 0.7, 1], abs=0.015)
    assert torch.equal(first, binarise(x, "dynamic", generator()))


def test_binarise_refuses_an_unknown_convention():
    with refused("'gray'", "grey", "dynamic", "static"):
        binarise(torch.zeros(2), "gray", generator())  # pyright: ignore[reportArgumentType]


NOISE = [("gaussian", 0.3), ("masking", 0.3), ("salt-and-pepper", 0.3)]


@pytest.mark.parametrize(("kind", "level"), NOISE)
def test_corruption_stays_in_range_repeats_and_leaves_its_input_alone(kind: Any, level: float):
    x = torch.rand(32, 1, 8, 8, generator=generator(1))
    before = x.clone()
    noisy = corrupt(x, kind, level, generator())
    assert torch.equal(x, before)
    assert noisy.shape == x.shape
    assert noisy.dtype == x.dtype
    assert noisy.min() >= 0
    assert noisy.max() <= 1
    assert not torch.equal(noisy, x)
    assert torch.equal(noisy, corrupt(x, kind, level, generator()))


@pytest.mark.parametrize("kind", ["gaussian", "masking", "salt-and-pepper"])
def test_corruption_at_level_zero_changes_nothing(kind: Any):
    x = torch.rand(4, 5, generator=generator())
    assert torch.equal(corrupt(x, kind, 0, generator()), x)


def test_no_corruption_returns_the_batch_itself():
    x = torch.rand(4, 5, generator=generator())
    assert corrupt(x, "none", 0.5, generator()) is x


def test_gaussian_noise_has_the_level_as_standard_deviation():
    x = torch.full((100_000,), 0.5)
    noise = corrupt(x, "gaussian", 0.1, generator()) - x
    assert float(noise.mean()) == pytest.approx(0, abs=0.002)
    assert float(noise.std()) == pytest.approx(0.1, abs=0.002)


def test_masking_zeroes_values_with_the_level_as_probability():
    x = torch.full((100_000,), 0.5)
    masked = corrupt(x, "masking", 0.3, generator())
    assert set(masked.unique().tolist()) == {0, 0.5}
    assert float((masked == 0).float().mean()) == pytest.approx(0.3, abs=0.01)
    assert torch.equal(corrupt(x, "masking", 1, generator()), torch.zeros_like(x))


def test_salt_and_pepper_sets_values_to_0_or_1_at_even_odds():
    x = torch.full((100_000,), 0.5)
    peppered = corrupt(x, "salt-and-pepper", 0.4, generator())
    shares = [float((peppered == value).float().mean()) for value in (0, 0.5, 1)]
    assert shares == pytest.approx([0.2, 0.6, 0.2], abs=0.01)
    assert set(corrupt(x, "salt-and-pepper", 1, generator()).unique().tolist()) == {0, 1}


@pytest.mark.parametrize(
    ("kind", "level"),
    [
        ("gaussian", -0.1),
        ("gaussian", float("inf")),
        ("gaussian", float("nan")),
        ("masking", -0.1),
        ("masking", 1.5),
        ("masking", float("nan")),
        ("salt-and-pepper", 1.5),
    ],
)
def test_corruption_refuses_a_level_out_of_range(kind: Any, level: float):
    with refused(kind, f"level {level}", "expected"):
        corrupt(torch.zeros(2), kind, level, generator())


def test_corruption_refuses_an_unknown_kind():
    with refused("'blur'", "none, gaussian, masking, salt-and-pepper"):
        corrupt(torch.zeros(2), "blur", 0.1, generator())  # pyright: ignore[reportArgumentType]
