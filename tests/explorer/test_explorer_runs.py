"""Evolutions are watched while they are written, after they were stopped, and when their files are damaged."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import survive_faults
import torch
from events import PATIENCE
from refusals import refused

from evovae import runs
from evovae.base import LOCK, Interrupted, files
from evovae.data import DataConfig
from evovae.explorer import run_watcher
from evovae.explorer.run_watcher import Curve
from evovae.models import TrainConfig, VAEConfig
from evovae.runs import (
    CHECKPOINT,
    CONFIG,
    ENVIRONMENT,
    HISTORY,
    POPULATION,
    PREVIOUS,
    CheckpointConfig,
    Checkpoints,
    EvolutionResults,
    EvolveConfig,
    ProblemConfig,
    Run,
    recording,
)

GENERATIONS = 6


@pytest.fixture(scope="module")
def vae(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("model")
    survive_faults.write_images(folder / "images", np.random.default_rng(0))
    model, config = VAEConfig(latent_dim=3, hidden=(8,)), TrainConfig(epochs=1, batch_size=50, device="cpu")
    return runs.train(DataConfig(str(folder / "images")), model, config, folder / "vae").folder


def evolve(vae: Path, out: Path, objective: str = "ink", generations: int = GENERATIONS) -> Path:
    small = {"population": 10, "replicates": 2, "hall_of_fame": 2, "baselines": (), "device": "cpu"}
    named, config = ProblemConfig(vae=str(vae), objective=objective), EvolveConfig(generations=generations, **small)
    return runs.evolve_named(named, config, out, checkpoint=CheckpointConfig(checkpoint_every=1)).folder


@pytest.fixture(scope="module")
def finished(vae: Path) -> Path:
    """A finished run. Shared: look, do not write."""
    return evolve(vae, vae.parent / "runs" / "finished")


@pytest.fixture
def copied(finished: Path, tmp_path: Path) -> Path:
    """A finished run to write to."""
    return Path(shutil.copytree(finished, tmp_path / "run"))


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the files that are read from now on."""
    names: list[str] = []

    def counting(path: Path, *most: int) -> bytes:
        names.append(path.name)
        return read(path, *most)

    read = files.read_bytes
    monkeypatch.setattr(files, "read_bytes", counting)
    return names


@pytest.fixture
def at_checkpoint(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[int], None]], None]:
    """Do something after each checkpoint of a run, whose number it is told."""

    def set_action(action: Callable[[int], None]) -> None:
        seen = [0]

        def saving(self: Checkpoints) -> None:
            save(self)
            seen[0] += 1
            action(seen[0])

        monkeypatch.setattr(Checkpoints, "save", saving)

    save = Checkpoints.save
    return set_action


def set_status(run: Path, status: str) -> None:
    files.write_json(run / ENVIRONMENT, Run(run).environment | {"status": status})


def assert_nothing_yet(run: Path) -> None:
    found = run_watcher.describe(run)
    assert (found.generation, found.generations, found.replicates) == (0, GENERATIONS, 2)
    assert run_watcher.curves(run) == [Curve("best ink so far", False, [], [[], []])]
    assert run_watcher.frames(run) == []
    with refused(str(run)):
        run_watcher.frame(run, 0)


def test_a_finished_run_is_as_its_files_say(finished: Path) -> None:
    before = survive_faults.checksums(finished), sorted(os.listdir(finished))
    found = run_watcher.describe(finished)
    assert (found.status, found.objective, found.replicates) == ("finished", ("ink",), 2)
    assert (found.generation, found.generations) == (GENERATIONS, GENERATIONS)
    (curve,), history = run_watcher.curves(finished), EvolutionResults(Run(finished)).history("evolution")
    assert (curve.label, curve.minimise) == ("best ink so far", False)
    assert curve.generation == list(range(GENERATIONS + 1))
    for replicate, best in enumerate(curve.best):
        assert best == history.loc[history["replicate"] == replicate, "best"].tolist()
    assert run_watcher.frames(finished) == list(range(GENERATIONS + 1))
    population = EvolutionResults(Run(finished)).population()
    for index in range(GENERATIONS + 1):
        generation, genomes, fitness = run_watcher.frame(finished, index)
        assert generation == index
        assert torch.equal(genomes, population["frame_genomes"][:, index])
        assert torch.equal(fitness, population["frame_fitness"][:, index])
    for index in (-1, GENERATIONS + 1):
        with refused(f"no frame {index}", f"0 to {GENERATIONS}"):
            run_watcher.frame(finished, index)
    assert (survive_faults.checksums(finished), sorted(os.listdir(finished))) == before


