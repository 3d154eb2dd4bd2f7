"""Measures by name and of one's own: what they give, their ranges and gradients, and what is refused."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from refusals import refused
from torch import Tensor

from evovae import objectives
from evovae.base import InputError
from evovae.data import ImageSet
from evovae.objectives import MEASURES, Context, own_measures, parse_measures


def context(shape: tuple[int, ...] = (1, 28, 28), images: ImageSet | None = None, **more: object) -> Context:
    def judge(x: Tensor) -> Tensor:
        return torch.nn.functional.one_hot(torch.arange(len(x)) % 10, 10).float()

    found = torch.linspace(0, 1, 2 * int(np.prod(shape))).reshape(2, *shape)
    return Context(images, judge if images is not None else None, phenotypes=lambda: found, **more)


def value(name: str, x: Tensor) -> list[float]:
    return parse_measures(name, context(tuple(x.shape[1:])))(x)[:, 0].tolist()


def bar(width: int, lean: float = 0.0, size: int = 40) -> Tensor:
    """A picture (1, 1, size, size) of an upright stroke, or of one that leans to the right."""
    down, across = torch.meshgrid(torch.arange(size).float(), torch.arange(size).float(), indexing="ij")
    middle = size / 2 - 0.5 - lean * (down - size / 2 + 0.5)
    inside = ((across - middle).abs() <= width / 2) & (down >= 5) & (down < size - 5)
    return inside.float()[None, None]


def test_boldness_and_lightness_are_those_of_the_tutorial_on_latent_space_illumination() -> None:
    x = torch.tensor([[0.5, 0.9, 0.49, 1.0], [0.0, 0.1, 0.2, 0.3]]).reshape(2, 1, 2, 2)
    assert value("boldness", x) == [3.0, 0.0]
    assert value("lightness", x) == pytest.approx([2.4 / 4, 0.0])


def test_colours_count_by_their_luminance() -> None:
    red, green = torch.zeros(2, 3, 2, 2).unbind()
    red[0], green[1] = 1.0, 1.0
    assert value("boldness", torch.stack((red, green))) == [0.0, 4.0]
    assert value("lightness", torch.stack((red, green))) == pytest.approx([0.0, 4 * 0.587 / 5])


def test_measures_are_named_one_by_one_too(digits: ImageSet) -> None:
    x = torch.rand(3, 1, 28, 28, generator=torch.Generator().manual_seed(0))
    found = objectives.measures("boldness", "lightness", "ink")
    assert found.names == ("boldness", "lightness", "ink")
    assert torch.equal(found(x), parse_measures("boldness,lightness,ink", context())(x))
    assert found.ranges == (None, (0.5, 1.0), None)
    known = objectives.measures("boldness", "class", images=digits, judge=lambda x: x[:, 0, 0, :10])
    assert known.ranges == ((0.0, 784.0), (-0.5, 9.5))
    assert known(x)[:, 1].tolist() == x[:, 0, 0, :10].argmax(1).tolist()
    for names, words in (
        (("class",), "a judge reads"),
        (("bold",), "bold"),
        ((), "no measures"),
        (("ink", "ink"), "once"),
    ):
        with refused(words):
            objectives.measures(*names)


def test_symmetry_is_the_objective_of_that_name() -> None:
    x = torch.rand(5, 1, 6, 7, generator=torch.Generator().manual_seed(0))
    assert value("symmetry", x) == objectives.symmetry()(x)[:, 0].tolist()


@pytest.mark.parametrize("angle", [-30.0, -10.0, 0.0, 20.0, 40.0])
def test_a_stroke_that_leans_to_the_right_has_its_angle_as_slant(angle: float) -> None:
    stroke = bar(4, np.tan(np.radians(angle)))
    assert value("slant", stroke) == pytest.approx([angle], abs=1.0)


@pytest.mark.parametrize("width", [2, 4, 6])
def test_thickness_is_about_the_width_of_a_stroke(width: int) -> None:
    # Of a stroke as long as 30 pixels the ends count, too: 2 w l / (2 l + 2 w).
    assert value("thickness", bar(width - 0.5)) == pytest.approx([30 * width / (30 + width)], rel=0.05)


def test_loops_are_counted_picture_by_picture() -> None:
    ring = torch.zeros(9, 9)
    ring[1:8, 1:8] = 1.0
    ring[2:4, 3:6] = 0.0
    eight = ring.clone()
    eight[5:7, 3:6] = 0.0
    open_ring = ring.clone()
    open_ring[0:3, 4] = 0.0
    corner = torch.zeros(9, 9)  # strokes that touch at corners enclose, as the eye has it
    corner[[3, 4, 4, 5], [4, 3, 5, 4]] = 1.0
    x = torch.stack((ring, torch.zeros(9, 9), eight, torch.ones(9, 9), open_ring, corner)).unsqueeze(1)
    assert value("loops", x) == [1.0, 0.0, 2.0, 0.0, 0.0, 1.0]


def test_what_is_counted_has_a_cell_for_each_value(digits: ImageSet) -> None:
    found = parse_measures("class,loops,ink", context(images=digits))
    assert (found.cells, found.ranges) == ((10, 4, None), ((-0.5, 9.5), (-0.5, 3.5), None))
    assert found.names == ("class", "loops", "ink")
    assert found.judged
    assert found(torch.zeros(12, 1, 28, 28))[:, 0].tolist() == [*range(10), 0, 1]


@pytest.mark.parametrize("name", ["lightness", "slant", "thickness", "symmetry", "ink"])
def test_smooth_measures_pass_gradients_that_are_right_and_finite_for_empty_pictures(name: str) -> None:
    measure = parse_measures(name, context((1, 8, 8)))
    assert measure.rough == ()
    x = 0.2 + 0.7 * torch.rand(2, 1, 8, 8, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    x[(x - 0.5).abs() < 0.01] = 0.6  # lightness jumps there
    assert torch.autograd.gradcheck(measure, (x.requires_grad_(),))
    empty = torch.zeros(1, 1, 8, 8, requires_grad=True)
    found = measure(empty)
    if found.requires_grad:
        (gradient,) = torch.autograd.grad(found.sum(), empty)
        assert found.isfinite().all()
        assert gradient.isfinite().all()


def test_measures_that_count_say_that_they_are_rough(digits: ImageSet) -> None:
    found = parse_measures("boldness,slant,loops,class", context(images=digits))
    assert found.rough == ("boldness", "loops", "class")
    assert not parse_measures("boldness", context()).judged


@pytest.mark.parametrize("name", [name for name in MEASURES if name != "class"])
def test_digits_lie_within_the_range_of_a_measure(name: str, digits: ImageSet) -> None:
    found = parse_measures(name, context(images=digits))
    ((low, high),) = (span or (0.0, 0.0) for span in found.ranges)
    values = found(digits.test.images[:500] / 255)
    assert ((values >= low) & (values <= high)).float().mean() > 0.97


def test_an_objective_serves_as_a_measure(digits: ImageSet) -> None:
    found = parse_measures("target:test/7,0.5*ink+symmetry", context(images=digits))
    assert found.names == ("target:test/7", "0.5*ink+symmetry")
    assert found(digits.test.images[7:8] / 255)[0, 0] == 0


def two(images: Tensor) -> Tensor:
    return torch.stack((images.mean((1, 2, 3)), images.amax((1, 2, 3))), 1)


def test_a_function_of_one_s_own_may_say_names_and_ranges() -> None:
    x = torch.rand(3, 1, 4, 4, generator=torch.Generator().manual_seed(0))
    plain = own_measures(two, x)
    assert (plain.names, plain.ranges, plain.rough) == (("measure_0", "measure_1"), (None, None), ())
    assert own_measures(plain, x) is plain

    def named(images: Tensor) -> Tensor:
        return images.numpy(force=True).shape[0] * torch.ones(len(images), dtype=torch.int64)

    named.names, named.ranges = ("many",), ((0, 9),)  # type: ignore[attr-defined]
    found = own_measures(named, x)
    assert (found.names, found.ranges, found.rough) == (("many",), ((0, 9),), ("many",))
    assert found(x).tolist() == [[3.0]] * 3
    loaded = parse_measures("mine.py:two,ink", context(load=lambda spec: two))
    assert loaded.names == ("two_0", "two_1", "ink")


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (3, ("the measures are int",)),
        (lambda x: x, ("expected a tensor (B, K) or (B,)",)),
        (lambda x: x[:1, 0, 0], ("for 3 phenotypes",)),
        (lambda x: [1.0], ("the measures are list",)),
        (lambda x: x.flatten(1)[:, :0], ("(3, 0)",)),
        (lambda x: x.nothing(), ("the measures raised", "nothing")),
    ],
)
def test_functions_that_measure_nothing_are_refused(function: Callable, words: tuple[str, ...]) -> None:
    with refused(*words):
        own_measures(function, torch.rand(3, 1, 4, 4, generator=torch.Generator().manual_seed(0)))


@pytest.mark.parametrize(("what", "value"), [("names", ("one",)), ("ranges", ((0, 1),))])
def test_as_many_names_and_ranges_as_measures_are_expected(what: str, value: object) -> None:
    def mine(images: Tensor) -> Tensor:
        return two(images)

    setattr(mine, what, value)
    with refused(what, "expected 2"):
        own_measures(mine, torch.rand(3, 1, 4, 4, generator=torch.Generator().manual_seed(0)))


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ("beauty", ("measure 'beauty'", "boldness (number", "or an objective")),
        ("boldness:3", ("measure 'boldness:3'", "takes no argument")),
        ("boldness,boldness", ("each may be named once",)),
        ("class", ("measure class", "--dataset")),
        ("mine.py:two", ("can only be named in a command",)),
        ("", ("measure ''",)),
    ],
)
def test_names_that_measure_nothing_are_refused(spec: str, words: tuple[str, ...]) -> None:
    with refused(*words):
        parse_measures(spec, context())


@pytest.mark.parametrize("name", [name for name in MEASURES if name != "class"])
def test_measures_of_pictures_refuse_what_is_none(name: str) -> None:
    with refused("(6,)", "pictures"):
        parse_measures(name, context((6,)))
    with pytest.raises(InputError):
        parse_measures(name, context((2, 4, 4)))


def test_an_own_function_that_does_not_fit_is_named() -> None:
    with refused("mine.py:two cannot be used", "the measures are"):
        parse_measures("mine.py:two", context(load=lambda spec: lambda x: x))


def test_an_objective_that_needs_others_is_no_measure() -> None:
    def noisy(images: Tensor, random: object) -> Tensor:
        return images.mean((1, 2, 3))

    noisy.random = True  # type: ignore[attr-defined]
    with refused("mine.py:noisy cannot be used", "the measures raised"):
        parse_measures("mine.py:noisy", context(load=lambda spec: noisy))
