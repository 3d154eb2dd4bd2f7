"""Typicality is a quantile among test images of the distance to real neighbours, and tells digits from what is none."""

import numpy as np
import pytest
import torch

from evovae.data import Images, ImageSet, load_images, to_unit
from evovae.objectives import Judge, Neighbours, RealImages, judges_for
from evovae.objectives.typicality import MIN_REFERENCES, MIN_TESTED, NEIGHBOUR, VARIANCE


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def drawn(*shape: int) -> torch.Tensor:
    return torch.rand(shape, generator=generator(4), dtype=torch.float32)


def images(train: int, test: int, shape: tuple[int, int, int] = (1, 8, 8)) -> ImageSet:
    """Blurred noise: images whose neighbouring pixels are alike."""
    made = torch.rand(train + test, *shape, generator=generator(), dtype=torch.float32)
    made = torch.nn.functional.avg_pool2d(made, 3, stride=1, padding=1)
    pixels, labels = (made * 255).to(torch.uint8), torch.arange(train + test) % 2
    parts = (slice(train), slice(train, None))
    return ImageSet("blurred", *(Images(pixels[part], labels[part]) for part in parts), ("a", "b"))


def direct(references: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Distances to the neighbour in whitened principal components, by a singular value decomposition."""
    mean = references.mean(0)
    _, scale, directions = np.linalg.svd(references - mean, full_matrices=False)
    held = np.cumsum(scale**2) / np.sum(scale**2)
    kept = int((held < VARIANCE).sum()) + 1
    whitening = directions[:kept].T / scale[:kept] * len(references) ** 0.5
    one, other = (x - mean) @ whitening, (references - mean) @ whitening
    return np.sort(np.linalg.norm(one[:, None] - other, axis=2), axis=1)[:, NEIGHBOUR - 1]


@pytest.mark.parametrize(("count", "width"), [(200, 12), (30, 70)], ids=["many images", "many pixels"])
def test_the_distance_is_that_to_the_fifth_nearest_in_whitened_principal_components(count: int, width: int) -> None:
    references = torch.randn(count, width, generator=generator(1), dtype=torch.float64)
    references *= torch.logspace(0, -3, width, dtype=torch.float64)  # the last hardly vary: some are left out
    x = torch.randn(17, width, generator=generator(2), dtype=torch.float64)
    found = Neighbours(references.float()).distance(x.float())
    np.testing.assert_allclose(found, direct(references.float().double().numpy(), x.numpy()), rtol=1e-3)


def test_for_test_images_every_value_is_as_probable() -> None:
    known = images(300, 100)
    judge = Judge("convnext", known.shape, 2, seed=0).eval()
    with torch.no_grad():
        found = RealImages(known).typicality(to_unit(known.test.images), judge)
    even = (torch.arange(100) + 1) / 100
    assert list(found) == ["pixel_typicality", "feature_typicality", "typicality"]
    for name in ("pixel_typicality", "feature_typicality"):
        torch.testing.assert_close(
            found[name].sort().values, even, atol=0.011, rtol=0
        )  # a distance may differ in a bit
    least = torch.minimum(found["pixel_typicality"], found["feature_typicality"])
    share = (least <= least[:, None]).double().mean(1).float()
    torch.testing.assert_close(found["typicality"], share, atol=0.021, rtol=0)


def test_a_batch_says_what_each_of_its_images_says() -> None:
    known, x = images(300, 50), drawn(7, 1, 8, 8)
    real = RealImages(known)
    together = real.typicality(x, None)["typicality"]
    apart = torch.cat([real.typicality(one, None)["typicality"] for one in x.split(1)])
    torch.testing.assert_close(together, apart, atol=0.021, rtol=0)


def test_what_is_no_number_is_not_typical() -> None:
    found = RealImages(images(150, 40)).typicality(torch.full((2, 1, 8, 8), torch.nan), None)
    assert found["typicality"].tolist() == [0, 0]


@pytest.mark.parametrize(("train", "test"), [(MIN_REFERENCES - 1, 50), (200, MIN_TESTED - 1)])
def test_of_a_few_images_nothing_is_said(train: int, test: int) -> None:
    real = RealImages(images(train, test))
    assert real.typicality(drawn(3, 1, 8, 8), None) == {}
    assert f"fewer than {MIN_REFERENCES} training or {MIN_TESTED} test images" in real.trouble


def test_phenotypes_of_another_shape_are_not_compared() -> None:
    real = RealImages(images(150, 40))
    assert real.typicality(drawn(3, 64), None) == {}
    assert real.typicality(drawn(3, 1, 9, 9), None) == {}
    assert not real.trouble


def test_large_colour_pictures_are_compared_too() -> None:
    known = images(150, 40, (3, 70, 64))
    found = RealImages(known).typicality(torch.cat([to_unit(known.test.images), drawn(5, 3, 70, 64)]), None)
    assert found["typicality"][:40].median() > 0.4
    assert found["typicality"][40:].max() < 0.1


@pytest.fixture(scope="module")
def digits() -> tuple[RealImages, Judge, torch.Tensor]:
    """Digits to compare with, their held-out judge, and 300 test images."""
    mnist = load_images("mnist")
    return RealImages(mnist), judges_for(mnist).held_out, to_unit(mnist.test.images[-300:])


def noise(x: torch.Tensor) -> dict[str, torch.Tensor]:
    uniform, keys = (torch.rand(x.shape, generator=generator(i), dtype=torch.float32) for i in range(2))
    shuffled = x.flatten(1).gather(1, keys.flatten(1).argsort(1)).view_as(x)
    return {"uniform": uniform, "shuffled pixels": shuffled, "black": torch.zeros_like(x), "white": torch.ones_like(x)}


def test_noise_is_not_typical_of_digits(digits: tuple[RealImages, Judge, torch.Tensor]) -> None:
    real, judge, x = digits
    assert 0.4 < real.typicality(x, judge)["typicality"].median() < 0.6
    for name, pictures in noise(x).items():
        assert real.typicality(pictures, judge)["typicality"].median() < 0.02, name


def test_features_doubt_what_shows_nothing_and_pixels_what_is_exaggerated(
    digits: tuple[RealImages, Judge, torch.Tensor],
) -> None:
    real, judge, x = digits
    blended = (x + x.flip(0)) / 2
    bold = torch.nn.functional.max_pool2d(x, 3, stride=1, padding=1)
    known, blends, fat = (real.typicality(pictures, judge) for pictures in (x, blended, bold))
    assert blends["feature_typicality"].median() < 0.5 * known["feature_typicality"].median()
    assert blends["pixel_typicality"].median() > known["pixel_typicality"].median()  # they are blind to that
    assert fat["pixel_typicality"].median() < 0.1
    assert fat["typicality"].median() < 0.1
    assert blends["typicality"].median() < 0.3
