"""The command line, as a user types it."""

import contextlib
import gzip
import hashlib
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from events import PATIENCE
from PIL import Image

from evovae import cli
from evovae.base import InputError, files
from evovae.objectives.judges import training
from evovae.runs import EvolutionResults, Run
from evovae.runs.evolutions.evolution_figures import fitness_curves

pytestmark = pytest.mark.early

SMALL_TRAIN = ["--epochs", "2", "--train-images", "600", "--hidden", "64", "--latent-dim", "8", "--device", "cpu"]
SMALL_EVOLVE = [
    "--population",
    "12",
    "--generations",
    "4",
    "--replicates",
    "2",
    "--hall-of-fame",
    "3",
    "--device",
    "cpu",
]


def apart(*arguments: object, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run the program in a process of its own."""
    command = [sys.executable, "-W", "error", "-m", "evovae", *map(str, arguments)]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "COLUMNS": "200"}
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd, env=environment, check=False, timeout=300)


def evovae(*arguments: object) -> subprocess.CompletedProcess[str]:
    """Run the program here, which saves the seconds that imports take."""
    out, err, status = io.StringIO(), io.StringIO(), 0
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        patch.setattr(sys, "argv", ["evovae", *map(str, arguments)])
        patch.setenv("COLUMNS", "200")
        try:
            cli.main()
        except SystemExit as end:
            status = int(end.code or 0)
    return subprocess.CompletedProcess(sys.argv, status, out.getvalue(), err.getvalue())


def checked(*arguments: object, program: Callable = evovae) -> str:
    """Run the program, expect success, and return what it printed."""
    done = program(*arguments)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small VAE's run folder."""
    folder = tmp_path_factory.mktemp("runs") / "vae"
    checked("train", "--out", folder, *SMALL_TRAIN, program=apart)
    return folder


@pytest.fixture(scope="module")
def evolved(trained: Path) -> Path:
    """A small evolution's run folder."""
    folder = trained.parent / "eight"
    checked("evolve", "--vae", trained, "--objective", "digit:8", "--out", folder, *SMALL_EVOLVE, program=apart)
    return folder


def digests(folder: Path) -> dict[str, str]:
    """Checksums of every file of a run but the one that depends on the clock."""
    paths = [p for p in folder.rglob("*") if p.is_file() and p.name not in {"environment.json", "config.json"}]
    return {str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest() for p in paths}


def test_a_training_run_holds_what_it_promises(trained: Path) -> None:
    history = pd.read_csv(trained / "history.csv")
    assert list(history["epoch"]) == [1, 2]
    assert history["test_elbo"].is_monotonic_increasing
    np.testing.assert_allclose(history["elbo"], -(history["reconstruction"] + history["kl"]), rtol=1e-6)
    config = json.loads((trained / "config.json").read_text())
    assert config["data"]["dataset"] == "mnist"
    environment = json.loads((trained / "environment.json").read_text())
    assert (environment["device"], environment["seed"]) == ("cpu", 0)
    assert config["model"]["latent_dim"] == 8
    assert config["training"]["learning_rate"] == "auto", "defaults are kept too"
    assert {p.name for p in (trained / "figures").iterdir()} == {"training.png", "reconstructions.png", "samples.png"}


def test_an_evolution_holds_what_it_promises(evolved: Path) -> None:
    history = pd.read_csv(evolved / "history.csv")
    assert len(history) == 2 * 5
    assert list(history.columns[:4]) == ["replicate", "generation", "nevals", "evaluations"]
    assert (history.groupby("replicate")["nevals"].cumsum() == history["evaluations"]).all()
    tensors, _ = files.load_tensors(evolved / "population.safetensors", "population")
    assert tensors["genomes"].shape == (2, 12, 8)
    assert tensors["hall_genomes"].shape == (2, 3, 8)
    last = history[history["generation"] == 4]
    np.testing.assert_allclose(last["max"], tensors["fitness"].amax((1, 2)), rtol=1e-6)
    hall = pd.read_csv(evolved / "hall_of_fame.csv")
    assert set(hall["search"]) == {"evolution", "random search"}
    assert hall["held_out"].between(0, 1).all()
    assert hall[["pixel_typicality", "feature_typicality", "typicality"]].stack().between(0, 1).all()
    assert {p.name for p in (evolved / "figures").iterdir()} == {"fitness.png", "filmstrip.png", "hall_of_fame.png"}


def test_random_search_spends_what_evolution_spent(evolved: Path) -> None:
    spent, baseline = (pd.read_csv(evolved / name)["evaluations"].max() for name in ("history.csv", "baseline.csv"))
    assert spent == baseline


def test_the_same_seed_gives_the_same_files(trained: Path, evolved: Path, tmp_path: Path) -> None:
    checked("train", "--out", tmp_path / "vae", *SMALL_TRAIN)
    assert digests(tmp_path / "vae") == digests(trained)
    checked("evolve", "--vae", trained, "--objective", "digit:8", "--out", tmp_path / "eight", *SMALL_EVOLVE)
    assert digests(tmp_path / "eight") == digests(evolved)


def test_another_seed_gives_other_files(trained: Path, evolved: Path, tmp_path: Path) -> None:
    checked("evolve", "--vae", trained, "--out", tmp_path / "run", *SMALL_EVOLVE, "--seed", "1")
    ours, theirs = digests(tmp_path / "run"), digests(evolved)
    assert ours["history.csv"] != theirs["history.csv"]
    assert ours["population.safetensors"] != theirs["population.safetensors"]


def test_plot_draws_the_same_figures_again_without_the_vae_run(evolved: Path, tmp_path: Path) -> None:
    before = digests(evolved)
    for figure in (evolved / "figures").iterdir():
        figure.unlink()
    checked("plot", evolved)
    assert digests(evolved) == before


def test_plot_compares_runs_in_one_figure(trained: Path, evolved: Path, tmp_path: Path) -> None:
    checked("evolve", "--vae", trained, "--out", tmp_path / "other", *SMALL_EVOLVE, "--mate", "cxSlerp", "--baselines")
    printed = checked("plot", evolved, tmp_path / "other", "--out", tmp_path / "new" / "curves.png")
    assert str(tmp_path / "new" / "curves.png") in printed
    with Image.open(tmp_path / "new" / "curves.png") as picture:
        assert picture.format == "PNG"


def test_a_target_of_the_remembered_image_set(trained: Path, tmp_path: Path) -> None:
    checked("evolve", "--vae", trained, "--objective", "target:test/7", "--out", tmp_path / "one", *SMALL_EVOLVE)
    history = pd.read_csv(tmp_path / "one" / "history.csv")
    assert history["min"].between(0, 1).all()


def test_several_objectives_make_a_front_with_its_hypervolume(trained: Path, tmp_path: Path) -> None:
    run = tmp_path / "two"
    printed = checked("evolve", "--vae", trained, "--objective", "digit:3,digit:8", "--out", run, *SMALL_EVOLVE)
    assert "mean hypervolume" in printed
    history = pd.read_csv(run / "history.csv")
    assert {"max_digit:3", "max_digit:8", "front", "hypervolume"} <= set(history.columns)
    assert history["hypervolume"].gt(0).any()
    assert (history.groupby("replicate")["hypervolume"].diff().dropna() >= 0).all()
    tensors, settings = files.load_tensors(run / "population.safetensors", "population")
    hall = pd.read_csv(run / "hall_of_fame.csv").query("search == 'evolution' and replicate == 0")
    front = tensors["hall_fitness"][0, : len(hall)]
    assert (front.diff(dim=0)[:, 0] < 0).all(), "the best in the first objective comes first"
    assert (front.diff(dim=0)[:, 1] > 0).all(), "and gives way in the second"
    assert len(settings["reference"]) == 2
    assert {p.stem for p in (run / "figures").iterdir()} == {"front", "front_images", "hypervolume"}
    config = json.loads((run / "config.json").read_text())
    assert (config["evolution"]["algorithm"], config["evolution"]["select"]) == ("eaMuPlusLambda", "selNSGA2")
    three = checked(
        "evolve", "--vae", trained, "--objective", "ink,symmetry,digit:1", "--out", tmp_path / "three", *SMALL_EVOLVE
    )
    assert "hypervolume.png" in three
    assert "front.png" not in three


@pytest.mark.parametrize("algorithm", ["eaMuPlusLambda", "eaMuCommaLambda", "eaGenerateUpdate"])
def test_other_algorithms_and_the_gradient_go_the_whole_way(trained: Path, tmp_path: Path, algorithm: str) -> None:
    options = ["--algorithm", algorithm, "--baselines", "random-search", "gradient-ascent"]
    if algorithm != "eaGenerateUpdate":  # which has no crossover
        options += ["--mate", "cxSimulatedBinary"]
    printed = checked("evolve", "--vae", trained, "--out", tmp_path / "run", *SMALL_EVOLVE, *options)
    histories = [pd.read_csv(tmp_path / "run" / name) for name in ("history.csv", "baseline.csv", "gradient.csv")]
    spent = [history["evaluations"].max() for history in histories]
    assert len(set(spent)) == 1
    assert all(label in printed for label in ("evolution", "random search", "gradient ascent"))
    climbed = histories[2].groupby("replicate")["mean"]
    assert (climbed.last() > climbed.first()).all()


def test_runs_whose_hypervolumes_have_another_reference_share_no_axis(trained: Path, tmp_path: Path) -> None:
    front = ["evolve", "--objective", "ink,symmetry", *SMALL_EVOLVE, "--baselines"]
    checked(*front, "--vae", trained, "--out", tmp_path / "one")
    checked(*front, "--vae", trained, "--out", tmp_path / "two", "--seed", "1")
    checked("plot", tmp_path / "one", tmp_path / "two", "--out", tmp_path / "curves.png")
    checked("train", "--out", tmp_path / "vae", *SMALL_TRAIN, "--seed", "1")
    checked(*front, "--vae", tmp_path / "vae", "--out", tmp_path / "three")
    done = evovae("plot", tmp_path / "one", tmp_path / "three", "--out", tmp_path / "curves.png")
    assert done.returncode == 2
    assert "hypervolume reference" in done.stderr


def test_runs_in_a_deep_folder_leave_room_for_their_curves(trained: Path, tmp_path: Path) -> None:
    deep = tmp_path.joinpath(*["a-folder-with-a-long-name"] * 5)
    for name in ("one", "two"):
        checked("evolve", "--vae", trained, "--out", deep / name, *SMALL_EVOLVE)
    checked("plot", deep / "one", deep / "two", "--out", tmp_path / "curves.png")
    assert 0 < (tmp_path / "curves.png").stat().st_size < 300_000


def test_the_best_so_far_may_not_have_survived(trained: Path, tmp_path: Path) -> None:
    options = ["--algorithm", "eaMuPlusLambda", "--select", "selTournament", "--tournsize", "1", "--generations", "12"]
    checked("evolve", "--vae", trained, "--out", tmp_path / "run", *SMALL_EVOLVE, *options, "--baselines")
    history = pd.read_csv(tmp_path / "run" / "history.csv")
    hall = pd.read_csv(tmp_path / "run" / "hall_of_fame.csv").query("rank == 0")
    np.testing.assert_allclose(history.groupby("replicate")["best"].last(), hall["fitness"], rtol=1e-6)
    assert (history["best"] > history.groupby("replicate")["max"].cummax()).any()


def test_the_filmstrip_of_a_run_that_stopped_early_is_full(trained: Path, tmp_path: Path) -> None:
    options = ["--generations", "100000", "--stop-evaluations", "300", "--baselines"]
    checked("evolve", "--vae", trained, "--out", tmp_path / "run", *SMALL_EVOLVE, *options)
    last = pd.read_csv(tmp_path / "run" / "history.csv")["generation"].max()
    tensors, _ = files.load_tensors(tmp_path / "run" / "population.safetensors", "population")
    assert tensors["frame_generations"].tolist() == list(range(last + 1))


def test_a_run_made_before_the_best_so_far_was_recorded_can_be_drawn(evolved: Path, tmp_path: Path) -> None:
    shutil.copytree(evolved, tmp_path / "old")
    for name in ("history.csv", "baseline.csv"):
        pd.read_csv(evolved / name).drop(columns="best").to_csv(tmp_path / "old" / name, index=False)
    new, old = (fitness_curves(EvolutionResults(Run.open(folder))) for folder in (evolved, tmp_path / "old"))
    for label, (evaluations, best) in new.items():
        np.testing.assert_allclose(old[label][0], evaluations)
        np.testing.assert_allclose(old[label][1], best)


def test_a_run_that_stops_early_says_why(trained: Path, tmp_path: Path) -> None:
    options = ["--stop-evaluations", "20", "--baselines"]
    printed = checked("evolve", "--vae", trained, "--out", tmp_path / "run", *SMALL_EVOLVE, *options)
    assert "stopped early: every replicate has spent 20 evaluations" in printed
    assert pd.read_csv(tmp_path / "run" / "history.csv")["generation"].max() < 4
    assert not (tmp_path / "run" / "baseline.csv").exists()


def test_info_names_versions_image_sets_and_objectives() -> None:
    printed = checked("info")
    for word in ("torch", "fashion-mnist", "digit:K", "cpu"):
        assert word in printed


def write_idx(path: Path, array: np.ndarray) -> None:
    header = bytes([0, 0, 8, array.ndim]) + b"".join(n.to_bytes(4, "big") for n in array.shape)
    path.write_bytes(gzip.compress(header + array.tobytes()))


def test_a_folder_of_idx_files_goes_the_whole_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training, "MAX_STEPS", 60)  # two shapes are soon told apart
    folder = tmp_path / "shapes"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for split, n in (("train", 200), ("t10k", 40)):
        labels = rng.integers(0, 2, n).astype(np.uint8)
        images = np.zeros((n, 16, 16), np.uint8)
        images[labels == 0, 4:12, 7:9] = 200
        images[labels == 1, 7:9, 4:12] = 200
        write_idx(folder / f"{split}-images-idx3-ubyte.gz", images + rng.integers(0, 40, images.shape).astype(np.uint8))
        write_idx(folder / f"{split}-labels-idx1-ubyte.gz", labels)
    checked(
        "train", "--dataset", folder, "--out", tmp_path / "vae", "--epochs", "3", "--hidden", "32", "--latent-dim", "4"
    )
    checked("evolve", "--vae", tmp_path / "vae", "--objective", "digit:1", "--out", tmp_path / "run", *SMALL_EVOLVE)
    assert (tmp_path / "vae" / "judge.safetensors").is_file(), "judges of another image set are kept beside the VAE"
    assert pd.read_csv(tmp_path / "run" / "hall_of_fame.csv")["predicted"].eq(1).any()


