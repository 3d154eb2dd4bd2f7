"""The two long jobs, from settings to a finished run folder: training a VAE, and evolving in its latent space."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import pandas as pd
import torch
from deap import base
from torch import Tensor

from evovae import evolution, files, objectives
from evovae.config import DataConfig, EvolveConfig, TrainConfig, VAEConfig
from evovae.data import ImageSet, load_images
from evovae.devices import resolve_device
from evovae.encodings import LatentEncoding
from evovae.errors import InputError
from evovae.evolution import Generation, HallOfFame, Population
from evovae.judges import JudgeEpoch, Judges, judges_for
from evovae.likelihood import evaluate
from evovae.progress import track
from evovae.realism import realism
from evovae.runs import BASELINE, EXAMPLES, HALL_OF_FAME, HISTORY, POPULATION, Run, check_out, recording
from evovae.training import fit, iterations_in
from evovae.vae import FILE_NAME, VAE

FRAMES = 101
"""Moments at most whose best genomes are kept for the filmstrip."""


def train(data: DataConfig, model: VAEConfig, config: TrainConfig, out: str | Path, overwrite: bool = False) -> Run:
    """Train a VAE on an image set and record it in the run folder `out`; the model takes the shape of the images.

    Raises:
        InputError: if a setting, the image set or the folder cannot be used; nothing is written then.
        DivergenceError: if the loss stops being finite; the last finite model is kept.
    """
    check_out(out, "training", overwrite)
    device = resolve_device(config.device)
    images = load(data)
    model = replace(model, data_shape=images.shape)
    vae = VAE(model, seed=config.seed)
    records = fit(vae, images.train, config)
    settings = {"data": asdict(_from_anywhere(data, images)), "model": asdict(model), "training": asdict(config)}
    with recording(out, "training", settings, overwrite, {"device": str(device), "seed": config.seed}) as run:
        files.save_tensors(run.folder / EXAMPLES, "examples", {"images": images.test.images[:10]}, {})
        vae.save(run.folder / FILE_NAME)
        rows: list[dict[str, Any]] = []
        test = images.test.binarised(config.seed) if config.binarisation == "static" else images.test
        with track("training", iterations_in(config, len(images.train))) as advance:
            for record in records:
                found = evaluate(vae, test, config.binarisation, seed=config.seed)
                rows.append(
                    {"epoch": record.epoch, "elbo": record.elbo}
                    | {name: value for name, value in asdict(record).items() if name != "epoch"}
                    | {f"test_{name}": getattr(found, name) for name in ("elbo", "reconstruction", "kl")}
                    | {"active_units": found.active_units, "binarisation": found.binarisation}
                )
                run.write_table(HISTORY, pd.DataFrame(rows))
                vae.save(run.folder / FILE_NAME)
                advance(record.iterations, f"epoch {record.epoch}  test -ELBO {-found.elbo:.2f}")
    return run


def evolve(
    vae_path: str | Path,
    config: EvolveConfig,
    out: str | Path,
    dataset: str | None = None,
    data_dir: str | None = None,
    overwrite: bool = False,
) -> Run:
    """Evolve images in the latent space of a VAE and record it in the run folder `out`.

    The VAE's run folder remembers its image set; `dataset` and `data_dir` override it. Judges that do not ship with
    evovae are trained when first needed, and kept beside the VAE.

    Raises:
        InputError: if a setting, the VAE, the image set or the folder cannot be used; nothing is written then.
    """
    check_out(out, "evolution", overwrite)
    device = resolve_device(config.device)
    vae = VAE.load(vae_path).to(device)
    if len(vae.config.data_shape) != 3:
        raise InputError(f"{vae_path} decodes vectors of shape {vae.config.data_shape}: expected a VAE of images")
    data = choose_data(vae, vae_path, dataset, data_dir)
    images = load(data)
    if images.shape != vae.config.data_shape:
        raise InputError(f"{data.dataset} has images of shape {images.shape}: the VAE decodes {vae.config.data_shape}")
    # Found when the run begins: bad input must be refused before judges are trained and kept.
    judges = functools.cache(lambda: find_judges(images, vae_path, device))
    context = objectives.Context(images, lambda x: cast(Judges, judges()).judge(x))
    objective = objectives.parse(config.objective, context)
    encoding = LatentEncoding(vae, config.support)
    toolbox = make_toolbox(encoding, objective, config)
    if config.mate in ("cxOnePoint", "cxTwoPoint") and encoding.dim < 2:
        raise InputError(f"mate is {config.mate}: it needs 2 genes or more, and the VAE has {encoding.dim}")
    settings: dict[str, Any] = {"vae": str(Path(vae_path).resolve()), "evolution": asdict(config)}
    settings |= {"data": asdict(_from_anywhere(data, images))}
    settings |= {"names": list(objective.names), "weights": list(objective.weights)}
    with recording(out, "evolution", settings, overwrite, {"device": str(device), "seed": config.seed}) as run:
        vae.save(run.folder / FILE_NAME)
        judges()
        search, baseline = (Search(objective.names, config.hall_of_fame) for _ in range(2))
        try:
            _search(toolbox, config, search, baseline)
        finally:
            searches = {"evolution": search, "random search": baseline}
            done = {label: found for label, found in searches.items() if found.population is not None}
            if done:
                _write_evolution(run, done, encoding, judges())
    return run


def _search(toolbox: base.Toolbox, config: EvolveConfig, search: Search, baseline: Search) -> None:
    population = toolbox.population(n=config.population, replicates=config.replicates, seed=config.seed)
    steps = evolution.eaSimple_iter(
        population, toolbox, config.cxpb, config.mutpb, config.generations, search.hall_of_fame
    )
    search.follow(steps, "evolving", config.generations + 1)
    if config.baseline:
        budget = int(search.evaluations.max())
        steps = evolution.random_search_iter(population, toolbox, budget, baseline.hall_of_fame)
        baseline.follow(steps, "random search", -(-budget // config.population))


class Search:
    """What is kept of a search while it runs: history, hall of fame, the best of each moment, the last population."""

    def __init__(self, names: tuple[str, ...], size: int) -> None:
        self.names = names
        self.hall_of_fame = HallOfFame(size)
        self.rows: list[dict[str, np.ndarray]] = []
        self.frames: list[tuple[int, Tensor, Tensor]] = []
        self.population: Population | None = None
        self.evaluations = np.zeros(1, dtype=int)

    def follow(self, generations: Iterator[Generation], label: str, total: int) -> None:
        """Run the search to its end, showing progress."""
        frames = set(np.linspace(0, total - 1, min(FRAMES, total)).round().astype(int).tolist())
        with track(label, total) as advance:
            for generation in generations:
                statistics = generation.statistics()
                self.rows.append({"generation": np.full_like(statistics["nevals"], generation.gen)} | statistics)
                self.population, self.evaluations = generation.population, statistics["evaluations"]
                if generation.gen in frames:
                    best = generation.population.best()
                    self.frames.append((generation.gen, best.genomes[:, 0], best.fitness[:, 0]))
                advance(generation.gen + 1, f"best {self.hall_of_fame.fitness[:, 0, 0].nanmean():.4g}")

    def table(self) -> pd.DataFrame:
        """The history: one row per replicate and generation; with several objectives a column for each."""
        frames = []
        for row in self.rows:
            columns = {"replicate": np.arange(len(row["nevals"]))}
            for name, values in row.items():
                split = values.T if values.ndim == 2 else [values]
                suffixes = [f"_{objective}" for objective in self.names] if values.ndim == 2 else [""]
                columns |= {name + suffix: column for suffix, column in zip(suffixes, split, strict=True)}
            frames.append(pd.DataFrame(columns))
        return pd.concat(frames, ignore_index=True)


def make_toolbox(
    encoding: LatentEncoding, objective: objectives.Objective, config: EvolveConfig | None = None
) -> base.Toolbox:
    """Return the toolbox that `config` describes."""
    config = config or EvolveConfig()
    toolbox = evolution.toolbox(encoding, objective)
    parameters = {"cxBlend": {"alpha": config.alpha}, "cxUniform": {"indpb": config.swap}}.get(config.mate, {})
    toolbox.register("mate", getattr(evolution, config.mate), **parameters)
    toolbox.register("mutate", evolution.mutGaussian, mu=0.0, sigma=config.sigma, indpb=config.indpb)
    toolbox.register("select", evolution.selTournament, tournsize=config.tournsize)
    return toolbox


def load(data: DataConfig) -> ImageSet:
    """Load the image set that `data` describes."""
    return load_images(data.dataset, data.data_dir, data.image_size, data.grey)


def _from_anywhere(data: DataConfig, images: ImageSet) -> DataConfig:
    """Return `data` with absolute paths: a run is read from other folders, too."""
    return replace(data, dataset=images.name, data_dir=data.data_dir and str(Path(data.data_dir).resolve()))


def choose_data(vae: VAE, vae_path: str | Path, dataset: str | None, data_dir: str | None) -> DataConfig:
    """Return the image set `dataset`, brought to the shape that the VAE reads, or else the one its run remembers.

    Raises:
        InputError: if none is given, and `vae_path` is a bare file or its run folder remembers none.
    """
    if dataset is not None:
        channels, height, width = vae.config.data_shape
        return DataConfig(dataset, data_dir, height if height == width else None, grey=channels == 1)
    try:
        data = DataConfig(**Run.open(_folder_of(vae_path)).config["data"])
    except (InputError, KeyError, TypeError) as error:
        raise InputError(f"{vae_path} remembers no image set: give it with --dataset") from error
    return data if data_dir is None else replace(data, data_dir=data_dir)


def find_judges(images: ImageSet, vae_path: str | Path, device: torch.device) -> Judges | None:
    """Return the image set's judges, kept beside the VAE; None for images of one class, which need telling apart."""
    if len(images.classes) < 2:
        return None
    with contextlib.ExitStack() as stack:
        bar = functools.cache(lambda: stack.enter_context(track("training judges", 2)))  # only where there is need

        def report(role: str, epoch: JudgeEpoch) -> None:
            done = (role == "heldout") + epoch.epoch / epoch.epochs
            bar()(done, f"{role} accuracy {epoch.accuracy:.3f}")

        return judges_for(images, _folder_of(vae_path), device, report)


