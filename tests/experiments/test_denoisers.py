"""Denoisers that are no neural networks: what is fitted is fitted right, and chosen by what it gives."""

import numpy as np
import pytest
import torch
from methods.denoisers import FILTERS, choose, fit_linear, wavelets

from evovae.base import make_generator
from evovae.data import ImageSet, corrupt, to_unit
from evovae.objectives import psnr


def test_calibration_gives_back_the_light_that_a_filter_took(digits: ImageSet) -> None:
    clean = to_unit(digits.train.images[:20])
    dimmed = {"dimmed": lambda images: 0.25 * images + 0.5}
    assert torch.allclose(choose(dimmed, clean, clean, True).repair(clean), clean, atol=1e-5)
    assert torch.allclose(choose(dimmed, clean, clean, False).repair(clean), 0.25 * clean + 0.5)


def test_where_a_filter_leaves_nothing_calibration_gives_the_mean(digits: ImageSet) -> None:
    clean = to_unit(digits.train.images[:20])
    black = choose({"black": np.zeros_like}, clean, clean, True).repair(clean)
    torch.testing.assert_close(black, clean.mean().expand_as(clean))


@pytest.mark.parametrize("name", FILTERS)
@pytest.mark.parametrize("calibrated", [False, True])
def test_the_chosen_setting_is_the_best_on_the_images_that_choose(
    name: str, calibrated: bool, digits: ImageSet
) -> None:
    clean = to_unit(digits.train.images[:30])
    noisy = corrupt(clean, "gaussian", 0.4, make_generator(1))
    chosen = choose(FILTERS[name], noisy, clean, calibrated)
    each = {s: choose({s: repair}, noisy, clean, calibrated).repair(noisy) for s, repair in FILTERS[name].items()}
    quality = {setting: float(psnr(images, clean).mean()) for setting, images in each.items()}
    assert quality[chosen.setting] == pytest.approx(max(quality.values()))
    assert torch.equal(chosen.repair(noisy), each[chosen.setting])
    assert quality[chosen.setting] > float(psnr(noisy, clean).mean())


@pytest.mark.parametrize("levels", [1, 2])
def test_wavelets_that_shrink_by_nothing_leave_images_alone_and_by_much_a_blur(levels: int, digits: ImageSet) -> None:
    images = to_unit(digits.train.images[:3]).numpy()
    np.testing.assert_allclose(wavelets(images, levels, 1e-9), images, atol=1e-6)
    blurred = wavelets(images, levels, 1e3)
    assert np.abs(blurred.mean((-2, -1)) - images.mean((-2, -1))).max() < 1e-5
    assert (blurred.std((-2, -1)) < images.std((-2, -1))).all()


def test_the_linear_map_is_found_where_there_is_one() -> None:
    generator = make_generator(3)
    clean = torch.rand((400, 1, 4, 4), generator=generator) * 0.5 + 0.25
    noisy = 2.0 * clean.flip(-1) - 5.0
    assert (fit_linear(noisy, clean).repair(noisy) - clean).abs().max() < 0.02


def test_a_penalty_is_chosen_on_images_that_did_not_fit() -> None:
    """With as many pixels as images and nothing to learn, the largest penalty serves new images best."""
    noisy, clean = (torch.rand((60, 1, 7, 7), generator=make_generator(seed)) for seed in (1, 2))
    assert fit_linear(noisy, clean).setting == "10000"
