"""Fidelity: equal to direct computation, image by image. SSIM's formula is tested where it is an objective."""

import math

import pytest
import torch
from refusals import refused
from skimage import metrics

from evovae.objectives import psnr, ssim, structural_similarity
from evovae.objectives.similarity import ssim_to

GENERATOR = torch.Generator().manual_seed(8)
CLEAN, NOISY = torch.rand(2, 4, 3, 11, 14, generator=GENERATOR)
# Wang et al. 2004 as others have it: their window, weights and constants, where the window fits.
WANG = {"win_size": 11, "sigma": 1.5, "gaussian_weights": True, "use_sample_covariance": False, "data_range": 1.0}
SSIM = torch.tensor(
    [
        metrics.structural_similarity(a.numpy(), b.numpy(), channel_axis=0, **WANG)
        for a, b in zip(NOISY, CLEAN, strict=True)
    ]
)


def test_psnr_is_that_of_a_known_error():
    shifted = torch.stack([torch.full((1, 2, 3), 0.5) + error for error in (0.1, -0.01, 0.5)])
    torch.testing.assert_close(psnr(shifted, torch.full_like(shifted, 0.5)), torch.tensor([20.0, 40.0, 6.0206]))


def test_psnr_is_of_each_image_over_all_its_channels():
    expected = [-10 * math.log10(float((a - b).square().mean())) for a, b in zip(NOISY, CLEAN, strict=True)]
    torch.testing.assert_close(psnr(NOISY, CLEAN), torch.tensor(expected))


def test_psnr_of_the_same_image_is_infinite():
    assert psnr(CLEAN, CLEAN).tolist() == [math.inf] * 4


def test_ssim_of_pairs_is_that_of_scikit_image():
    assert SSIM.std() > 0.01
    torch.testing.assert_close(structural_similarity(NOISY, CLEAN), SSIM, rtol=0, atol=1e-5)
    objective = torch.cat([ssim(b)(a.unsqueeze(0)).squeeze(1) for a, b in zip(NOISY, CLEAN, strict=True)])
    torch.testing.assert_close(objective, SSIM, rtol=0, atol=1e-5)


def test_ssim_to_one_image_serves_every_batch():
    similarity = ssim_to(CLEAN[0])
    for batch in (NOISY, NOISY[:1]):
        torch.testing.assert_close(similarity(batch), structural_similarity(batch, CLEAN[:1].expand_as(batch)))


def test_ssim_of_images_smaller_than_the_window_is_refused():
    small = CLEAN[..., :10]
    with refused("(4, 3, 11, 10)", "at least 11"):
        structural_similarity(small, small)


def test_ssim_has_the_precision_of_the_images():
    single, double = structural_similarity(NOISY, CLEAN), structural_similarity(NOISY.double(), CLEAN.double())
    assert (single.dtype, double.dtype) == (torch.float32, torch.float64)
    torch.testing.assert_close(double.float(), single, rtol=1e-4, atol=1e-4)
    assert structural_similarity(NOISY, CLEAN.double()).dtype == torch.float32
    assert structural_similarity(NOISY.double(), CLEAN).dtype == torch.float64


@pytest.mark.parametrize("measure", [psnr, structural_similarity])
def test_both_fall_with_noise(measure):
    weak, strong = (CLEAN.lerp(NOISY, part) for part in (0.1, 0.6))
    assert (measure(weak, CLEAN) > measure(strong, CLEAN)).all()