def _folder_of(vae_path: str | Path) -> Path:
    return Path(vae_path) if Path(vae_path).is_dir() else Path(vae_path).parent


def _write_evolution(run: Run, searches: dict[str, Search], encoding: LatentEncoding, judges: Judges | None) -> None:
    tensors: dict[str, Tensor] = {}
    halls = []
    for label, search in searches.items():
        prefix = "" if label == "evolution" else "baseline_"
        hall = search.hall_of_fame
        generations, genomes, fitness = zip(*search.frames, strict=True)
        tensors |= {
            f"{prefix}hall_genomes": hall.genomes,
            f"{prefix}hall_fitness": hall.fitness,
            f"{prefix}frame_generations": torch.tensor(generations),
            f"{prefix}frame_genomes": torch.stack(genomes, 1),  # R T D
            f"{prefix}frame_fitness": torch.stack(fitness, 1),  # R T M
        }
        halls.append(_hall_table(label, search, encoding, judges))
        run.write_table(BASELINE if prefix else HISTORY, search.table())
        if not prefix and search.population is not None:
            tensors |= {"genomes": search.population.genomes, "fitness": search.population.fitness}
    files.save_tensors(run.folder / POPULATION, "population", tensors, {})
    run.write_table(HALL_OF_FAME, pd.concat(halls, ignore_index=True))


def _hall_table(label: str, search: Search, encoding: LatentEncoding, judges: Judges | None) -> pd.DataFrame:
    genomes, fitness = search.hall_of_fame.genomes, search.hall_of_fame.fitness
    replicates, size = genomes.shape[:2]
    table = pd.DataFrame(
        {
            "search": label,
            "replicate": np.repeat(np.arange(replicates), size),
            "rank": np.tile(np.arange(size), replicates),
        }
    )
    names = search.names if len(search.names) > 1 else ("fitness",)
    table[list(names)] = fitness.flatten(0, 1).cpu().numpy()
    table = pd.concat([table, realism(encoding, genomes.flatten(0, 1), judges)], axis=1)
    return table[table[names[0]].notna()]  # a replicate may have met fewer individuals than the hall holds
