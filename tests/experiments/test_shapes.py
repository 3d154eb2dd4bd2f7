"""Shapes of known parameters: what is drawn of them and measured on them, and how diverse sets of them are."""

import math

import pytest
import torch
from methods import diversity, shapes

from evovae.base import make_generator

ENCODING = shapes.encoding()


def draws(count: int) -> torch.Tensor:
    return ENCODING.sample(count, make_generator(3))


def disc(radius: float) -> torch.Tensor:
    """Parameters (1, 16) of the disc of a radius in parts of the largest."""
    drawn = (radius - shapes.NEAREST) / (1.0 - shapes.NEAREST)
    return torch.tensor([[drawn] * shapes.POINTS + [0.5] * shapes.POINTS])


@pytest.mark.parametrize("radius", [1.0, 0.6, 0.3])
def test_a_disc_has_its_area_to_a_hundredth_and_is_as_round_and_symmetric_as_can_be(radius: float) -> None:
    image = shapes.render(disc(radius), side=256)
    expected = math.pi * (shapes.REACH * radius / 2.0) ** 2
    assert image.mean().item() == pytest.approx(expected, rel=0.015), "a spline lies a hundredth within the circle"
    assert shapes.area(image).item() == pytest.approx(image.mean().item(), rel=0.01)
    assert shapes.perimeter(image).item() == pytest.approx(2.0 * math.sqrt(math.pi * expected), rel=0.08)
    assert 0.85 < shapes.roundness(image).item() <= 1.0
    assert shapes.symmetry(image).item() == pytest.approx(1.0)


def test_the_area_is_that_of_the_outline_where_it_does_not_cross_itself() -> None:
    parameters = draws(200)
    parameters[:, shapes.POINTS :] = 0.5
    x, y = shapes.outline(parameters).unbind(2)
    enclosed = 0.5 * (x * y.roll(-1, 1) - x.roll(-1, 1) * y).sum(1) / 4.0  # of an image, whose sides are 2
    torch.testing.assert_close(shapes.render(parameters, side=128).mean((1, 2, 3)), enclosed, rtol=0.02, atol=5e-4)


def test_what_is_filled_is_what_the_outline_winds_around() -> None:
    parameters = draws(20)
    corners = shapes.outline(parameters).double()
    middles = (torch.arange(2 * shapes.SIDE) + 0.5) / shapes.SIDE - 1.0
    samples = torch.stack(torch.meshgrid(middles, middles, indexing="xy"), -1).double().flatten(0, 1)  # rows are y
    away = torch.view_as_complex((corners[:, None] - samples[:, None]).contiguous())  # B S 64
    turns = (away.roll(-1, 2) / away).angle().sum(2) / (2.0 * math.pi)
    expected = (turns.abs() > 0.5).view(20, 2 * shapes.SIDE, 2 * shapes.SIDE)
    image = expected.float().unflatten(2, (-1, 2)).unflatten(1, (-1, 2)).mean((2, 4))
    assert ((shapes.render(parameters)[:, 0] - image).abs() > 1e-6).double().mean() < 1e-3, "but for rounding"


def test_every_outline_passes_through_its_points() -> None:
    parameters = draws(50)
    radius = shapes.outline(parameters)[:, shapes.PIECES :: shapes.PIECES].norm(dim=2)
    expected = shapes.REACH * (shapes.NEAREST + (1.0 - shapes.NEAREST) * parameters[:, : shapes.POINTS])
    passed = shapes.outline(parameters)[:, :: shapes.PIECES].norm(dim=2)
    torch.testing.assert_close(passed, expected)
    torch.testing.assert_close(radius, expected[:, 1:])


def test_parameters_moved_on_by_two_points_turn_the_shape_by_a_quarter() -> None:
    parameters = draws(50)
    turned = parameters.unflatten(1, (2, -1)).roll(2, 2).flatten(1)
    images, after = shapes.render(parameters), shapes.render(turned)
    assert ((after - images.rot90(-1, (2, 3))).abs() > 1e-6).double().mean() < 2e-3, "but for samples on the outline"


def test_half_a_turn_takes_symmetric_parameters_to_themselves() -> None:
    parameters = draws(50).unflatten(1, (2, 2, 4))
    parameters[:, :, 1] = parameters[:, :, 0]
    symmetric = shapes.symmetry(shapes.render(parameters.flatten(1)))
    assert (symmetric > 0.95).all()
    assert shapes.symmetry(shapes.render(draws(50))).mean() < 0.6


def test_a_shape_depends_on_its_own_parameters_alone_and_comes_out_the_same_again() -> None:
    parameters = draws(300)
    images = ENCODING.decode(parameters)
    assert images.shape == (300, 1, shapes.SIDE, shapes.SIDE)
    assert torch.equal(images, ENCODING.decode(parameters))
    assert torch.equal(images[7:8], shapes.render(parameters[7:8]))
    assert len({image.numpy().tobytes() for image in images}) == 300


def test_an_empty_bitmap_has_neither_roundness_nor_symmetry() -> None:
    empty = torch.full((2, 1, shapes.SIDE, shapes.SIDE), 0.4)
    assert shapes.area(empty).tolist() == [0.0, 0.0]
    assert shapes.roundness(empty).isnan().all()
    assert shapes.symmetry(empty).isnan().all()


def test_bitmaps_are_measured_by_what_is_half_filled() -> None:
    image = torch.zeros(1, 1, 4, 4)
    image[0, 0, 1:3, 1:3] = torch.tensor([[0.5, 1.0], [0.49, 0.9]])
    assert shapes.area(image).item() == 3 / 16
    assert shapes.symmetry(image).item() == pytest.approx(2 / 4)
    whole = torch.ones(1, 1, 4, 4)
    assert shapes.perimeter(whole).item() == pytest.approx((4 * 3 + 4 * math.sqrt(0.5)) / 4)


def test_pure_diversity_adds_up_the_distances_of_what_is_unlike() -> None:
    bitmaps = torch.zeros(4, 1, 100)
    for row, filled in enumerate((0, 10, 30, 70)):
        bitmaps[row, 0, :filled] = 1.0
    assert diversity.pure_diversity(bitmaps) == pytest.approx(0.4 + 0.2 + 0.1)
    assert diversity.pure_diversity(bitmaps[[2, 0, 3, 1]]) == pytest.approx(0.7)
    assert diversity.pure_diversity(bitmaps[:1]) == 0.0
    assert diversity.pure_diversity(bitmaps[[1, 1, 1, 2]]) == pytest.approx(0.2), "what is there twice counts once"


def test_shapes_are_found_again_and_noise_is_none() -> None:
    known = shapes.bitmaps(ENCODING.decode(draws(12)))
    noise = (torch.rand(12, shapes.SIDE, shapes.SIDE, generator=make_generator(0)) < 0.2).float()
    nearest, overlap = diversity.nearest_shapes(torch.cat((known, noise)), generations=30)
    assert overlap[:12].min() > 0.7
    assert overlap[:12].mean() > 0.85
    assert overlap[12:].max() < 0.4
    torch.testing.assert_close(shapes.overlap(nearest[:12], known), overlap[:12])
    again, _ = diversity.nearest_shapes(torch.cat((known, noise)), generations=30)
    assert torch.equal(again, nearest)
