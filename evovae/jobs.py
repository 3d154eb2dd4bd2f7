"""The two long jobs, from settings to a finished run folder: training a VAE, and evolving in its latent space."""

from __future__ import annotations

import contextlib
import functools
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, cast

import pandas as pd
import torch
from deap import base

from evovae import evolution, files, objectives
from evovae.config import DataConfig, EvolveConfig, TrainConfig, VAEConfig
from evovae.data import ImageSet, load_images
from evovae.devices import resolve_device
from evovae.encodings import LatentEncoding
from evovae.errors import InputError
from evovae.judges import JudgeEpoch, Judges, judges_for
from evovae.likelihood import evaluate
from evovae.progress import track
from evovae.recipes import evolve_iter, make_archive, make_stopping, make_toolbox, settle
from evovae.runs import EXAMPLES, HISTORY, Run, check_out, recording
from evovae.searches import Search, reference_point, write_searches
from evovae.training import fit, iterations_in
from evovae.vae import FILE_NAME, VAE


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
    config = settle(config, objective, encoding)
    toolbox = make_toolbox(encoding, objective, config)
    settings: dict[str, Any] = {"vae": str(Path(vae_path).resolve()), "evolution": asdict(config)}
    settings |= {"data": asdict(_from_anywhere(data, images))}
    settings |= {"names": list(objective.names), "weights": list(objective.weights)}
    with recording(out, "evolution", settings, overwrite, {"device": str(device), "seed": config.seed}) as run:
        vae.save(run.folder / FILE_NAME)
        judges()
        several = len(objective.names) > 1
        reference = reference_point(toolbox, objective.weights, device) if several else None
        searches: dict[str, Search] = {}
        try:
            run.circumstances["stopped"] = _search(toolbox, config, objective, reference, searches)
        finally:
            done = {label: search for label, search in searches.items() if search.population is not None}
            if done:
                write_searches(run, done, encoding, judges())
    return run


def _search(
    toolbox: base.Toolbox,
    config: EvolveConfig,
    objective: objectives.Objective,
    reference: list[float] | None,
    searches: dict[str, Search],
) -> str | None:
    """Evolve, run the baselines, put each into `searches` as it begins, and return why evolution stopped early."""

    def begin(label: str) -> Search:
        searches[label] = Search(objective.names, make_archive(config, objective), reference)
        return searches[label]

    population = toolbox.population(n=config.population, replicates=config.replicates, seed=config.seed)
    search, stopping = begin("evolution"), make_stopping(config)
    generations = stopping(evolve_iter(population, toolbox, config, search.archive))
    search.follow(generations, "evolving", config.generations + 1)
    budget = search.evaluations
    for name in config.baselines:
        search = begin(name.replace("-", " "))
        baseline = evolution.random_search_iter if name == "random-search" else evolution.gradient_ascent_iter
        steps = baseline(population, toolbox, budget, halloffame=search.archive)
        search.follow(steps, name.replace("-", " "), -(-budget // config.population))
    return stopping.reason


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
