"""What is read back from run folders fits together, or is refused in one line that names the file."""

import json
import shutil
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from places import FORMATS
from refusals import refused

from evovae.analysis import plots
from evovae.base import files, shown, tables
from evovae.cli import report
from evovae.data import DataConfig
from evovae.runs import (
    EvolutionResults,
    EvolutionSettings,
    Run,
    TrainingSettings,
    figures,
    fitness_curves,
    read_examples,
)

GOLDEN = FORMATS / "format-1"


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    return Path(shutil.copytree(GOLDEN, tmp_path / "runs"))


def edit_json(path: Path, *keys: str | int, value: Any) -> None:
    content = json.loads(path.read_text())
    holder = content
    for key in keys[:-1]:
        holder = holder[key]
    holder[keys[-1]] = value
    path.write_text(json.dumps(content))


def edit_table(path: Path, change: Callable[[pd.DataFrame], pd.DataFrame]) -> None:
    change(pd.read_csv(path)).to_csv(path, index=False)


def edit_tensors(path: Path, config: dict[str, Any] | None = None, **changes: torch.Tensor | None) -> None:
    kind = path.stem
    tensors, before = files.load_tensors(path, kind)
    kept = {name: tensor for name, tensor in (tensors | changes).items() if tensor is not None}
    files.save_tensors(path, kind, kept, before if config is None else config)


def test_golden_runs_are_read(runs: Path) -> None:
    trained, eight, front = (Run.open(runs / name).settings for name in ("vae", "eight", "front"))
    assert isinstance(trained, TrainingSettings)
    assert isinstance(eight, EvolutionSettings)
    assert isinstance(front, EvolutionSettings)
    assert (trained.model.hidden, trained.training.learning_rate, trained.data.dataset) == ((8,), 0.016, "mnist")
    assert (eight.names, eight.weights, eight.evolution.replicates) == (("digit:8",), (1.0,), 2)
    assert EvolutionResults(Run(runs / "eight")).reference is None
    assert len(EvolutionResults(Run(runs / "front")).reference) == 2
    assert EvolutionResults(Run(runs / "eight")).population(D=4)["hall_genomes"].shape == (2, 2, 4)
    assert read_examples(Run(runs / "vae"), (1, 28, 28)).shape == (10, 1, 28, 28)


def test_histories_come_in_order_and_with_their_types(runs: Path) -> None:
    run = Run(runs / "eight")
    table = EvolutionResults(run).history("evolution")
    edit_table(run.folder / "history.csv", lambda table: table.sample(frac=1, random_state=0))
    pd.testing.assert_frame_equal(EvolutionResults(run).history("evolution"), table)
    assert {name: table[name].dtype.kind for name in ("replicate", "evaluations", "max")} == {
        "replicate": "i", "evaluations": "i", "max": "f",
    }  # fmt: skip


@pytest.mark.parametrize(("weight", "expected"), [(1.0, [3.0, 3.0, 7.0]), (-1.0, [3.0, 2.0, 2.0])])
def test_a_curve_is_of_the_best_so_far_in_a_history_older_than_it(runs: Path, weight: float, expected: list) -> None:
    run = Run(runs / "eight")
    edit_json(run.folder / "config.json", "weights", value=[weight])
    found = [3.0, 2.0, 7.0]

    def older(table: pd.DataFrame) -> pd.DataFrame:
        table = table[table["generation"] < 3].sort_values(["replicate", "generation"])
        return table.drop(columns="best", errors="ignore").assign(min=found * 2, max=found * 2)

    edit_table(run.folder / "history.csv", older)
    assert EvolutionResults(run).curve("evolution").values.tolist() == [expected] * 2


@pytest.mark.parametrize("replicates", [1, 3, 2**62])
def test_a_history_of_other_replicates_than_the_settings_has_no_curve(runs: Path, replicates: int) -> None:
    edit_json(runs / "eight" / "config.json", "evolution", "replicates", value=replicates)
    with refused("history.csv", "other replicates"):
        EvolutionResults(Run(runs / "eight")).curve("evolution")


def test_members_are_those_of_the_table(runs: Path) -> None:
    run = Run(runs / "eight")
    found, hall = EvolutionResults(run).population(D=4), EvolutionResults(run).hall
    rows = hall[hall["search"] == "evolution"]
    _, fitness = EvolutionResults(run).members(found, rows)
    assert fitness[:, 0].tolist() == pytest.approx(rows["fitness"].to_list(), rel=1e-6)


