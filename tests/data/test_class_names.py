"""Classes are named, never counted: how objectives find them by name, and how names and pictures are read."""

import unicodedata
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from refusals import refused

from evovae.base import InputError
from evovae.data import Images, ImageSet, legible, listed, to_unit
from evovae.objectives import Context, Objective, parse, quoted
from evovae.objectives.expressions import take_apart

FASHION = ("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot")
STRANGE = (
    "a",
    "a+b",
    "a,b",
    "2*a",
    "a:b",
    '"',
    'say "a"',
    " a ",
    "ink",
    "$5",
    "Größe",
    "猫",
    "digit:3",
    "a, a+b",
    "-1",
    "1e+3",
)


def some_set(classes: tuple[str, ...]) -> ImageSet:
    images = torch.randint(0, 256, (len(classes), 1, 12, 12), generator=torch.Generator().manual_seed(0))
    both = Images(images.to(torch.uint8), torch.arange(len(classes)))
    return ImageSet("some", both, both, classes)


def objective(spec: str, classes: tuple[str, ...]) -> Objective:
    """The objective, with a judge whose logits are the first pixels of an image."""
    return parse(spec, Context(some_set(classes), lambda x: x.flatten(1)[:, : len(classes)]))


def class_asked(spec: str, classes: tuple[str, ...]) -> int:
    """The place of the class that the objective asks for: the one pixel that it likes to be bright."""
    x = torch.zeros(len(classes), 1, 12, 12)
    x.flatten(1)[range(len(classes)), range(len(classes))] = 1
    return int(objective(spec, classes)(x).argmax())


# A class is the one of that name


@pytest.mark.parametrize("place", range(10))
def test_fashion_has_classes_by_name(place: int) -> None:
    spec = f"class:{FASHION[place]}"
    assert class_asked(spec, FASHION) == place
    assert objective(spec, FASHION).names == (spec,)


def test_a_digit_is_the_class_of_that_name_wherever_it_stands() -> None:
    nine = tuple("123456789")
    assert [class_asked(f"digit:{k}", nine) for k in nine] == list(range(9))
    assert objective("digit:8", nine).names == ("digit:8",)
    twelve = tuple(map(str, (0, 1, 10, 11, *range(2, 10))))
    assert twelve[class_asked("digit:2", twelve)] == "2"


@pytest.mark.parametrize("k", ["0", "8", "-1", "1.0", "", "Bag", "99999"])
def test_a_digit_that_no_class_is_named_after_is_refused_with_the_classes(k: str) -> None:
    with refused(f"digit:{k}", ", ".join(FASHION), "class:NAME"):
        objective(f"digit:{k}", FASHION)


def test_a_class_that_is_not_there_is_refused_with_the_first_of_many() -> None:
    many = tuple(f"kind {k}" for k in range(1000))
    with refused("'kind 1000'", "kind 0, kind 1", "more"):
        objective("class:kind 1000", many)
    with pytest.raises(InputError) as told:
        objective("digit:3", many)
    assert len(str(told.value)) < 300


@pytest.mark.parametrize("spec", ["class:all", "class:x", "digit:0"])
def test_images_of_one_class_have_none_to_tell_apart(spec: str) -> None:
    with refused(spec, "has one class"):
        objective(spec, ("all",))


@pytest.mark.parametrize(("written", "place"), [("ALPHA", 0), ("alpha", 1), ("BETA", 2), ("Beta", 2)])
def test_the_same_letters_win_and_another_case_will_do(written: str, place: int) -> None:
    assert class_asked(f"class:{written}", ("ALPHA", "alpha", "bEtA")) == place
    assert objective("class:BETA", ("ALPHA", "alpha", "bEtA")).names == ("class:bEtA",)


def test_a_name_of_two_classes_is_refused() -> None:
    with refused("'Alpha'", "ALPHA, alpha"):
        objective("class:Alpha", ("ALPHA", "alpha"))
    with refused("'a'", "a, a"):
        objective("class:a", ("a", "a"))


def test_an_accent_is_one_however_it_is_composed() -> None:
    apart = unicodedata.normalize("NFD", "Größe")
    assert apart != "Größe"
    assert class_asked("class:größe", ("x", apart)) == 1
    assert class_asked("class:GRÖSSE", ("x", apart)) == 1


# Names that hold what the language is made of