def test_a_folder_of_pictures_goes_the_whole_way(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    (tmp_path / "pictures").mkdir()
    for i in range(30):
        Image.fromarray(rng.integers(0, 256, (20, 24, 3)).astype(np.uint8)).save(tmp_path / "pictures" / f"{i}.png")
    checked(
        *(
            "train",
            "--dataset",
            tmp_path / "pictures",
            "--image-size",
            "16",
            "--network",
            "conv",
            "--channels",
            "4",
            "8",
        ),
        *("--hidden", "16", "--latent-dim", "2", "--out", tmp_path / "vae", "--epochs", "1"),
    )
    assert (tmp_path / "vae" / "figures" / "manifold.png").is_file()
    checked("evolve", "--vae", tmp_path / "vae", "--objective", "ink", "--out", tmp_path / "run", *SMALL_EVOLVE)
    hall = pd.read_csv(tmp_path / "run" / "hall_of_fame.csv")
    assert "held_out" not in hall, "one class leaves nothing to judge"
    assert "typicality" not in hall, "among a handful of images nothing is typical"
    environment = json.loads((tmp_path / "run" / "environment.json").read_text())
    assert environment["not_measured"]["typicality"] == "fewer than 100 training or 20 test images"
    checked(
        *("evolve", "--vae", tmp_path / "vae" / "vae.safetensors", "--dataset", tmp_path / "pictures"),
        *("--objective", "target:test/1", "--out", tmp_path / "bare", *SMALL_EVOLVE),
    )


def test_an_interrupted_training_keeps_what_was_done(tmp_path: Path) -> None:
    out = tmp_path / "vae"
    command = [sys.executable, "-m", "evovae", "train", "--out", str(out), "--epochs", "1000", "--train-images", "600"]
    command += ["--checkpoint-every", "1"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=os.environ | {"OMP_NUM_THREADS": "1"})
    while not (out / "history.csv").exists():
        assert process.poll() is None
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=PATIENCE)
    assert process.returncode == 130
    assert "interrupted" in errors
    assert json.loads((out / "environment.json").read_text())["status"] == "interrupted"
    checked("evolve", "--vae", out, "--out", tmp_path / "run", *SMALL_EVOLVE)