CONFIGURATIONS: list[tuple[str, tuple[str | int, ...], Any, str]] = [
    ("vae", ("colour",), "red", "'colour' is no setting"),
    ("vae", ("model", "latent_dim"), "4", "latent dim is '4'"),
    ("vae", ("model", "hidden"), [1] * 200_000, "hidden has 200000"),
    ("vae", ("model",), None, "None stands where VAEConfig"),
    ("vae", ("training", "learning_rate"), float("nan"), "learning rate"),
    ("vae", ("training", "learning_rate"), 10**400, "learning rate"),
    ("vae", ("data", "dataset"), 7, "dataset is 7"),
    ("vae", ("data", "grey"), 1, "grey is 1"),
    ("eight", ("evolution", "support"), "torus", "support is 'torus'"),
    ("eight", ("evolution", "support"), ["ball"], "support is ('ball',)"),
    ("eight", ("evolution", "replicates"), True, "replicates is True"),
    ("eight", ("evolution", "baselines"), "random-search", "baselines is 'random-search'"),
    ("eight", ("names",), [], "names is ()"),
    ("eight", ("names",), ["a\nb"], "names has"),
    ("eight", ("names",), [""], "names has"),
    ("eight", ("classes",), ["\ud800"], "classes has"),
    ("vae", ("classes",), ["a", "\x1b[2J"], "classes has"),
    ("vae", ("classes",), "ab", "classes is 'ab'"),
    ("eight", ("names",), "ink", "names is 'ink'"),
    ("eight", ("weights",), [0.0], "weights is (0.0,)"),
    ("eight", ("weights",), [1.0, 1.0], "weights is"),
    ("eight", ("weights",), [float("nan")], "weights is"),
    ("eight", ("weights",), [10**400], "weights is"),
    ("eight", ("weights",), ["1"], "weights is"),
    ("eight", ("vae",), 3, "vae is 3"),
]


@pytest.mark.parametrize(("name", "keys", "value", "word"), CONFIGURATIONS, ids=lambda given: shown(given))
def test_settings_that_do_not_fit_are_refused(runs: Path, name: str, keys: tuple, value: Any, word: str) -> None:
    edit_json(runs / name / "config.json", *keys, value=value)
    with refused(str(runs / name / "config.json"), word):
        _ = Run.open(runs / name).settings
    with refused(str(runs / name / "config.json"), word):
        figures.draw(Run.open(runs / name))


@pytest.mark.parametrize(
    ("names", "grey"), [(["eight"], ["random search"]), (["eight", "again"], ["eight: random search"])]
)
def test_of_the_searches_in_a_figure_random_search_alone_is_grey(
    runs: Path, monkeypatch: pytest.MonkeyPatch, names: list[str], grey: list[str]
) -> None:
    shutil.copytree(runs / "eight", runs / "again")
    (runs / "again" / "baseline.csv").unlink()
    drawn: list[Any] = []
    monkeypatch.setattr(plots, "save", lambda axes, path: drawn.append(axes))
    figures.compare([Run.open(runs / name) for name in names], runs / "curves.png")
    lines = {line.get_label(): line.get_color() for line in drawn[0].lines if not line.get_label().startswith("_")}
    assert [label for label, colour in lines.items() if colour == plots.BASELINE] == grey
    assert {label.rpartition(": ")[2] for label in lines} == {"evolution", "random search", "gradient ascent"}


@pytest.mark.parametrize("missing", ["names", "weights", "evolution"])
def test_settings_that_cannot_be_guessed_are_missed(runs: Path, missing: str) -> None:
    path = runs / "eight" / "config.json"
    content = json.loads(path.read_text())
    del content[missing]
    path.write_text(json.dumps(content))
    with refused(str(path), f"{missing} is missing"):
        fitness_curves(EvolutionResults(Run.open(runs / "eight")))


def test_a_setting_that_is_younger_than_the_run_takes_its_default(runs: Path) -> None:
    path = runs / "eight" / "config.json"
    content = json.loads(path.read_text())
    del content["evolution"]["stop_stagnation"], content["data"]["grey"]
    path.write_text(json.dumps(content))
    settings = Run.open(runs / "eight").settings
    assert isinstance(settings, EvolutionSettings)
    assert settings.evolution.stop_stagnation is None
    assert settings.data == DataConfig("mnist")


