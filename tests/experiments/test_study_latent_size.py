"""What the study of latent sizes measures and maps."""

import latent_size
import pytest
import torch

import evovae
from evovae.data import Images
from evovae.objectives import Judges


def test_an_image_is_believable_when_both_judges_are_sure_of_the_same_class() -> None:
    first = torch.tensor([[0.95, 0.05], [0.95, 0.05], [0.95, 0.05], [0.6, 0.4], [0.05, 0.95]])
    second = torch.tensor([[0.92, 0.08], [0.08, 0.92], [0.85, 0.15], [0.95, 0.05], [0.02, 0.98]])
    judges = Judges(*(lambda images, p=p: p[images[:, 0, 0, 0].long()].log() for p in (first, second)))
    images = torch.arange(5.0)[:, None, None, None]
    assert [latent_size.believable(image[None], judges) for image in images] == [1, 0, 0, 0, 1]
    assert latent_size.believable(images, judges) == pytest.approx(0.4)


def test_the_manifold_runs_over_the_prior_with_its_second_axis_upwards() -> None:
    vae = evovae.VAE(evovae.VAEConfig(latent_dim=2, variational=False)).requires_grad_(False)
    vae.code_mean.copy_(torch.tensor([1.0, 2.0]))
    vae.decode = lambda z: z[:, :, None, None]  # a picture of its own code
    plane = latent_size.decode_plane(vae)[..., 0, 0]
    extreme = 1.833915  # of the standard normal at 14.5 of 15
    torch.testing.assert_close(plane[0, 0], torch.tensor([1 - extreme, 2 + extreme]))
    torch.testing.assert_close(plane[-1, -1], torch.tensor([1 + extreme, 2 - extreme]))


def test_the_digits_shown_are_the_first_of_each_class() -> None:
    pixels = torch.arange(5, dtype=torch.uint8)[:, None, None, None]
    shown = latent_size.one_of_each(Images(pixels, torch.tensor([1, 0, 1, 2, 0])))
    assert (shown.flatten() * 255).round().tolist() == [1, 0, 3]
