"""Figures show their data, look the same twice, and leave no trace."""

import subprocess
import sys

import matplotlib
import numpy as np
import pandas as pd
import pytest
import torch
from matplotlib.axes import Axes
from matplotlib.colors import to_hex, to_rgb
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.transforms import Bbox
from PIL import Image
from refusals import refused

from evovae.analysis import plots
from evovae.analysis.plots import BASELINE, PALETTE
from evovae.analysis.plots.maps import CLASS_COLOURS
from evovae.analysis.statistics import mean_interval
from evovae.base import InputError

generator = np.random.default_rng(11)
GREY = generator.random((23, 1, 8, 8))
RGB = generator.random((23, 3, 8, 6))
EVALUATIONS = np.arange(30) * 90 + 100
CLIMB = np.maximum.accumulate(generator.random((10, 30)), axis=1)
HISTORY = pd.DataFrame(
    {"epoch": [1, 2, 3], "elbo": [-150.0, -120, -110], "reconstruction": [130.0, 98, 86], "kl": [20.0, 22, 24]}
)
TESTED = HISTORY.assign(test_elbo=[-152.0, -121, -112], test_reconstruction=[131.0, 99, 88], test_kl=[21.0, 22, 24])
REALISM = pd.DataFrame(
    {
        "held_out": generator.random(23),
        "predicted": generator.integers(0, 10, 23),
        "log_prior": -generator.random(23),
        "typicality": generator.random(23),
    }
)
FRONTS = np.sort(generator.random((4, 9, 2)), axis=1) * [1, -1]
LEADS = np.sin(np.arange(1, 70).reshape(23, 3, 1) * np.linspace(0, 1, 1000))  # N L T

SPANS = ((0.0, 784.0), (0.5, 1.0))
FIGURES = {
    "training_curve": lambda ax=None: plots.training_curve(TESTED, ax=ax),
    "image_grid": lambda ax=None: plots.image_grid(GREY, 5, [f"{i}" for i in range(23)], ax=ax),
    "image_grid rgb": lambda ax=None: plots.image_grid(RGB, ax=ax),
    "reconstructions": lambda ax=None: plots.reconstructions(GREY, 1 - GREY, ax=ax),
    "image_table": lambda ax=None: plots.image_table(
        GREY[:6].reshape(2, 3, 1, 8, 8), ["a", "b"], ["x", "y", "z"], ax=ax
    ),
    "prior_samples": lambda ax=None: plots.prior_samples(torch.from_numpy(RGB), ax=ax),
    "fitness_curve": lambda ax=None: plots.fitness_curve(
        {"evolution": (EVALUATIONS, CLIMB), "random search": (EVALUATIONS, CLIMB / 2)},
        baselines=["random search"],
        ax=ax,
    ),
    "filmstrip": lambda ax=None: plots.filmstrip(
        GREY[:20].reshape(2, 10, 1, 8, 8), EVALUATIONS[:10], CLIMB[:2, :10], ax=ax
    ),
    "hall_of_fame": lambda ax=None: plots.hall_of_fame(RGB, GREY[:, 0, 0, :2], REALISM, ax=ax),
    "pareto_front": lambda ax=None: plots.pareto_front(
        {"random search": FRONTS / 2, "NSGA-II": FRONTS}, GREY[:9], FRONTS[0], "eightness", "realism", ax=ax
    ),
    "trend": lambda ax=None: plots.trend({"a": (EVALUATIONS, CLIMB)}, "x", "y", ax=ax),
    "latent_map": lambda ax=None: plots.latent_map(GREY[:, 0, 0, :2], GREY, np.arange(23) % 12, 4, ax),
    "latent_map rgb": lambda ax=None: plots.latent_map(GREY[:, 0, 0, :2], RGB, np.arange(23) % 12, 4, ax),
    "latent_scatter": lambda ax=None: plots.latent_scatter(GREY[:, 0, 0, :2], np.arange(23) % 12, ax),
    "phenotypes": lambda ax=None: plots.phenotypes(LEADS, 5, [f"{i}" for i in range(23)], ax=ax),
    "filmstrip of curves": lambda ax=None: plots.filmstrip(
        LEADS[:20].reshape(2, 10, 3, -1), EVALUATIONS[:10], CLIMB[:2, :10], ax=ax
    ),
    "hall_of_fame of curves": lambda ax=None: plots.hall_of_fame(LEADS[:, 0], GREY[:, 0, 0, :2], REALISM, ax=ax),
    "pareto_front of curves": lambda ax=None: plots.pareto_front(
        {"NSGA-II": FRONTS}, LEADS[:9], FRONTS[0], "rate", "height", ax=ax
    ),
    "archive_map": lambda ax=None: plots.archive_map(
        np.where(np.eye(4, 3) > 0, np.nan, 0.5), SPANS, ("boldness", "lightness"), "eightness", ax=ax
    ),
    "archive_map of one measure": lambda ax=None: plots.archive_map(
        np.arange(5.0)[:, None], SPANS[:1], ("boldness",), "eightness", differs=True, ax=ax
    ),
    "elite_map": lambda ax=None: plots.elite_map(
        GREY[:3], [[0, 0], [1, 1], [2, 1]], (3, 2), SPANS, ("loops", "lightness"), ticks=("012", ()), ax=ax
    ),
    "elite_map rgb": lambda ax=None: plots.elite_map(RGB[:2], [[0, 0], [2, 0]], (3, 1), SPANS[:1], ("loops",), ax=ax),
    "elite_map of curves": lambda ax=None: plots.elite_map(
        LEADS[:2], [[0, 0], [1, 1]], (2, 2), SPANS, ("rate", "height"), ax=ax
    ),
    "manifold": lambda ax=None: plots.manifold(GREY[:16].reshape(4, 4, 1, 8, 8), ax=ax),
}