@pytest.mark.parametrize("name", STRANGE)
def test_every_name_can_be_asked_for_in_quotes_where_it_needs_them(name: str) -> None:
    place = STRANGE.index(name)
    for spec in (f"class:{quoted(name)}", f" class: {quoted(name)} "):
        assert class_asked(spec, STRANGE) == place
        assert objective(spec, STRANGE).names == (f"class:{name}",)
    both = objective(f"0.5*class:{quoted(name)}+ink,class:{quoted(name)},symmetry", STRANGE)
    assert both.names == (f"0.5*class:{quoted(name)}+ink", f"class:{name}", "symmetry")


@pytest.mark.parametrize(
    ("spec", "found"),
    [
        ("class:a", ["a"]),
        ("class:a+b", ["a+b"]),
        ("class:a+ink", ["a", "ink"]),
        ("class:a+b+ink", ["a+b", "ink"]),
        ("class:a,b,ink", ["a,b", "ink"]),
        ('class:"a",class:a,b', ["a", "a,b"]),
        ("class:A+B", ["A+B"]),
        ("class:2*a+2*class:2*a", ["2*a", "2*a"]),
        ("class:1e+3+ink", ["1e+3", "ink"]),
        ("class:c+d", ["c", "d"]),
    ],
)
def test_without_quotes_a_name_is_the_longest_that_a_class_has(spec: str, found: list[str]) -> None:
    terms = [term for part in take_apart(spec, STRANGE) for term in part.terms]
    assert [term.argument or term.name for term in terms] == found


@pytest.mark.parametrize("spec", ['class:"a', 'class:"a"b', 'class:"', 'class:"a" "b"', 'target:"x.png" 2'])
def test_a_quote_without_an_end_is_refused(spec: str) -> None:
    with refused("objective", "the end"):
        objective(spec, STRANGE)


def test_a_long_list_is_cut_and_what_no_line_can_hold_is_replaced() -> None:
    assert listed(("a", "b")) == "a, b"
    assert listed([f"{k}" for k in range(1000)]).endswith(" more")
    assert len(listed(["x" * 255] * 3)) < 130
    assert legible("a\nb\udcff") == "a\ufffdb\ufffd"
    assert listed(("a\nb", "\udcff")) == "a\ufffdb, \ufffd"


# A picture of one's own


def save(path: Path, shape: tuple[int, ...] = (12, 12), seed: int = 0) -> torch.Tensor:
    pixels = np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)
    Image.fromarray(pixels).save(path)
    return torch.from_numpy(pixels)


@pytest.mark.parametrize("name", ["a.png", "1e+3,x.png", "b.BMP"])
def test_a_target_may_be_a_picture(tmp_path: Path, name: str) -> None:
    expected = to_unit(save(tmp_path / name)[None])
    for measure, value in (("target", 0.0), ("ssim", 1.0)):
        found = objective(f'{measure}:"{tmp_path / name}"', FASHION)
        assert found.names == (f"{measure}:{tmp_path / name}",)
        assert found(expected[None]).item() == pytest.approx(value, abs=1e-5)


def test_a_picture_of_another_shape_is_brought_to_that_of_the_images(tmp_path: Path) -> None:
    save(tmp_path / "large.png", (40, 31, 3))
    assert objective(f"target:{tmp_path / 'large.png'}", FASHION)(torch.zeros(2, 1, 12, 12)).shape == (2, 1)


def test_a_picture_is_read_once_and_known_from_then_on(tmp_path: Path) -> None:
    context, spec = Context(some_set(FASHION), torch.nn.Identity()), f"target:{tmp_path / 'a.png'}"
    goal = to_unit(save(tmp_path / "a.png")[None])[None]
    parse(spec, context)
    (tmp_path / "a.png").unlink()
    assert parse(spec, context)(goal).item() == 0


def test_what_is_no_picture_is_refused(tmp_path: Path) -> None:
    (tmp_path / "text.png").write_text("text")
    for name, word in (("missing.png", "is no file"), ("", "is no file"), ("text.png", "cannot be read")):
        with refused(name, word):
            objective(f"target:{tmp_path / name}", FASHION)
    save(tmp_path / "a.png")
    with refused("a.png", "expected train/INDEX"):
        parse(f"target:{tmp_path / 'a.png'}", Context(some_set(FASHION), torch.nn.Identity(), pictures=None))
