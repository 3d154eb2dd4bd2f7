"""What the study of initial weights measures, and what it holds that against: factors per layer."""

from itertools import pairwise

import pytest
import torch
from methods.signal_propagation import expect_variances, measure_variances

from evovae.base import make_generator


def factors(variances) -> list[float]:
    return [after / before for before, after in pairwise(variances)]


def inputs(width: int, scale: float = 1.0) -> torch.Tensor:
    return scale * torch.randn(200, width, generator=make_generator(1))


@pytest.mark.parametrize(
    ("activation", "scheme", "factor"),
    [(torch.relu, "he", 1.0), (torch.relu, "lecun", 0.5), (lambda x: 1 * x, "lecun", 1.0), (torch.relu, "unit", 512.0)],
)
def test_the_theory_of_layers_of_one_width_is_a_factor_a_layer(activation, scheme, factor):
    expected = expect_variances(activation, scheme, [1024] * 6)
    assert factors(expected.outputs) == pytest.approx([factor] * 4, rel=1e-5)
    assert factors(expected.gradients) == pytest.approx([factor] * 4, rel=1e-5)
    assert expected.gradients[0] == pytest.approx(factor, rel=1e-5)


def test_gradients_explode_through_a_tanh_whose_outputs_are_bounded():
    expected = expect_variances(torch.tanh, "unit", [1000] * 4)
    assert expected.outputs.to_list() == pytest.approx([1000] * 3, rel=0.05)
    steepness = (4 / 3) / (2 * torch.pi * 1000) ** 0.5  # E[f'(y)^2] where y is wide: the area under 1 / cosh^4
    assert factors(expected.gradients) == pytest.approx([1000 * steepness] * 2, rel=0.05)


@pytest.mark.parametrize("scheme", ["he", "lecun", "glorot", "unit"])
@pytest.mark.parametrize("activation", [torch.relu, torch.tanh])
def test_what_is_measured_in_wide_layers_is_what_the_theory_expects(activation, scheme):
    widths = (600, 900, 500, 900, 500)
    measured = measure_variances(inputs(600), activation, scheme, widths, make_generator(0))
    expected = expect_variances(activation, scheme, widths)
    assert measured.outputs.to_numpy() == pytest.approx(expected.outputs.to_numpy(), rel=0.25)
    assert measured.gradients.to_numpy() == pytest.approx(expected.gradients.to_numpy(), rel=0.25)


def test_lecun_keeps_the_variance_of_small_signals_through_tanh():
    measured = measure_variances(inputs(800, 0.05), torch.tanh, "lecun", [800] * 6, make_generator(0))
    assert factors(measured.outputs) == pytest.approx([1.0] * 4, rel=0.1)


def test_where_widths_alternate_glorot_loses_and_lecun_gets_back_what_it_lost():
    widths = (512, 128, 512, 128, 512)
    lecun, glorot = (expect_variances(lambda x: 1 * x, scheme, widths) for scheme in ("lecun", "glorot"))
    assert lecun.gradients.to_list() == pytest.approx([4.0, 1.0, 4.0, 1.0])
    assert glorot.gradients.to_list() == pytest.approx([1.6, 0.64, 0.64 * 1.6, 0.64**2])
    assert glorot.outputs.to_list() == pytest.approx([1.6, 0.64, 0.64 * 1.6, 0.64**2])