def canvas(ax: Axes) -> np.ndarray:
    """The one picture on the Axes, as drawn."""
    (image,) = ax.images
    return np.asarray(image.get_array())


def texts(ax: Axes) -> list[str]:
    """What is written inside the Axes."""
    return [text.get_text() for text in ax.texts]


def ydata(line: Line2D) -> list[float]:
    """The heights of a line's points."""
    return np.asarray(line.get_ydata()).tolist()


def text_boxes(ax: Axes) -> list[Bbox]:
    """Where the texts inside the Axes come to lie on the figure."""
    figure = ax.figure
    assert isinstance(figure, Figure)
    figure.draw_without_rendering()
    return [text.get_window_extent() for text in ax.texts]


def cell(ax: Axes, row: int, column: int, size: int = 8, gap: int = 1) -> np.ndarray:
    """One image of an uncaptioned grid."""
    step = size + gap
    return canvas(ax)[row * step : row * step + size, column * step : column * step + size]


def as_drawn(image: np.ndarray) -> np.ndarray:
    """(C, H, W) in [0, 1] to (H, W, 3) in 0..255."""
    return np.broadcast_to(np.moveaxis((image * 255).round().astype(np.uint8), 0, -1), (*image.shape[1:], 3))


@pytest.mark.parametrize("figure", FIGURES.values(), ids=FIGURES)
def test_every_figure_draws_on_its_own_axes_or_on_those_given(figure):
    assert isinstance(figure(), Axes)
    ax = Figure(layout="constrained").add_subplot()
    assert figure(ax) is ax
    assert ax.images or ax.lines


@pytest.mark.parametrize("figure", FIGURES.values(), ids=FIGURES)
def test_the_same_data_gives_the_same_bytes(figure, tmp_path):
    plots.save(figure(), tmp_path / "a.png")
    plots.save(figure().figure, tmp_path / "b.png")
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


def test_a_saved_picture_carries_no_metadata_and_leaves_no_other_file(tmp_path):
    path = tmp_path / "grid.png"
    path.write_bytes(b"old")
    plots.save(plots.image_grid(GREY), path)
    with Image.open(path) as picture:
        assert set(picture.info) == {"dpi"}
    assert list(tmp_path.iterdir()) == [path]


def test_a_failed_save_keeps_the_old_picture(tmp_path, monkeypatch):
    path = tmp_path / "grid.png"
    path.write_bytes(b"old")

    def fail(_):
        raise OSError("disk full")

    monkeypatch.setattr("os.fsync", fail)
    with pytest.raises(OSError, match="disk full"):
        plots.save(plots.image_grid(GREY), path)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_realistic_figures_stay_below_300_kilobytes(tmp_path):
    smooth = np.random.default_rng(0).random((400, 1, 7, 7)).repeat(4, axis=2).repeat(4, axis=3)
    replicates = np.maximum.accumulate(np.random.default_rng(0).normal(size=(20, 1000)), axis=1)
    scattered = np.random.default_rng(0).normal(size=(20, 100, 2))
    figures = [
        plots.manifold(smooth.reshape(20, 20, 1, 28, 28)),
        plots.prior_samples(smooth),
        plots.fitness_curve({f"setting {i}": (np.arange(1000) * 100, replicates + i) for i in range(4)}),
        plots.pareto_front({"a": scattered, "random search": -scattered}, smooth[:10], scattered[0, :10], "x", "y"),
    ]
    for i, figure in enumerate(figures):
        plots.save(figure, tmp_path / f"{i}.png")
        assert (tmp_path / f"{i}.png").stat().st_size < 300_000


def test_drawing_and_saving_imports_neither_pyplot_nor_torch(tmp_path):
    program = f"""
import sys
import numpy as np
from evovae import plots
plots.save(plots.fitness_curve({{"evolution": ([1, 2], [[0, 1]])}}), {str(tmp_path / "a.png")!r})
plots.save(plots.image_grid(np.zeros((3, 1, 4, 4)), captions=["a", "b", "c"]), {str(tmp_path / "b.png")!r})
assert not {{"matplotlib.pyplot", "torch"}} & set(sys.modules)
"""
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)