def test_the_checkpoint_has_the_same_frames_as_the_population(finished: Path, copied: Path) -> None:
    (copied / POPULATION).unlink()
    assert run_watcher.frames(copied) == run_watcher.frames(finished)
    for one, other in zip(run_watcher.frame(copied, 2)[1:], run_watcher.frame(finished, 2)[1:], strict=True):
        assert torch.equal(one, other)


def test_several_objectives_grow_in_hypervolume(vae: Path, tmp_path: Path) -> None:
    run = evolve(vae, tmp_path / "run", "ink,symmetry")
    (curve,) = run_watcher.curves(run)
    assert (curve.label, curve.minimise) == ("hypervolume of ink, symmetry", False)
    assert run_watcher.describe(run).objective == ("ink", "symmetry")
    assert run_watcher.frame(run, 0).fitness.shape == (2, 2)
    for row in curve.best:
        known = [value for value in row if value is not None]
        assert len(known) == GENERATIONS + 1
        assert known == sorted(known)


def test_what_is_minimised_says_so(vae: Path, tmp_path: Path) -> None:
    (curve,) = run_watcher.curves(evolve(vae, tmp_path / "run", "target:test/0"))
    assert curve.minimise
    for row in curve.best:
        assert row == sorted(row, reverse=True)


def test_a_run_without_best_so_far_has_it_of_its_extremes(copied: Path) -> None:
    config = Run(copied).config
    for weight, column, expected in [(1.0, "max", [1.0, 1.0, 3.0]), (-1.0, "min", [-1.0, -4.0, -4.0])]:
        files.write_json(copied / CONFIG, config | {"weights": [weight]})
        rows = {"replicate": [0, 0, 0, 1, 1, 1], "generation": [0, 1, 2] * 2, "evaluations": [10, 20, 30] * 2}
        values = {"min": [-1.0, -4.0, 2.0] * 2, "max": [1.0, float("nan"), 3.0] * 2}
        Run(copied).write_table(HISTORY, pd.DataFrame(rows | values))
        assert run_watcher.curves(copied) == [Curve("best ink so far", column == "min", [0, 1, 2], [expected] * 2)]


def test_what_is_not_known_is_none(copied: Path) -> None:
    table = EvolutionResults(Run(copied)).history("evolution")
    table.loc[(table["replicate"] == 1) & (table["generation"] < 2), "best"] = float("nan")
    Run(copied).write_table(HISTORY, table)
    first, second = run_watcher.curves(copied)[0].best
    assert None not in first
    assert second[:2] == [None, None]
    assert None not in second[2:]


@pytest.mark.parametrize("length", [1, 499, 500, 501, 5003])
def test_a_long_curve_is_thinned_and_ends_where_the_run_does(length: int, copied: Path) -> None:
    rows = {name: np.tile(np.arange(length), 2) for name in ("generation", "evaluations", "best", "min", "max")}
    Run(copied).write_table(HISTORY, pd.DataFrame({"replicate": np.repeat([0, 1], length)} | rows))
    (curve,) = run_watcher.curves(copied)
    assert len(curve.generation) == min(length, run_watcher.POINTS)
    assert (curve.generation[0], curve.generation[-1]) == (0, length - 1)
    assert curve.best == [curve.generation, curve.generation]
    assert run_watcher.describe(copied).generation == length - 1


def test_a_run_is_watched_at_every_checkpoint(
    vae: Path, finished: Path, tmp_path: Path, at_checkpoint: Callable[[Callable[[int], None]], None]
) -> None:
    run, seen = tmp_path / "run", []

    def look(number: int) -> None:
        found = run_watcher.describe(run)
        seen.append((found.status, found.generation, run_watcher.frames(run)))
        (run / CHECKPOINT).rename(run / "hidden")  # as while the next is being written
        assert run_watcher.frames(run) == list(range(max(number - 1, 0)))
        (run / "hidden").rename(run / CHECKPOINT)

    at_checkpoint(look)
    evolve(vae, run)
    expected = [("running", number, list(range(number + 1))) for number in range(GENERATIONS + 1)]
    assert seen == [*expected, expected[-1]], "the last is written once more at the end"
    assert run_watcher.describe(run).status == "finished"
    assert run_watcher.curves(run) == run_watcher.curves(finished)