def test_a_diverging_training_fails_and_keeps_the_last_finite_model(tmp_path: Path) -> None:
    done = evovae("train", "--out", tmp_path / "vae", *SMALL_TRAIN, "--learning-rate", "1e30")
    assert done.returncode == 1
    assert "training diverged in epoch 2" in done.stderr.splitlines()[-1]
    tensors, _ = files.load_tensors(tmp_path / "vae" / "vae.safetensors", "vae")
    assert all(tensor.isfinite().all() for tensor in tensors.values())


def test_help_comes_at_once_and_documents_every_option() -> None:
    for command in ("train", "evolve", "plot", "demo", "info"):
        printed = checked(command, "--help", program=apart)
        assert "usage: evovae" in printed
    options = [line for line in checked("evolve", "--help").splitlines() if line.lstrip("│ ").startswith("--")]
    assert len(options) > 15


def test_bad_input_is_the_same_in_a_process_of_its_own(tmp_path: Path) -> None:
    done = apart("train", "--out", "run", "--epochs", "0", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_parsing_raises_instead_of_printing() -> None:
    with pytest.raises(InputError):
        cli.parse(["train", "--out", "x", "--epochs", "0"])
    assert torch.get_num_threads() == 1


def test_fitness_that_is_never_finite_ends_in_a_run_without_a_best(trained: Path, tmp_path: Path) -> None:
    checked("evolve", "--vae", trained, "--objective", "1e308*boldness", "--out", tmp_path / "run", *SMALL_EVOLVE)
    history = pd.read_csv(tmp_path / "run" / "history.csv")
    assert (history["nonfinite"] == 12).all()
    assert pd.read_csv(tmp_path / "run" / "hall_of_fame.csv").empty


def test_runs_of_one_name_in_two_folders_are_two_curves(evolved: Path, tmp_path: Path) -> None:
    shutil.copytree(evolved, tmp_path / "eight")
    runs = [Run.open(evolved), Run.open(tmp_path / "eight")]
    labels = [label for run in runs for label in fitness_curves(EvolutionResults(run), prefix=f"{run.folder}: ")]
    assert len(set(labels)) == 4


def test_a_training_goes_on_for_more_epochs_as_if_they_had_been_asked_for(tmp_path: Path) -> None:
    """The learning rate rises and falls anew: what `restarts` says of a training from the beginning."""
    checked("train", "--out", tmp_path / "short", *SMALL_TRAIN)
    checked("resume", tmp_path / "short", "--epochs", "5")
    settings = json.loads((tmp_path / "short" / "config.json").read_text())["training"]
    assert (settings["epochs"], settings["restarts"]) == (5, [2])
    checked("train", "--out", tmp_path / "long", *SMALL_TRAIN, "--epochs", "5", "--restarts", "2")
    for name in ("history.csv", "vae.safetensors", "checkpoint.safetensors"):
        assert (tmp_path / "short" / name).read_bytes() == (tmp_path / "long" / name).read_bytes(), name
    done = evovae("resume", tmp_path / "short", "--epochs", "3")
    assert done.returncode == 2
    assert "epochs is 3: expected at least the 5" in done.stderr


def test_a_training_begins_with_a_trained_model_and_its_settings(tmp_path: Path) -> None:
    checked("train", "--out", tmp_path / "first", *SMALL_TRAIN, "--batch-size", "100")
    checked("train", "--from", tmp_path / "first", "--out", tmp_path / "second", "--epochs", "1", "--seed", "3")
    first, second = (json.loads((tmp_path / name / "config.json").read_text()) for name in ("first", "second"))
    assert second["model"] == first["model"]
    changed = {name for name, value in second["training"].items() if first["training"][name] != value}
    assert changed == {"epochs", "seed"}
    histories = [pd.read_csv(tmp_path / name / "history.csv") for name in ("first", "second")]
    assert histories[1].elbo[0] > histories[0].elbo[0] + 50, "it knew the digits from the beginning"
    done = evovae("train", "--from", tmp_path / "first", "--out", tmp_path / "third", "--latent-dim", "3")
    assert done.returncode == 2
    assert "latent dim is 3" in done.stderr
    assert not (tmp_path / "third").exists()


def test_a_model_that_learned_nothing_is_told_loudly(tmp_path: Path) -> None:
    done = evovae("train", "--out", tmp_path / "vae", *SMALL_TRAIN[2:], "--iterations", "1")
    assert "WARNING: it has learned nothing (test -ELBO" in done.stdout
    assert "the mean picture for all has 20" in done.stdout
    environment = json.loads((tmp_path / "vae" / "environment.json").read_text())
    assert len(environment["warnings"]) == 1
    assert 200 < environment["mean_picture"] < 215
    evolved = evovae("evolve", "--vae", tmp_path / "vae", "--out", tmp_path / "run", *SMALL_EVOLVE)
    assert "WARNING" in evolved.stderr + evolved.stdout
    assert "learned nothing" in evolved.stderr + evolved.stdout