def test_the_style_ends_with_the_figure():
    before = dict(matplotlib.rcParams)
    plots.fitness_curve({"evolution": (EVALUATIONS, CLIMB)})
    assert dict(matplotlib.rcParams) == before


def test_training_curve_draws_minus_elbo_and_its_terms_for_test_and_training():
    ax = plots.training_curve(TESTED)
    drawn = [ydata(line) for line in ax.lines]
    assert drawn == [
        [152, 121, 112], [150, 120, 110], [131, 99, 88], [130, 98, 86], [21, 22, 24], [20, 22, 24],
    ]  # fmt: skip
    bold, thin = ax.lines[0], ax.lines[1]
    assert bold.get_linewidth() > 2 * thin.get_linewidth()
    assert texts(ax) == ["KL  24.0", "reconstruction  88.0", "-ELBO  112.0"]
    assert ax.get_xlabel() == "epoch"
    assert ax.get_ylabel() == "nats per image"


def test_training_curve_without_test_and_with_a_single_epoch_shows_dots():
    ax = plots.training_curve(HISTORY.head(1))
    assert [line.get_marker() for line in ax.lines] == ["o"] * 3
    assert texts(ax) == ["KL  20.0", "reconstruction  130.0", "-ELBO  150.0"]


def test_training_curve_joins_over_epochs_where_the_test_set_was_not_measured():
    sparse = TESTED.copy()
    sparse.loc[1:, ["test_elbo", "test_reconstruction", "test_kl"]] = np.nan
    ax = plots.training_curve(sparse)
    assert ydata(ax.lines[0]) == [152]
    assert texts(ax)[-1] == "-ELBO  152.0"
    never = TESTED.assign(test_elbo=np.nan, test_reconstruction=np.nan, test_kl=np.nan)
    assert len(plots.training_curve(never).lines) == 3


@pytest.mark.parametrize("images", [GREY, torch.from_numpy(GREY), (GREY * 255).round().astype(np.uint8)])
def test_image_grid_shows_every_pixel_of_every_image(images):
    ax = plots.image_grid(images, columns=5)
    assert canvas(ax).shape == (5 * 9, 5 * 9, 3)
    for i in range(23):
        np.testing.assert_array_equal(cell(ax, *divmod(i, 5)), as_drawn(GREY[i]))
    assert (cell(ax, 4, 4) == 255).all()


def test_image_grid_keeps_colours_and_clips_to_the_range():
    ax = plots.image_grid(RGB * 3 - 1, columns=23)
    np.testing.assert_array_equal(canvas(ax)[:8, :6], as_drawn(np.clip(RGB[0] * 3 - 1, 0, 1)))


