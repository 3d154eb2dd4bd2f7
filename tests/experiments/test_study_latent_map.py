"""What the study of maps measures: neighbourhoods, each image left out of its own."""

import latent_map
import pytest
import torch

from evovae.base import make_generator


def test_an_image_is_no_neighbour_of_itself() -> None:
    places = torch.cat((torch.arange(11.0), torch.arange(11.0) + 1000))[:, None]
    labels = torch.tensor([0] * 11 + [1] * 11)
    assert latent_map.neighbour_accuracy(places, labels) == 1
    labels[5] = 1  # alone of its class among the first
    assert latent_map.neighbour_accuracy(places, labels) == pytest.approx(21 / 22)


def test_of_equally_common_labels_the_lowest_is_guessed() -> None:
    labels = torch.tensor([1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0])  # each has all ten others for neighbours: a 0 five of both
    assert latent_map.neighbour_accuracy(torch.arange(11.0)[:, None], labels) == pytest.approx(6 / 11)


def test_a_faithful_map_is_trusted_and_a_shuffled_one_is_not() -> None:
    pixels = torch.rand(200, 2, generator=make_generator(0))
    order = torch.randperm(200, generator=make_generator(1))
    labels = (pixels[:, 0] > 0.5).long()
    assert latent_map.measure(3 * pixels, pixels, labels)["trustworthiness"] == 1
    assert latent_map.measure(pixels[order], pixels, labels)["trustworthiness"] < 0.6