TABLES: list[tuple[str, str, Callable[[pd.DataFrame], pd.DataFrame], str]] = [
    ("vae", "history.csv", lambda table: table.drop(columns="kl"), "no column kl"),
    ("vae", "history.csv", lambda table: table.drop(columns="test_kl"), "no column test_kl"),
    ("vae", "history.csv", lambda table: table.assign(elbo="good"), "good"),
    ("vae", "history.csv", lambda table: table.assign(elbo=float("nan")), "without numbers"),
    ("vae", "history.csv", lambda table: table.assign(test_kl=1e300), "beyond 1e+150"),
    ("vae", "history.csv", lambda table: table.assign(elbo=float("-inf")), "beyond 1e+150"),
    ("vae", "history.csv", lambda table: table.head(0), "without numbers"),
    ("eight", "history.csv", lambda table: table.head(0), "one row for each"),
    ("eight", "history.csv", lambda table: table.head(-1), "one row for each"),
    ("eight", "history.csv", lambda table: pd.concat([table, table.tail(1)]), "one row for each"),
    ("eight", "history.csv", lambda table: pd.concat([table.head(-1), table.head(1)]), "one row for each"),
    ("eight", "history.csv", lambda table: table.assign(generation=0), "one row for each"),
    ("eight", "history.csv", lambda table: table.assign(replicate=0.5), "cannot be read"),
    ("eight", "history.csv", lambda table: table.drop(columns="evaluations"), "no column evaluations"),
    ("eight", "history.csv", lambda table: table.drop(columns="max"), "no column max"),
    ("eight", "baseline.csv", lambda table: table.assign(best="high"), "high"),
    ("front", "history.csv", lambda table: table.drop(columns="hypervolume"), "no column hypervolume"),
    ("eight", "hall_of_fame.csv", lambda table: table.assign(search="luck"), "unknown search"),
    ("eight", "hall_of_fame.csv", lambda table: table.assign(replicate=2), "unknown replicate"),
    ("eight", "hall_of_fame.csv", lambda table: table.assign(rank=-1), "unknown replicate or rank"),
    ("eight", "hall_of_fame.csv", lambda table: table.assign(predicted="eight"), "eight"),
    ("eight", "hall_of_fame.csv", lambda table: table.drop(columns="predicted"), "without predicted"),
    ("eight", "hall_of_fame.csv", lambda table: table.drop(columns="fitness"), "no column fitness"),
    ("eight", "hall_of_fame.csv", lambda table: table.drop(columns="log_prior"), "no column log_prior"),
    ("front", "hall_of_fame.csv", lambda table: table.drop(columns="symmetry"), "no column symmetry"),
]


@pytest.mark.parametrize(("name", "table", "change", "word"), TABLES)
def test_tables_that_do_not_fit_are_refused(runs: Path, name: str, table: str, change: Any, word: str) -> None:
    edit_table(runs / name / table, change)
    with refused(str(runs / name / table), word):
        figures.draw(Run.open(runs / name))
    if name != "vae":
        with refused(str(runs / name / table), word):
            report.summarise_evolution(EvolutionResults(Run.open(runs / name)))


@pytest.mark.parametrize("rank", [2, 10**6])
def test_images_of_the_table_that_the_population_has_not_are_refused(runs: Path, rank: int) -> None:
    run = Run(runs / "eight")
    rows = EvolutionResults(run).hall.head(1).assign(rank=rank)
    with refused("hall_of_fame.csv", "population.safetensors", "do not belong together"):
        EvolutionResults(run).members(EvolutionResults(run).population(D=4), rows)


TENSORS: list[tuple[str, dict[str, torch.Tensor | None], str]] = [
    ("hall_genomes", {"hall_genomes": None}, "no hall_genomes"),
    ("other genes", {"hall_genomes": torch.zeros(2, 2, 5)}, "D = 4"),
    ("other replicates", {"hall_genomes": torch.zeros(3, 2, 4)}, "R = 2"),
    ("other objectives", {"hall_fitness": torch.zeros(2, 2, 2)}, "M = 1"),
    ("other kind", {"hall_genomes": torch.zeros(2, 2, 4, dtype=torch.float64)}, "float64"),
    ("other frames", {"frame_generations": torch.arange(3)}, "T = 3"),
    ("no frames", {"frame_generations": torch.arange(0)}, "shape (0,)"),
    ("baseline", {"baseline_hall_fitness": None}, "no baseline_hall_fitness"),
    ("not finite", {"hall_genomes": torch.full((2, 2, 4), float("nan"))}, "not finite"),
    ("no fitness", {"hall_fitness": torch.full((2, 2, 1), float("nan"))}, "do not belong together"),
]


@pytest.mark.parametrize(("changes", "word"), [case[1:] for case in TENSORS], ids=[case[0] for case in TENSORS])
def test_populations_that_do_not_fit_are_refused(runs: Path, changes: dict[str, Any], word: str) -> None:
    edit_tensors(runs / "eight" / "population.safetensors", **changes)
    with refused("population.safetensors", word):
        figures.draw(Run.open(runs / "eight"))