def test_captions_stand_under_their_images_and_never_touch():
    captions = [f"caption {i}\nof two lines, {i}" for i in range(23)]
    ax = plots.image_grid(GREY, 5, captions)
    assert texts(ax) == captions
    left = ax.images[0].get_extent()[0]
    assert left + 8 / 9 / 2 == pytest.approx(ax.texts[0].get_position()[0])
    boxes = text_boxes(ax)
    assert not any(a.overlaps(b) for i, a in enumerate(boxes) for b in boxes[:i])
    for i, box in enumerate(boxes):
        top, bottom = ax.transData.transform([(0, i // 5 + 8 / (canvas(ax).shape[0] / 5)), (0, i // 5 + 1)])[:, 1]
        assert bottom < box.y0 < box.y1 < top


@pytest.mark.parametrize("images", [np.zeros((3, 28, 28)), np.zeros((3, 2, 8, 8)), np.zeros((0, 1, 8, 8))])
def test_images_of_another_shape_are_refused(images):
    with pytest.raises(InputError, match=r"expected \(N, C, H, W\)"):
        plots.image_grid(images)


def test_captions_that_do_not_match_the_images_are_refused():
    with pytest.raises(InputError, match="2 captions for 23 images"):
        plots.image_grid(GREY, captions=["a", "b"])


def test_reconstructions_stand_below_their_originals():
    ax = plots.reconstructions(GREY, 1 - GREY)
    for i in range(23):
        row, column = divmod(i, 10)
        np.testing.assert_array_equal(cell(ax, 2 * row, column), as_drawn(GREY[i]))
        np.testing.assert_array_equal(cell(ax, 2 * row + 1, column), as_drawn(1 - GREY[i]))
    assert [label.get_text() for label in ax.get_yticklabels()] == ["original", "decoded"] * 3
    with pytest.raises(InputError, match="expected alike"):
        plots.reconstructions(GREY, GREY[:3])


def test_prior_samples_are_as_square_as_their_number_allows():
    assert canvas(plots.prior_samples(GREY)).shape == (5 * 9, 5 * 9, 3)
    assert canvas(plots.prior_samples(GREY[:1])).shape == (9, 9, 3)


def test_fitness_curve_draws_the_mean_inside_its_band_over_every_replicate():
    ax = plots.fitness_curve({"evolution": (EVALUATIONS, CLIMB)}, ylabel="eightness")
    *replicates, middle = ax.lines
    for line, values in zip(replicates, CLIMB, strict=True):
        np.testing.assert_array_equal(line.get_xydata(), np.column_stack([EVALUATIONS, values]))
    expected = mean_interval(CLIMB)
    np.testing.assert_allclose(middle.get_ydata(), expected.estimate, rtol=1e-12)
    (band,) = ax.collections
    edges = np.asarray(band.get_paths()[0].vertices)
    for x, low, y, high in zip(EVALUATIONS, expected.low, expected.estimate, expected.high, strict=True):
        edge = edges[edges[:, 0] == x, 1]
        assert [edge.min(), edge.max()] == pytest.approx([low, high])
        assert low <= y <= high
    assert texts(ax) == ["evolution"]
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("evaluations", "eightness")


def test_replicates_are_drawn_apart_only_when_few_and_wanted():
    many = np.repeat(CLIMB, 3, axis=0)
    assert len(plots.fitness_curve({"evolution": (EVALUATIONS, many)}).lines) == 1
    assert len(plots.fitness_curve({"evolution": (EVALUATIONS, CLIMB)}, individual=False).lines) == 1


def test_a_baseline_is_grey_wherever_it_stands_and_others_take_the_colours_in_order():
    curve, baseline = (EVALUATIONS, CLIMB), "a: what is known"
    curves = {baseline: curve, "random search": curve, "other": curve}
    ax = plots.fitness_curve(curves, individual=False, baselines=[baseline])
    colours = {line.get_label(): to_hex(line.get_color()).upper() for line in ax.lines}
    assert colours == {baseline: BASELINE, "random search": PALETTE[0], "other": PALETTE[1]}
    assert {text.get_text(): to_hex(text.get_color()).upper() for text in ax.texts} == colours


def test_labels_of_curves_that_end_together_stay_apart():
    curves = {f"setting {i}": (EVALUATIONS, CLIMB + i * 1e-4) for i in range(5)}
    ax = plots.fitness_curve(curves)
    boxes = text_boxes(ax)
    assert not any(a.overlaps(b) for i, a in enumerate(boxes) for b in boxes[:i])
    assert texts(ax) == list(curves)


def test_a_long_run_is_thinned_and_keeps_its_ends():
    values = np.arange(10_000.0)
    (line,) = plots.fitness_curve({"evolution": (values, values[None])}, individual=False).lines
    drawn = np.asarray(line.get_xdata())
    assert (len(drawn), drawn[0], drawn[-1]) == (400, 0, 9999)


@pytest.mark.parametrize("values", [[[1.0]], [[np.nan]], [[1.0], [np.nan]], [[1.0], [3.0], [2.0]]])
def test_a_single_generation_is_a_dot_whatever_its_fitness(values, tmp_path):
    ax = plots.fitness_curve({"evolution": ([200], values)})
    assert all(line.get_marker() == "o" for line in ax.lines)
    plots.save(ax, tmp_path / "a.png")


def test_nan_and_infinite_fitness_leave_a_gap(tmp_path):
    values = CLIMB.copy()
    values[0, 10] = np.nan
    values[1, -1] = -np.inf
    ax = plots.fitness_curve({"evolution": (EVALUATIONS, values)})
    assert np.isnan(ax.lines[-1].get_ydata()).sum() == 1
    plots.save(ax, tmp_path / "a.png")


@pytest.mark.parametrize("values", [CLIMB[0], CLIMB[:, 1:]])
def test_a_curve_that_does_not_fit_its_evaluations_is_refused_by_name(values):
    with pytest.raises(InputError, match="curve 'evolution'"):
        plots.fitness_curve({"evolution": (EVALUATIONS, values)})


def test_filmstrip_names_generations_replicates_and_fitness_of_the_first_five():
    images = np.broadcast_to(RGB[:7, None], (7, 3, 3, 8, 6))
    fitness = np.arange(21.0).reshape(7, 3)
    fitness[0, 0] = np.nan
    ax = plots.filmstrip(images, [0, 50, 100], fitness)
    assert texts(ax) == ["nan", *(f"{i}" for i in range(1, 15))]
    assert [label.get_text() for label in ax.get_xticklabels()] == ["0", "50", "100"]
    assert [label.get_text() for label in ax.get_yticklabels()] == [f"replicate {r}" for r in range(5)]
    np.testing.assert_array_equal(canvas(ax)[:8, :6], as_drawn(RGB[0]))


def test_filmstrip_of_one_replicate_and_one_generation():
    assert texts(plots.filmstrip(GREY[:1, None], [0], [[0.5]])) == ["0.5"]


def test_hall_of_fame_shows_fitness_and_realism_under_each_image():
    realism = pd.DataFrame(
        {
            "held_out": [0.97, np.nan],
            "predicted": [8, 3],
            "log_prior": [-1.4, -0.9],
            "typicality": [0.1, 0.25],
        }
    )
    ax = plots.hall_of_fame(GREY[:2], [0.98765, np.nan], realism)
    assert texts(ax) == ["0.9877\n8 @ 0.97 · -1.40 · 10%", "nan\n3 @ nan · -0.90 · 25%"]
    assert "held-out" in ax.get_title(loc="left")
    assert "typicality" in ax.get_title(loc="left")
    bare = plots.hall_of_fame(GREY[:2], [0.5, 0.6], realism[["log_prior"]])
    assert "typicality" not in bare.get_title(loc="left")
    several = plots.hall_of_fame(GREY[:2], [[1, 2], [3, 4]], realism)
    assert texts(several)[1].startswith("3, 4\n")


def test_fitness_is_never_shown_without_realism_for_each_image():
    with pytest.raises(ValueError, match="zip"):
        plots.hall_of_fame(GREY[:4], np.zeros(4), REALISM.head(2))


def test_phenotypes_that_are_images_are_drawn_as_such():
    for images in (GREY, RGB, torch.from_numpy(GREY)):
        captions = [f"{i}" for i in range(23)]
        ax, expected = plots.phenotypes(images, 7, captions), plots.image_grid(images, 7, captions)
        np.testing.assert_array_equal(canvas(ax), canvas(expected))
        assert texts(ax) == texts(expected)


def test_curves_lie_in_their_cells_one_below_the_other_and_on_one_scale():
    curves = np.array([[[0, 1], [2, 3]], [[4, 4], [8, 0]], [[0, 1], [2, 3]]])  # N L T
    ax = plots.phenotypes(curves, 2, ["a", "b", "c"])
    assert texts(ax) == ["a", "b", "c", "0 to\n8"]
    assert (ax.get_xlim(), ax.get_ylim()) == ((0, 2), (2, 0))
    drawn = np.array([line.get_xydata() for line in ax.lines]).reshape(3, 2, 2, 2)  # N L T xy
    for i, (column, row) in enumerate([(0, 0), (1, 0), (0, 1)]):
        assert (np.diff(drawn[i, ..., 0]) > 0).all()
        assert (np.floor(drawn[i, ..., 0]) == column).all()
        assert (np.floor(drawn[i, ..., 1]) == row).all()
        assert drawn[i, 0, :, 1].max() <= drawn[i, 1, :, 1].min()
        captions = [text for text in ax.texts if text.get_text() == "abc"[i]]
        assert row + 1 > captions[0].get_position()[1] > drawn[i, ..., 1].max()
    np.testing.assert_allclose(drawn[2], drawn[0] + [0, 1])
    (low, _), (_, high) = drawn[1, 1, :, 1][::-1], drawn[1, 1, :, 1][::-1]
    unit = (low - high) / 8
    np.testing.assert_allclose(np.diff(drawn[0, :, :, 1]), -unit)
    assert drawn[1, 0, 0, 1] == pytest.approx(drawn[0, 0, 0, 1] - 4 * unit), "the same scale for all"


def test_a_vector_is_one_curve_and_a_single_number_a_dot(tmp_path):
    one, same = plots.phenotypes(LEADS[:, 0]), plots.phenotypes(LEADS[:, :1])
    for line, other in zip(one.lines, same.lines, strict=True):
        np.testing.assert_array_equal(line.get_xydata(), other.get_xydata())
    ax = plots.phenotypes(np.arange(3.0)[:, None])
    assert [line.get_marker() for line in ax.lines] == ["o"] * 3
    plots.save(ax, tmp_path / "a.png")


def test_no_peak_of_a_long_curve_is_lost():
    curve = np.zeros(5003)
    curve[[0, 2777, 5002]] = 1, 2, -1
    (line,) = plots.phenotypes(curve[None]).lines
    heights = -np.array(ydata(line))
    assert len(heights) == 400
    rest = np.median(heights)
    assert heights.max() - rest == pytest.approx(2 * (heights[:2].max() - rest))
    assert rest - heights.min() == pytest.approx(heights[:2].max() - rest)
    assert heights[-2:].min() == heights.min()


@pytest.mark.parametrize("values", [[[0.0, np.nan, 1.0]], [[np.nan, np.inf]], [[2.0, 2.0]]])
def test_curves_have_gaps_where_they_are_not_finite_and_may_be_level(values, tmp_path):
    ax = plots.phenotypes(values)
    np.testing.assert_array_equal(np.isfinite(ydata(ax.lines[0])), np.isfinite(values[0]))
    plots.save(ax, tmp_path / "a.png")


@pytest.mark.parametrize("shape", [(3,), (0, 5), (3, 0), (3, 13, 9), (2, 2, 1, 8, 8)])
def test_phenotypes_that_are_neither_images_nor_curves_are_refused(shape):
    with pytest.raises(
        InputError, match=r"phenotypes of shape .*: expected images \(N, C, H, W\), vectors \(N, T\), or"
    ):
        plots.phenotypes(np.zeros(shape))
    with pytest.raises(InputError, match="1 captions for 2 phenotypes: expected one for each"):
        plots.phenotypes(np.zeros((2, 9)), captions=["a"])


def test_films_and_halls_of_curves_say_the_same_as_those_of_images():
    film, expected = FIGURES["filmstrip of curves"](), FIGURES["filmstrip"]()
    assert len(film.lines) == 60
    assert texts(film)[:-1] == texts(expected)
    assert [t.get_text() for t in film.get_yticklabels()] == [t.get_text() for t in expected.get_yticklabels()]
    assert film.get_xticks().tolist() == expected.get_xticks().tolist()
    hall, expected = FIGURES["hall_of_fame of curves"](), FIGURES["hall_of_fame"]()
    assert texts(hall)[:-1] == texts(expected)
    assert hall.get_title(loc="left") == expected.get_title(loc="left")


def test_manifold_keeps_rows_and_columns_without_gaps():
    decoded = RGB[:6].reshape(2, 3, 3, 8, 6)
    drawn = canvas(plots.manifold(decoded))
    assert drawn.shape == (16, 18, 3)
    np.testing.assert_array_equal(drawn[8:16, 12:18], as_drawn(decoded[1, 2]))


def test_pareto_front_draws_every_replicates_points_in_the_colour_of_their_label():
    short = FRONTS.copy()
    short[1, 5:] = np.nan
    fronts = {"a: random search": FRONTS / 2, "NSGA-II": short, "other": torch.from_numpy(FRONTS)}
    ax = plots.pareto_front(fronts, GREY[:9], FRONTS[0], "eightness", "realism", ["a: random search"])
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("eightness", "realism")
    clouds = {line.get_label(): line for line in ax.lines[:3]}
    for label, front in fronts.items():
        np.testing.assert_array_equal(clouds[label].get_xydata(), np.asarray(front).reshape(-1, 2))
        assert clouds[label].get_linestyle() == "None"
    colours = {label: to_hex(line.get_color()).upper() for label, line in clouds.items()}
    assert colours == {"a: random search": BASELINE, "NSGA-II": PALETTE[0], "other": PALETTE[1]}
    legend = ax.get_legend()
    assert legend is not None
    assert {text.get_text(): to_hex(text.get_color()).upper() for text in legend.get_texts()} == colours


def test_the_number_under_an_image_marks_its_place_on_the_front():
    ax = plots.pareto_front({"NSGA-II": FRONTS}, GREY[:9], FRONTS[2], "eightness", "realism")
    (strip,) = ax.child_axes
    for i in range(9):
        np.testing.assert_array_equal(cell(strip, 0, i), as_drawn(GREY[i]))
        (on_the_front,) = (text for text in ax.texts if text.get_text() == f"{i + 1}")
        (under_its_image,) = (text for text in strip.texts if text.get_text() == f"{i + 1}")
        assert on_the_front.xy == tuple(FRONTS[2, i])
        assert under_its_image.xy == (i + 0.5, 1)


@pytest.mark.parametrize("count", [1, 3, 10, 20])
def test_the_images_of_a_front_touch_neither_its_points_nor_its_legend(count):
    ax = plots.pareto_front({"NSGA-II": FRONTS}, GREY[:count], np.resize(FRONTS[0], (count, 2)), "x", "y")
    (strip,), legend = ax.child_axes, ax.get_legend()
    assert legend is not None
    text_boxes(ax)  # lays the figure out
    axes, words, pictures = (part.get_window_extent() for part in (ax, legend, strip))
    lowest = min(text.get_window_extent().y0 for text in strip.texts)
    assert axes.y1 <= words.y0 < words.y1 < lowest < words.y1 + 15 < pictures.y1
    assert axes.x0 == pytest.approx(pictures.x0)
    assert pictures.x1 <= axes.x1 + 1


def test_a_front_of_other_than_two_objectives_and_images_without_a_place_are_refused():
    with pytest.raises(InputError, match=r"front 'three' \(4, 9, 3\): expected \(R, K, 2\)"):
        plots.pareto_front({"three": np.zeros((4, 9, 3))}, GREY[:9], FRONTS[0], "x", "y")
    with pytest.raises(InputError, match=r"positions \(9, 2\) of 8 images: expected \(8, 2\)"):
        plots.pareto_front({"two": FRONTS}, GREY[:8], FRONTS[0], "x", "y")


def test_an_image_table_names_its_rows_and_columns():
    ax = plots.image_table(GREY[:6].reshape(2, 3, 1, 8, 8), ["a", "b"], ["x", "y", "z"])
    assert np.array_equal(canvas(ax), canvas(plots.image_grid(GREY[:6], 3)))
    assert [label.get_text() for label in ax.get_yticklabels()] == ["a", "b"]
    assert [label.get_text() for label in ax.get_xticklabels()] == ["x", "y", "z"]
    with pytest.raises(InputError, match="one for each"):
        plots.image_table(GREY[:6].reshape(2, 3, 1, 8, 8), ["a"])


def test_trend_draws_the_mean_its_band_and_ticks_where_it_was_measured():
    sizes, values = np.array([2, 8, 128]), generator.random((5, 3)) + 1
    ax = plots.trend({"a": (sizes, values), "b": (sizes, values * 2)}, "D", "error", "log", "log", baseline="b")
    assert (ax.get_xscale(), ax.get_yscale()) == ("log", "log")
    assert ax.get_xticks().tolist() == [2, 8, 128]
    assert [label.get_text() for label in ax.get_xticklabels()] == ["2", "8", "128"]
    first, second = ax.lines
    assert ydata(first) == mean_interval(values).estimate.tolist()
    assert (first.get_color(), second.get_color()) == (PALETTE[0], BASELINE)
    low = ax.collections[0].get_paths()[0].vertices[:, 1].min()
    assert low == mean_interval(values).low.min()
    assert texts(ax) == ["a", "b"]


def test_every_axis_says_what_it_shows():
    pair = pd.DataFrame(
        [{"kind": "a", "size": "b"} | {f"{m}{e}": 1.0 for m in ("cost", "gain") for e in ("", "_low", "_high")}]
    )
    drawn = {
        ("x", "y"): plots.trend({"a": (EVALUATIONS, CLIMB)}, "x", "y"),
        ("the cost", "the gain"): plots.trade_off(pair, {"cost": "the cost", "gain": "the gain"}, "kind", "size"),
        ("eightness", "realism"): FIGURES["pareto_front"](),
        ("evaluations", "fitness so far"): plots.fitness_curve({"a": (EVALUATIONS, CLIMB)}, "fitness so far"),
        ("epoch", "nats per image"): plots.training_curve(TESTED),
        ("individuals", "individuals a second"): plots.throughput({"a": ([10, 100], [5.0, 9.0])}),
        ("generation", ""): FIGURES["filmstrip"](),
    }
    for labels, ax in drawn.items():
        assert (ax.get_xlabel(), ax.get_ylabel()) == labels


def test_throughput_is_drawn_upwards_on_logarithmic_axes():
    ax = plots.throughput({"a": ([10, 100], [5.0, 9.0]), "most": ([10, 100], [50.0, 90.0])}, limit="most")
    assert (ax.get_xscale(), ax.get_yscale()) == ("log", "log")
    assert [line.get_xydata().tolist() for line in ax.lines] == [[[10, 5], [100, 9]], [[10, 50], [100, 90]]]
    assert ax.lines[1].get_color() == BASELINE


def test_trend_refuses_x_and_values_that_do_not_fit():
    with pytest.raises(InputError, match="curve 'a'"):
        plots.trend({"a": (np.arange(3), np.ones((2, 4)))}, "D", "error")


def colour(label: int) -> np.ndarray:
    """RGB in 0..255 of a class."""
    return 255 * np.array(to_rgb(CLASS_COLOURS[label % 10]))


def test_latent_map_shows_in_each_cell_the_image_nearest_to_its_middle_as_ink_of_its_class():
    points = [[0, 0], [0.9, 1.1], [4, 1], [3.1, 0.9], [0.5, 3.5]]  # in cells of 2 x 2
    ax = plots.latent_map(points, GREY[:5], [0, 1, 2, 13, 4], cells=2)
    drawn = canvas(ax)
    assert drawn.shape == (16, 16, 3)
    assert tuple(ax.images[0].get_extent()) == (0, 4, 0, 4)
    shown = {(1, 0): (1, 1), (1, 1): (3, 13), (0, 0): (4, 4)}  # by row from the top and column: image, label
    for (row, column), (image, label) in shown.items():
        found = drawn[8 * row : 8 * row + 8, 8 * column : 8 * column + 8]
        expected = 255 - np.moveaxis(GREY[image], 0, -1) * (255 - colour(label))
        np.testing.assert_allclose(found, expected, atol=1.5)  # two roundings
    assert (drawn[:8, 8:] == 255).all()


def test_latent_map_frames_coloured_images_and_keeps_their_shape():
    ax = plots.latent_map([[0, 0], [1, 1]], RGB[:2], [5, 6], cells=1)
    assert canvas(ax).shape == (8, 6, 3)
    ax = plots.latent_map([[0, 0], [6, 8]], RGB[:2], [5, 6], cells=2)
    left, right, bottom, top = ax.images[0].get_extent()
    assert (left, right, bottom, top) == (0, 6, 0, 8)
    lower = canvas(ax)[8:, :6]
    np.testing.assert_array_equal(lower[1:-1, 1:-1], as_drawn(RGB[0])[1:-1, 1:-1])
    np.testing.assert_allclose(lower[0], np.broadcast_to(colour(5), (6, 3)), atol=1)


def test_latent_map_of_images_in_one_place_or_on_one_line_shows_them():
    assert (canvas(plots.latent_map([[2, 3]] * 3, GREY[:3], [0, 1, 2])) < 255).any()
    assert canvas(plots.latent_map([[0, 3], [1, 3], [2, 3]], GREY[:3], [0, 1, 2], cells=3)).shape == (8, 24, 3)


def test_latent_scatter_draws_every_point_in_the_colour_of_its_class_with_its_number():
    points, labels = GREY[:, 0, 0, :2], np.arange(23) % 12
    ax = plots.latent_scatter(points, labels)
    assert [line.get_label() for line in ax.lines] == [f"{label}" for label in range(12)]
    for label, line in enumerate(ax.lines):
        np.testing.assert_array_equal(line.get_xydata(), points[labels == label])
        assert line.get_color() == CLASS_COLOURS[label % 10]


@pytest.mark.parametrize(
    ("points", "labels"),
    [
        (np.zeros((4, 3)), [0] * 4),
        (np.zeros((3, 2)), [0] * 4),
        (np.full((4, 2), np.nan), [0] * 4),
        (np.zeros((4, 2)), [0]),
    ],
)
def test_a_map_without_a_place_and_a_class_for_each_image_is_refused(points, labels):
    with pytest.raises(InputError, match=r"of 4 images: expected \(4, 2\)"):
        plots.latent_map(points, GREY[:4], labels)


def test_a_trade_off_has_a_point_and_its_intervals_for_each_row_and_a_legend_entry_for_each_setting():
    table = pd.DataFrame(
        {"who": ["a", "a", "b", "drawn"], "where": ["in", "out", "in", "in"], "x": [1.0, 2, 3, 4], "y": [4.0, 3, 2, 1]}
    )
    for name in ("x", "y"):
        table[f"{name}_low"], table[f"{name}_high"] = table[name] - 0.1, table[name] + 0.2
    ax = plots.trade_off(table, {"x": "cost", "y": "gain"}, "who", "where", baseline="drawn")
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("cost", "gain")
    drawn = [line for line in ax.lines if len(line.get_xdata())]
    along, upwards, points = drawn[::3], drawn[1::3], drawn[2::3]
    assert [(line.get_xdata()[0], line.get_ydata()[0]) for line in points] == [(1, 4), (2, 3), (3, 2), (4, 1)]
    assert [list(line.get_xdata()) for line in along] == table[["x_low", "x_high"]].to_numpy().tolist()
    assert [list(line.get_ydata()) for line in upwards] == table[["y_low", "y_high"]].to_numpy().tolist()
    assert [line.get_color() for line in points] == [PALETTE[0], PALETTE[0], PALETTE[1], BASELINE]
    assert points[0].get_marker() == points[2].get_marker() != points[1].get_marker()
    assert ax.get_legend_handles_labels()[1] == ["a", "b", "drawn", "in", "out"]


def test_panels_are_axes_of_one_figure_row_by_row():
    axes = plots.panels(3, 2, width=2, height=1)
    (figure,) = {ax.figure for ax in axes}
    assert tuple(figure.get_size_inches()) == (4, 2)
    figure.canvas.draw()
    places = [ax.get_position() for ax in axes]
    assert places[0].x0 < places[1].x0
    assert places[0].y0 == places[1].y0 > places[2].y0


def test_an_elite_lies_where_its_measures_are_with_the_second_upwards():
    ax = plots.elite_map(GREY[:2], [[2, 0], [0, 1]], (3, 2), SPANS, ("boldness", "lightness"))
    shown = canvas(ax)
    np.testing.assert_array_equal(shown[9:17, 18:26], as_drawn(GREY[0]))
    np.testing.assert_array_equal(shown[:8, :8], as_drawn(GREY[1]))
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("boldness", "lightness")


def test_a_map_of_an_archive_has_the_first_measure_to_the_right_and_leaves_empty_cells_out():
    values = np.array([[1.0, 2.0], [np.nan, 4.0], [5.0, 6.0]])
    ax = plots.archive_map(values, SPANS, ("boldness", "lightness"), "eightness")
    np.testing.assert_array_equal(np.ma.filled(ax.images[0].get_array(), np.nan), values.T)
    assert ax.images[0].origin == "lower"
    with refused("(3,)", "expected (A, B)"):
        plots.archive_map(values[:, 0], SPANS, ("boldness", "lightness"), "eightness")
    with refused("places (1, 2) of 2 images"):
        plots.elite_map(GREY[:2], [[0, 0]], (1, 1), SPANS, ("boldness", "lightness"))
