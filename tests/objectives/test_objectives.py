"""Objectives: equal to direct computation, turned the way they are meant, and found by name or refused."""

import copy
import math
import pickle

import numpy as np
import pytest
import torch
from precision import default_dtype
from refusals import refused
from scipy.ndimage import gaussian_filter
from torch import Tensor, nn

from evovae.data import Images, ImageSet
from evovae.objectives import (
    REGISTRY,
    Context,
    boldness,
    digit,
    ink,
    lightness,
    parse,
    several,
    ssim,
    symmetry,
    target,
    weighted_sum,
)


def rand(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed))


def pixels(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randint(0, 256, shape, generator=torch.Generator().manual_seed(seed), dtype=torch.uint8)


def some_set(shape: tuple[int, int, int] = (1, 12, 13), classes: tuple[str, ...] = ("0", "1", "2")) -> ImageSet:
    train, test = (Images(pixels(n, *shape, seed=n), torch.arange(n) % 3) for n in (6, 4))
    return ImageSet("some", train, test, classes)


class Judge(nn.Module):
    """Three classes: the mean, the darkest and the brightest pixel are their logits."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        flat = x.flatten(1)
        return torch.stack((flat.mean(1), flat.amin(1), flat.amax(1)), dim=1)


def context(judge: nn.Module | None = None, images: ImageSet | None = None) -> Context:
    def ask(x: Tensor) -> Tensor:
        assert judge is not None, "a judge was asked though no objective needs one"
        return judge(x)

    return Context(images or some_set(), ask)


def column(values) -> torch.Tensor:
    return torch.tensor(np.asarray(values), dtype=torch.float32).reshape(-1, 1)


SHAPES = pytest.mark.parametrize("shape", [(1, 12, 13), (3, 11, 16)], ids=["grey", "colour"])


# Each by itself


@SHAPES
def test_target_is_the_mean_squared_error(shape):
    x, goal = rand(5, *shape), pixels(*shape)
    expected = column([((one.numpy() - goal.numpy() / 255) ** 2).mean() for one in x])
    torch.testing.assert_close(target(goal)(x), expected)
    torch.testing.assert_close(target(goal / 255)(x), expected)
    assert not target(goal)(goal.unsqueeze(0) / 255).any()


def direct_ssim(x: np.ndarray, y: np.ndarray) -> float:
    """SSIM of two grey images, from Wang et al. 2004, eq. 13, with scipy's filter cut to 11 x 11 and its inside."""

    def blur(image):
        return gaussian_filter(image, 1.5, truncate=3.5)[5:-5, 5:-5]

    mx, my = blur(x), blur(y)
    vx, vy, cxy = blur(x * x) - mx * mx, blur(y * y) - my * my, blur(x * y) - mx * my
    c1, c2 = 0.01**2, 0.03**2
    return ((2 * mx * my + c1) * (2 * cxy + c2) / ((mx**2 + my**2 + c1) * (vx + vy + c2))).mean()


@SHAPES
@pytest.mark.parametrize("brightness", [1.0, 0.02], ids=["bright", "dark"])
def test_ssim_equals_a_direct_computation(shape, brightness):
    goal = brightness * rand(*shape)
    x = torch.cat((0.8 * goal.unsqueeze(0), brightness * rand(4, *shape, seed=1)))
    pairs = [zip(one.double().numpy(), goal.double().numpy(), strict=True) for one in x]
    expected = column([np.mean([direct_ssim(a, b) for a, b in channels]) for channels in pairs])
    assert expected.std() > 0.02
    torch.testing.assert_close(ssim(goal)(x), expected, atol=1e-5, rtol=0)


def test_ssim_takes_pixels_for_what_they_stand_for():
    goal, x = pixels(1, 12, 13), rand(3, 1, 12, 13)
    torch.testing.assert_close(ssim(goal)(x), ssim(goal / 255)(x))


@SHAPES
def test_ssim_is_one_for_the_same_image_and_negative_for_its_opposite(shape):
    goal = rand(*shape)
    found = ssim(goal)(torch.stack((goal, 1 - goal)))
    assert found[0].item() == pytest.approx(1, abs=1e-5)
    assert -1 <= found[1].item() < -0.5


def test_digit_is_the_log_odds_of_a_class():
    x = rand(5, 1, 8, 8)
    p = Judge()(x).double().softmax(1).numpy()
    for k in range(3):
        torch.testing.assert_close(digit(Judge(), k)(x), column(np.log(p[:, k]) - np.log(1 - p[:, k])))


def test_digit_keeps_growing_where_the_probability_is_one():
    surer = torch.tensor([[0.0, s, -s] for s in (20.0, 40.0, 80.0, 160.0)])
    assert surer.softmax(1)[1:, 1].eq(1).all()
    fitness = digit(nn.Identity(), 1)(surer).squeeze(1)
    torch.testing.assert_close(fitness, torch.tensor([20.0, 40.0, 80.0, 160.0]))
    hopeless = digit(nn.Identity(), 2)(surer).squeeze(1)
    assert hopeless.isfinite().all()
    assert (hopeless.diff() < 0).all()


@SHAPES
def test_ink_is_the_mean_intensity(shape):
    x = rand(5, *shape)
    torch.testing.assert_close(ink()(x), column([one.numpy().mean() for one in x]))
    assert ink()(torch.stack((torch.zeros(shape), torch.ones(shape)))).flatten().tolist() == [0, 1]


@SHAPES
def test_symmetry_is_the_part_of_the_ink_that_its_mirror_image_covers(shape):
    x = rand(5, *shape)
    expected = [np.minimum(a, a[..., ::-1]).sum() / a.sum() for a in x.numpy()]
    torch.testing.assert_close(symmetry()(x), column(expected))


def test_symmetry_at_its_ends():
    half = rand(1, 8, 4)
    mirrored = torch.cat((half, half.flip(-1)), dim=-1)
    one_sided = torch.cat((half, torch.zeros(1, 8, 4)), dim=-1)
    upside_down = torch.cat((half, half.flip(-2)), dim=-1)
    found = symmetry()(torch.stack((mirrored, one_sided, torch.zeros(1, 8, 8), upside_down))).flatten().tolist()
    assert found[:3] == [1, 0, 0]
    assert 0 < found[3] < 1


def bold_pixels(image: np.ndarray) -> np.ndarray:
    grey = image.mean(0)
    return grey[grey >= 0.5]


@SHAPES
def test_boldness_counts_and_lightness_averages_the_pixels_at_half_or_above(shape):
    x = rand(5, *shape)
    torch.testing.assert_close(boldness()(x), column([len(bold_pixels(one)) for one in x.numpy()]))
    torch.testing.assert_close(lightness()(x), column([bold_pixels(one).mean() for one in x.numpy()]))


@pytest.mark.parametrize("channels", [1, 3])
def test_a_pixel_of_exactly_half_is_bold(channels):
    just_below = np.nextafter(np.float32(0.5), np.float32(0))
    x = torch.tensor([0.5, float(just_below), 0.0, 1.0]).view(-1, 1, 1, 1).expand(-1, channels, 8, 9)
    assert boldness()(x).flatten().tolist() == [72, 0, 0, 72]
    assert lightness()(x).flatten().tolist() == [0.5, 0, 0, 1]


EACH = {
    "class:2": (1, -math.inf, math.inf),
    "digit:1": (1, -math.inf, math.inf),
    "target:test/1": (-1, 0, 1),
    "ssim:train/0": (1, -1, 1),
    "ink": (1, 0, 1),
    "symmetry": (1, 0, 1),
    "boldness": (1, 0, 12 * 13),
    "lightness": (1, 0, 1),
}


@pytest.mark.parametrize("name", EACH)
def test_every_named_objective_has_its_weight_range_and_form(name):
    weight, low, high = EACH[name]
    objective = parse(name, context(Judge()))
    x = torch.cat((rand(6, 1, 12, 13), rand(6, 1, 12, 13) ** 5, torch.zeros(1, 1, 12, 13), torch.ones(1, 1, 12, 13)))
    before = x.clone()
    fitness = objective(x)
    assert fitness.shape == (14, 1)
    assert fitness.dtype == torch.float32
    assert fitness.isfinite().all()
    assert low <= fitness.min()
    assert fitness.max() <= high + 1e-6
    assert (objective.names, objective.weights) == ((name,), (weight,))
    assert torch.equal(x, before)
    each = torch.cat([objective(one.unsqueeze(0)) for one in x])
    torch.testing.assert_close(fitness, each, atol=1e-5, rtol=1e-5)  # no image depends on those beside it


def test_no_registered_objective_is_left_untested():
    assert {name.partition(":")[0] for name in EACH} == set(REGISTRY)


SUM_AND_SEVERAL = ["ink+-0.5*symmetry+0.1*target:test/1", "digit:1,boldness", "ssim:train/0,2*class:2+ink"]
ALL = [*EACH, *SUM_AND_SEVERAL]


def asking(dtype: torch.dtype = torch.float32) -> Context:
    """A context whose judge can be pickled."""
    return Context(some_set(), Judge().to(dtype))


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("copied", [lambda one: pickle.loads(pickle.dumps(one)), copy.deepcopy], ids=["pickle", "copy"])
def test_an_objective_that_was_pickled_gives_the_same_bits(name, copied):
    objective, x = parse(name, asking()), rand(7, 1, 12, 13)
    again = copied(objective)
    assert (again.names, again.weights, again.smooth) == (objective.names, objective.weights, objective.smooth)
    assert torch.equal(again(x), objective(x))


def test_the_pickle_of_a_target_holds_one_image():
    images = rand(1000, 1, 12, 13)
    for make in (target, ssim):
        assert len(pickle.dumps(make(images[3]))) < 10_000


@pytest.mark.parametrize("name", ALL)
def test_fitness_has_the_precision_of_the_phenotypes(name):
    objective, x = parse(name, asking(torch.float64)), rand(7, 1, 12, 13).double()
    fitness = objective(x)
    assert fitness.dtype == torch.float64
    if "boldness" not in name:
        assert (fitness != objective(x ** (1 + 1e-12))).any(1).all()
    torch.testing.assert_close(fitness, objective(x.float()).double(), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", ALL)
def test_fitness_is_the_same_whatever_torchs_default_type(name):
    x = rand(7, 1, 12, 13)
    expected = parse(name, asking())(x)
    with default_dtype(torch.float64):
        found = parse(name, asking())(x)
    assert found.dtype == expected.dtype
    assert torch.equal(found, expected)


@pytest.mark.parametrize("name", [name for name in ALL if ":" not in name or "target" in name])
@pytest.mark.parametrize("hole", [math.nan])
def test_an_image_with_a_hole_is_worth_nothing(name, hole):
    x = rand(2, 1, 12, 13)
    x[1, 0, 3, 4] = hole
    fitness = parse(name, asking())(x)
    assert fitness[0].isfinite().all()
    assert fitness[1].isnan().any()


# Together


def test_in_a_sum_a_target_is_approached():
    goal = rand(1, 12, 13)
    near, far = goal.unsqueeze(0), 1 - goal.unsqueeze(0)
    total = weighted_sum([(1.0, target(goal)), (0.0, ink())], "near")
    assert (total.names, total.weights) == (("near",), (1.0,))
    assert total(near) > total(far)


def test_a_sum_adds_its_terms_each_turned_the_way_it_is_meant():
    x, goal = rand(5, 1, 12, 13), rand(1, 12, 13, seed=1)
    total = weighted_sum([(2.0, target(goal)), (0.5, ink()), (-0.25, symmetry())], "sum")
    expected = -2 * target(goal)(x) + 0.5 * ink()(x) - 0.25 * symmetry()(x)
    torch.testing.assert_close(total(x).float(), expected)


def test_a_sum_loses_no_term_however_small_or_large_its_factor():
    x = rand(5, 1, 12, 13)
    for factor in (1e-46, 1e-300, 1e40):
        total = weighted_sum([(factor, ink())], "scaled")(x)
        assert torch.equal(total.argsort(dim=0), ink()(x).argsort(dim=0))
        torch.testing.assert_close(total / factor, ink()(x).double())
    both = weighted_sum([(1e8, ink()), (1.0, symmetry())], "both")(x) - 1e8 * ink()(x).double()
    torch.testing.assert_close(both, symmetry()(x).double(), rtol=0, atol=1e-7)


def test_several_objectives_stand_side_by_side_in_their_order():
    x, goal = rand(5, 1, 12, 13), rand(1, 12, 13, seed=1)
    both = several([ink(), several([target(goal, "goal"), symmetry()]), boldness()])
    assert both.names == ("ink", "goal", "symmetry", "boldness")
    assert both.weights == (1, -1, 1, 1)
    expected = torch.cat((ink()(x), target(goal)(x), symmetry()(x), boldness()(x)), dim=1)
    torch.testing.assert_close(both(x), expected)


# By name


@pytest.mark.parametrize(
    ("spec", "terms"),
    [
        ("ink+symmetry", [(1, "ink"), (1, "symmetry")]),
        ("2*ink", [(2, "ink")]),
        ("-1*ink", [(-1, "ink")]),
        ("ink+-0.5*symmetry", [(1, "ink"), (-0.5, "symmetry")]),
        ("1e-3*boldness+ink", [(1e-3, "boldness"), (1, "ink")]),
        ("1e+2*ink+1E+1*symmetry", [(1e2, "ink"), (1e1, "symmetry")]),
        ("2.e+1*ink+.5*symmetry", [(20, "ink"), (0.5, "symmetry")]),
        ("digit:1+0.1*target:test/2", [(1, "digit:1"), (0.1, "target:test/2")]),
        (" ink + 0.5 * symmetry ", [(1, "ink"), (0.5, "symmetry")]),
        ("ink+ink", [(2, "ink")]),
    ],
)
def test_sums_are_parsed(spec, terms):
    objective, x = parse(spec, context(Judge())), rand(5, 1, 12, 13)
    assert (objective.names, objective.weights) == ((spec.strip(),), (1.0,))
    expected = torch.zeros(5, 1)
    for coefficient, name in terms:
        expected += coefficient * EACH.get(name, (-1,))[0] * parse(name, context(Judge()))(x)
    torch.testing.assert_close(objective(x).float(), expected)


@pytest.mark.parametrize("spec", ["ink,target:test/2,0.5*ink+symmetry", " ink , target:test/2 , 0.5*ink+symmetry "])
def test_several_are_parsed(spec):
    objective, x = parse(spec, context()), rand(5, 1, 12, 13)
    assert objective.names == ("ink", "target:test/2", "0.5*ink+symmetry")
    assert objective.weights == (1, -1, 1)
    expected = [parse(name, context())(x) for name in ("ink", "target:test/2", "0.5*ink+symmetry")]
    torch.testing.assert_close(objective(x), torch.cat(expected, dim=1))


@pytest.mark.parametrize("split", ["train", "test"])
@pytest.mark.parametrize("index", [0, 3])
def test_images_are_found_by_split_and_index(split, index):
    images = some_set()
    found = getattr(images, split).images[index].unsqueeze(0) / 255
    assert not parse(f"target:{split}/{index}", context(images=images))(found).any()
    assert parse(f"ssim:{split}/{index}", context(images=images))(found).item() == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("index", [0, 2])
def test_the_image_of_a_kept_genome_is_what_it_decodes_to(index):
    genomes = rand(3, 12 * 13)
    kept = Context(some_set(), Judge(), genomes, lambda z: z.view(-1, 1, 12, 13))
    image = genomes[index].view(1, 1, 12, 13)
    assert not parse(f"target:genome/{index}", kept)(image).any()
    assert parse(f"ssim:genome/{index}", kept)(image).item() == pytest.approx(1, abs=1e-5)
    with refused("'genome/3'", "0 to 2"):
        parse("target:genome/3", kept)


@pytest.mark.parametrize(("spec", "asked"), [("ink,target:test/0", 0), ("ink,0.1*digit:2+ink", 1)])
def test_the_judge_is_asked_only_about_phenotypes_and_by_objectives_that_need_it(spec, asked):
    calls = []
    objective = parse(spec, Context(some_set(), lambda x: calls.append(1) or Judge()(x)))
    assert not calls, "an objective that is only named must not cost a judge"
    objective(rand(2, 1, 12, 13))
    assert len(calls) == asked


def test_a_target_of_another_shape_is_refused():
    grey = rand(1, 12, 13)
    for make in (target, ssim):
        with refused("(2, 3, 12, 13)", "(1, 12, 13)"):
            make(grey)(rand(2, 3, 12, 13))


@pytest.mark.parametrize(
    "spec", ["", " ", "dgit:8", "Ink", "ink,", ",ink", "ink+", "+ink", "ink++ink", "ink;ink", "2*"]
)
def test_an_unknown_name_is_refused_with_the_known_ones_and_their_ranges(spec):
    ranges = ("unbounded", "minimised, 0 to 1", "-1 to 1", "0 to H*W", "0 or 0.5 to 1")
    with refused("is unknown", *REGISTRY, "digit:K", "class:NAME", "target:SPLIT/INDEX", *ranges):
        parse(spec, context())


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ("digit", ("digit", "the classes are 0, 1, 2")),
        ("digit:", ("digit:", "the classes are 0, 1, 2")),
        ("digit:3", ("digit:3", "the classes are 0, 1, 2")),
        ("digit:-1", ("digit:-1", "the classes are 0, 1, 2")),
        ("digit:1.0", ("digit:1.0", "the classes are 0, 1, 2")),
        ("digit:one", ("digit:one", "the classes are 0, 1, 2")),
        ("target", ("''", "test/42")),
        ("target:7", ("'7'", "train/INDEX, test/INDEX")),
        ("target:test", ("'test'", "train/INDEX, test/INDEX")),
        ("target:test/", ("'test/'", "train/INDEX, test/INDEX")),
        ("target:valid/1", ("'valid/1'", "train/INDEX, test/INDEX")),
        ("target:test/-1", ("'test/-1'", "train/INDEX, test/INDEX")),
        ("target:test/4", ("'test/4'", "0 to 3")),
        ("target:genome", ("'genome'", "genome/INDEX")),
        ("target:genome/0", ("'genome/0'", "--genomes")),
        ("ssim:train/6", ("'train/6'", "0 to 5")),
        ("ink:3", ("ink:3", "no argument")),
        ("symmetry:left", ("symmetry:left", "no argument")),
        ("boldness:0.5", ("boldness:0.5", "no argument")),
        ("lightness:x", ("lightness:x", "no argument")),
        ("a lot*ink", ("'a lot'", "no finite number")),
        ("*ink", ("''", "no finite number")),
        ("2*3*ink", ("'2*3'", "no finite number")),
        ("ink-0.5*symmetry", ("'ink-0.5'", "no finite number")),
        ("nan*ink", ("'nan'", "no finite number")),
        ("ink+inf*ink", ("'inf'", "no finite number")),
        ("1e999*ink", ("'1e999'", "no finite number")),
    ],
)
def test_an_argument_that_does_not_fit_is_refused(spec, words):
    for whole in (spec, f"symmetry,{spec}", f"symmetry+{spec}"):
        with refused(*words):
            parse(whole, context(Judge()))


@pytest.mark.parametrize("objective", [target, ssim])
@pytest.mark.parametrize(
    ("image", "word"),
    [
        (rand(12, 12), "(12, 12)"),
        (rand(2, 1, 12, 12), "(2, 1, 12, 12)"),
        (255 * rand(1, 12, 12), "[0, 1]"),
        (rand(1, 12, 12) - 0.5, "[0, 1]"),
        (torch.full((1, 12, 12), math.nan), "[0, 1]"),
        (torch.ones(1, 12, 12, dtype=torch.int64), "int64"),
    ],
    ids=["no channels", "batch", "unscaled", "negative", "nan", "int64"],
)
def test_a_target_that_is_no_image_is_refused(objective, image, word):
    with refused(word, "expected"):
        objective(image)


def test_an_image_smaller_than_the_window_is_refused():
    with refused("(1, 12, 10)", "at least 11"):
        ssim(rand(1, 12, 10))


def test_a_class_that_the_judge_does_not_know_is_refused():
    for k in (3, -1):
        with refused(str(k), "0 to 2"):
            digit(Judge(), k)(rand(2, 1, 8, 8))