@pytest.mark.parametrize("reference", [None, [0.1], [0.1, "a"], [0.1, float("inf")], {"a": 1}, 7])
def test_a_hypervolume_reference_that_does_not_fit_is_refused(runs: Path, reference: Any) -> None:
    edit_tensors(runs / "front" / "population.safetensors", {"reference": reference})
    with refused("population.safetensors", "reference"):
        figures.compare([Run.open(runs / "front")], runs / "curves.png")
    assert not (runs / "curves.png").exists()


@pytest.mark.parametrize(
    "images",
    [None, torch.zeros(10, 1, 28, 28), torch.zeros(10, 28, 28).byte(), torch.zeros(0, 1, 28, 28).byte()],
    ids=["missing", "floats", "three", "none"],
)
def test_examples_that_do_not_fit_are_refused(runs: Path, images: torch.Tensor | None) -> None:
    edit_tensors(runs / "vae" / "examples.safetensors", images=images)
    with refused("examples.safetensors", "images"):
        figures.draw(Run.open(runs / "vae"))


@pytest.mark.parametrize("dataset", ["other", "a\nb"])
def test_runs_that_have_no_common_axis_are_refused_in_one_line(runs: Path, dataset: str) -> None:
    shutil.copytree(runs / "eight", runs / "other")
    edit_json(runs / "other" / "config.json", "data", "dataset", value=dataset)
    with refused(str(runs / "other"), "image set", repr(dataset)):
        figures.compare([Run.open(runs / "eight"), Run.open(runs / "other")], runs / "curves.png")


def test_what_a_configuration_claims_to_be_is_shown_in_one_line(runs: Path) -> None:
    path = runs / "eight" / "config.json"
    edit_json(path, "format", value="2\n" * 1000)
    with refused(str(runs / "eight"), "has format"):
        Run.open(runs / "eight")
    edit_json(path, "kind", value="a\nb")
    with refused(str(path), "no kind of run"):
        Run.open(runs / "eight")
    with refused("'a\\nb'"):
        _ = Run(runs / "eight").settings


def test_a_cell_has_no_settings_of_ours(runs: Path) -> None:
    edit_json(runs / "eight" / "config.json", "kind", value="cell")
    with refused(str(runs / "eight"), "'cell'"):
        _ = Run.open(runs / "eight").settings


# Tables


@pytest.mark.parametrize(
    ("content", "word"),
    [
        ("", "no table"),
        ("a,b\n1,2,3\n", "cannot be read"),
        ("a,b\n1,2\n1,2,3\n", "cannot be read"),
        ('"a,b\n1,2\n', "no table"),
        ("\x80,b\n1,2\n", "no column a"),
        ("\na,b\n1,2\n", "no table"),
        ("a,b,c,d\n1\n1\n1\n1\n", "no table"),
        ("a,b\r1,2\r", "no table"),
        ("a,b\n1,9" + "9" * 150 + "\n", "beyond"),
        ("n\n9223372036854775808\n", "cannot be read"),
        ("n\n1.5\n", "cannot be read"),
        ("n\n \n", "cannot be read"),
        ("b\n1\n", "no column a"),
    ],
)
def test_what_is_no_table_of_ours_is_refused(tmp_path: Path, content: str, word: str) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(content.encode())
    with refused(str(path), word):
        tables.read_table(path, {"n": int}, ("a",))


def test_lines_longer_than_the_first_are_refused_whatever_becomes_of_warnings(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("a,b\n1,2,3\n")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with refused("t.csv", "cannot be read"):
            tables.read_table(tmp_path / "t.csv", {})


def test_names_stay_what_they_are(tmp_path: Path) -> None:
    names = ["nan", "NA", "", "None", "a,b", 'say "a"', "猫", "7", "1e3", " a ", "$5", "NULL"]
    written = pd.DataFrame({"word": names, 'class:"a", b': range(len(names)), "x": [1.5, np.nan] * 6})
    (tmp_path / "t.csv").write_bytes(tables.format_table(written))
    read = tables.read_table(tmp_path / "t.csv", {"word": str}, ('class:"a", b',))
    assert read["word"].to_list() == names
    pd.testing.assert_frame_equal(read, written, check_dtype=False)


def test_columns_have_the_types_that_they_are_given(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("n,word,x\n1,7,2\n2,a,\n")
    table = tables.read_table(tmp_path / "t.csv", {"n": int, "word": str}, ("n",))
    assert table["n"].dtype == int
    assert table["x"].dtype == float
    assert table["word"].to_list() == ["7", "a"]