def test_a_run_that_was_stopped_shows_how_far_it_came(
    vae: Path, tmp_path: Path, at_checkpoint: Callable[[Callable[[int], None]], None]
) -> None:
    def stop(number: int) -> None:
        if number == 3:
            raise Interrupted(signal.SIGINT)

    at_checkpoint(stop)
    with pytest.raises(Interrupted):
        evolve(vae, tmp_path / "run")
    found = run_watcher.describe(tmp_path / "run")
    assert (found.status, found.generation) == ("stopped", 2)
    assert run_watcher.frames(tmp_path / "run") == [0, 1, 2]
    at_checkpoint(lambda number: None)
    runs.resume(tmp_path / "run")
    found = run_watcher.describe(tmp_path / "run")
    assert (found.status, found.generation) == ("finished", GENERATIONS)
    assert run_watcher.frames(tmp_path / "run") == list(range(GENERATIONS + 1))


@pytest.fixture
def elsewhere(vae: Path, tmp_path: Path) -> Iterator[tuple[Path, subprocess.Popen[bytes]]]:
    """A run that another process is writing, of far more generations than a test waits for."""
    out = tmp_path / "runs" / "long"
    command = f"evolve --vae {vae} --objective ink --population 10 --replicates 2 --generations 100000 --device cpu"
    command += f" --checkpoint-every 1 --out {out}"
    with subprocess.Popen(
        [sys.executable, "-m", "evovae", *command.split()], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        try:
            yield out, process
        finally:
            process.kill()


def test_another_process_is_watched_and_its_death_is_noticed(elsewhere: tuple[Path, subprocess.Popen[bytes]]) -> None:
    run, process = elsewhere
    root, end, reached = run.parent.parent, time.monotonic() + PATIENCE, 0
    while reached < 20:
        assert process.poll() is None
        assert time.monotonic() < end
        found = run_watcher.find_runs(root).get("runs~long")
        if found is None:
            continue
        assert found == run
        now = run_watcher.describe(run)
        assert now.generation >= reached
        assert now.status in ("running", "stopped")[: 1 + (now.generation == 0)]
        reached = now.generation
        if numbers := run_watcher.frames(run):
            assert numbers == sorted(set(numbers))
            assert run_watcher.frame(run, 0).genomes.shape == (2, 3)
    process.kill()
    process.wait()
    assert (run / LOCK).exists()
    assert Run(run).environment["status"] == "running"
    assert run_watcher.describe(run).status == "stopped"
    assert len(run_watcher.frames(run)) >= 19


def test_looking_never_keeps_a_writer_out(tmp_path: Path, finished: Path) -> None:
    """The status is told without touching the lock: a writer that begins at that moment is not turned away."""
    folder = tmp_path / "run"
    with recording(folder, "evolution", Run(finished).config):
        inode = (folder / LOCK).stat().st_ino
        before = sorted(os.listdir(f"/proc/{os.getpid()}/fd")), run_watcher.LOCKS.read_text().count(f":{inode} ")
        assert run_watcher.describe(folder).status == "running"
        assert before[1] == 1
        assert before == (
            sorted(os.listdir(f"/proc/{os.getpid()}/fd")),
            run_watcher.LOCKS.read_text().count(f":{inode} "),
        )
    assert not (folder / LOCK).exists()


@pytest.mark.parametrize(
    ("status", "lock", "expected"),
    [
        ("running", False, "stopped"),
        ("running", True, "stopped"),
        ("interrupted", False, "stopped"),
        ("failed", True, "stopped"),
        ("finished", False, "finished"),
        (None, False, "stopped"),
    ],
)
def test_status_of_what_nobody_holds(status: str | None, lock: bool, expected: str, copied: Path) -> None:
    set_status(copied, status or "")
    if status is None:
        (copied / ENVIRONMENT).write_text("{")
    if lock:
        (copied / LOCK).touch()
    assert run_watcher.describe(copied).status == expected


def test_without_a_list_of_locks_the_lock_file_tells(copied: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_watcher, "LOCKS", copied / "no list")
    set_status(copied, "running")
    assert run_watcher.describe(copied).status == "stopped"
    (copied / LOCK).touch()
    assert run_watcher.describe(copied).status == "running"


def test_polling_reads_nothing_again_that_has_not_changed(copied: Path, reads: list[str]) -> None:
    def poll() -> list[str]:
        reads.clear()
        for run in run_watcher.find_runs(copied.parent).values():
            run_watcher.describe(run)
            run_watcher.curves(run)
            for index in range(len(run_watcher.frames(run))):
                run_watcher.frame(run, index)
        return list(reads)

    assert {CONFIG, ENVIRONMENT, HISTORY, POPULATION} <= set(poll())
    assert poll() == []
    table = EvolutionResults(Run(copied)).history("evolution")
    Run(copied).write_table(HISTORY, table[table["generation"] < 3])
    assert HISTORY in (again := poll())
    assert POPULATION not in again
    assert poll() == []
    assert run_watcher.describe(copied).generation == 2
    for name in (HISTORY, POPULATION, CHECKPOINT):
        (copied / name).write_bytes(b"damaged")
    assert {HISTORY, POPULATION, CHECKPOINT} <= set(poll())
    assert poll() == [], "what is damaged is not read again and again"


def test_a_run_that_has_just_begun_has_nothing_yet(copied: Path) -> None:
    for path in copied.iterdir():
        if path.name != CONFIG:
            path.unlink() if path.is_file() else shutil.rmtree(path)
    assert_nothing_yet(copied)
    assert run_watcher.describe(copied).status == "stopped"


DAMAGES: dict[str, Callable[[bytes], bytes | None]] = {
    "missing": lambda content: None,
    "empty": lambda content: b"",
    "cut": lambda content: content[: len(content) // 2],
    "other": lambda content: b"\x00\xff" * 100,
    "json": lambda content: b'{"kind": "evolution"}',
    "flipped": lambda content: bytes([content[0] ^ 255]) + content[1:],
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged_files_are_nothing_yet(damage: str, copied: Path) -> None:
    for name in (HISTORY, ENVIRONMENT, POPULATION, CHECKPOINT):
        content = DAMAGES[damage]((copied / name).read_bytes())
        (copied / name).unlink()
        if content is not None:
            (copied / name).write_bytes(content)
    assert_nothing_yet(copied)


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_run_of_unreadable_settings_is_none(damage: str, copied: Path) -> None:
    content = DAMAGES[damage]((copied / CONFIG).read_bytes())
    (copied / CONFIG).unlink()
    if content is not None:
        (copied / CONFIG).write_bytes(content)
    assert run_watcher.find_runs(copied.parent) == {}
    for look in (run_watcher.describe, run_watcher.curves):
        with refused(CONFIG):
            look(copied)


def test_tables_and_frames_of_another_run_are_nothing_yet(copied: Path, vae: Path) -> None:
    files.write_json(copied / CONFIG, config := json.loads((copied / CONFIG).read_text()))
    config["evolution"]["replicates"] = 3
    files.write_json(copied / CONFIG, config)
    assert run_watcher.curves(copied)[0].best == [[], [], []]
    assert run_watcher.frames(copied) == []
    shutil.copy(vae / CHECKPOINT, copied / CHECKPOINT)
    assert run_watcher.frames(copied) == []


def test_genes_that_are_not_finite_are_not_shown(copied: Path) -> None:
    tensors, config = files.load_tensors(copied / CHECKPOINT, "checkpoint")
    tensors["evolution/frames/genomes"][0] = float("nan")
    files.save_tensors(copied / PREVIOUS, "checkpoint", tensors, config)
    for name in (POPULATION, CHECKPOINT):
        (copied / name).unlink()
    assert run_watcher.frames(copied) == []
    with refused(PREVIOUS, "not finite"):
        run_watcher.frame(copied, 0)


def test_runs_are_found_at_two_depths_and_behind_no_link(finished: Path, vae: Path, tmp_path: Path) -> None:
    root = tmp_path / "root"
    for name in ("b", "a/x", "a/y", "deep/er/run", "b/inner", "strange name/ü"):
        shutil.copytree(finished, root / name)
    shutil.copytree(vae, root / "vae")
    (root / "link").symlink_to(finished)
    (root / "folder").symlink_to(finished.parent)
    (root / "file").touch()
    (root / "a" / "file").touch()
    found = run_watcher.find_runs(root)
    assert list(found)[:3] == ["a~x", "a~y", "b"]
    assert [str(path.relative_to(root)) for path in found.values()] == ["a/x", "a/y", "b", "strange name/ü"]
    assert run_watcher.find_runs(root / "nowhere") == {}


def test_keys_are_safe_in_an_address_and_each_has_one_run(tmp_path: Path) -> None:
    names = ["a/b", "a~b", "~", "a b", "ü", "..x", "x" * 101, "a/" + "x" * 99, os.fsdecode(b"\xff"), "%2e", "line\n"]
    keys = [run_watcher.key_of(tmp_path / name, tmp_path) for name in names]
    assert len(set(keys)) == len(names)
    assert keys[0] == "a~b"
    for key in keys:
        assert len(key) <= 100
        assert set(key) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._~-")
