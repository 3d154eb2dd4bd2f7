"""Problems that a command names: built from what it says, recorded, and built again to resume."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from evovae import objectives
from evovae.base import InputError, make_generator, resolve_device, say
from evovae.data import DataConfig, ImageSet
from evovae.encodings import CPPNEncoding, Encoding, LatentEncoding, PCAEncoding, PixelEncoding, load_generator
from evovae.models import VAE_FILE
from evovae.objectives import JudgeStore, Realism
from evovae.runs import genomes
from evovae.runs.config import CheckpointConfig, EvolveConfig, ProblemConfig
from evovae.runs.evolutions.builders import require_use_of_genomes
from evovae.runs.evolutions.evolution import EvolutionPlan
from evovae.runs.folders.folder import Run
from evovae.runs.folders.writers import check_out
from evovae.runs.illuminations.illumination import IlluminationPlan
from evovae.runs.illuminations.illumination_config import IlluminateConfig
from evovae.runs.plans import PLANS
from evovae.runs.problems.inputs import (
    choose_images,
    faults_of,
    folder_of,
    from_anywhere,
    load,
    load_again,
    load_vae,
    tell,
)
from evovae.runs.problems.own_code import OwnCode
from evovae.runs.problems.problem import Problem
from evovae.runs.problems.targets import kept_targets
from evovae.runs.searching import Plan, record, require_generations, require_same_report, take_up
from evovae.runs.settings import SearchSettings


@dataclass(frozen=True)
class Chosen:
    """What a command chose to evolve in: an encoding, and the images that belong to it."""

    encoding: Encoding
    data: DataConfig | None
    images: ImageSet | None
    folders: list[Path]
    """Where judges may be, and are kept."""
    warnings: list[str]


class Where(NamedTuple):
    """Where a command finds images, and what it writes."""

    out: Path
    dataset: str | None
    data_dir: str | None
    overwrite: bool
    checkpoint: CheckpointConfig


def evolve_named(
    named: ProblemConfig,
    config: EvolveConfig,
    out: str | Path,
    *,
    dataset: str | None = None,
    data_dir: str | None = None,
    overwrite: bool = False,
    checkpoint: CheckpointConfig | None = None,
    genomes_path: str | Path | None = None,
) -> Run:
    """Evolve the problem that a command names and record it in the run folder `out`; figures are not drawn.

    A VAE's run folder remembers its image set; `dataset` and `data_dir` override it. Other encodings have the one that
    is given, or none. Judges that are not found are trained when they are needed: before the search if the objective
    asks them, else after it. Genomes that were kept, a file of them, are needed to begin with (`config.seeded`) or for
    an objective that names one.

    Raises:
        InputError: if a setting, the model, the image set or the folder cannot be used; nothing is written then.
        EvaluationError, SearchError: if a generation cannot be evaluated, or the search diverges; what there is of the
            generations before is kept.
        Interrupted: if Ctrl-C or SIGTERM ends it; the run can be resumed.
    """

    def plan(chosen: Chosen, code: OwnCode) -> Plan:
        given = _read_genomes(genomes_path, chosen.encoding)
        require_use_of_genomes(config, named.objective, None if given is None else len(given))
        return EvolutionPlan(config, *_find(named, chosen, code, given, {}))

    kept = "" if genomes_path is None else str(Path(genomes_path).resolve())
    where = Where(Path(out), dataset, data_dir, overwrite, checkpoint or CheckpointConfig())
    return _record_named(named, EvolutionPlan.kind, config.device, where, plan, kept)


def illuminate_named(
    named: ProblemConfig,
    config: IlluminateConfig,
    out: str | Path,
    *,
    dataset: str | None = None,
    data_dir: str | None = None,
    overwrite: bool = False,
    checkpoint: CheckpointConfig | None = None,
) -> Run:
    """Illuminate the problem that a command names, by the measures that it names, as `evolve_named` evolves one.

    Raises:
        InputError: if a setting, the model, the image set or the folder cannot be used; nothing is written then.
        EvaluationError: if a generation cannot be evaluated; what there is of the generations before is kept.
        Interrupted: if Ctrl-C or SIGTERM ends it; the run can be resumed.
    """

    def plan(chosen: Chosen, code: OwnCode) -> Plan:
        return IlluminationPlan(config, *_find(named, chosen, code, None, {}))

    where = Where(Path(out), dataset, data_dir, overwrite, checkpoint or CheckpointConfig())
    return _record_named(named, IlluminationPlan.kind, config.device, where, plan)


def _record_named(
    named: ProblemConfig,
    kind: str,
    device: str,
    where: Where,
    make_plan: Callable[[Chosen, OwnCode], Plan],
    genomes: str = "",
) -> Run:
    """Run what a command names; `genomes` tells where those that were given came from."""
    check_out(where.out, kind, where.overwrite)
    code = OwnCode()
    chosen = choose(named, code, resolve_device(device), where.dataset, where.data_dir)
    chosen = replace(chosen, folders=[where.out, *chosen.folders])
    plan, images = make_plan(chosen, code).resolved(), chosen.images
    settings = plan.settings(
        problem=replace(named, vae=named.vae and str(Path(named.vae).resolve())),
        data=None if chosen.data is None or images is None else from_anywhere(chosen.data, images),
        images="" if images is None else images.digest,
        classes=() if images is None else images.classes,
        genomes=genomes,
        sources=code.sources,
        checkpoint=where.checkpoint,
    )

    def begun() -> None:
        if images is not None:
            tell(images)
        for warning in chosen.warnings:
            say(f"WARNING: {warning}")

    circumstances = {"warnings": chosen.warnings}
    return record(plan, settings, where.out, overwrite=where.overwrite, circumstances=circumstances, begun=begun)


def resume_named(
    run: Run,
    settings: SearchSettings,
    generations: int | None,
    images: ImageSet | None,
    *,
    trust: bool = False,
    changed: bool = False,
) -> None:
    """Continue a search that a command began, in a run that is held, or up to this number of `generations`.

    The `images` are those that the settings name, None to load them.
    """
    named, before = settings.problem, settings.data
    assert named is not None
    wanted, longer = require_generations(run, settings, generations)
    if run.finished and not longer:
        return
    if images is None and before is not None:
        images = load_again(before, settings.images)
    settings = replace(
        settings.searching(replace(settings.search, generations=wanted)),
        data=None if before is None or images is None else from_anywhere(before, images),
        classes=() if images is None else images.classes,  # a run may be older than names
    )
    code = OwnCode(settings.sources, trust=trust, changed=changed)
    device = resolve_device(settings.search.device)
    begun = (run.folder / VAE_FILE).is_file()  # then everything that it needs is there
    if begun or named.vae is not None:
        vae = load_vae(run.folder if begun else named.vae or "").to(device)
        encoding: Encoding = LatentEncoding(vae, named.support)
    else:
        encoding = _encode(named, code, device, images)
    kept = run.folder / genomes.GENOMES_FILE
    given = _read_genomes((kept if kept.is_file() else settings.genomes) if settings.genomes else None, encoding)
    pictures = kept_targets(run.folder, tuple(_some_phenotypes(encoding).shape[1:]))
    chosen = Chosen(encoding, settings.data, images, [run.folder], [])
    plan = PLANS[type(settings)](settings.search, *_find(named, chosen, code, given, pictures))
    require_same_report(run, settings, plan.problem)
    if not code.altered:
        plan.problem.require_same(run.folder)
    circumstances = {"changed": code.altered} if code.altered else {}
    take_up(
        run,
        plan,
        replace(settings, sources=code.sources),
        longer=longer,
        circumstances=circumstances,
        begun=lambda: None if images is None else tell(images),
    )


def choose(
    named: ProblemConfig, code: OwnCode, device: torch.device, dataset: str | None, data_dir: str | None
) -> Chosen:
    """Return the encoding that a command names, on a `device`, with its images.

    Raises:
        InputError: if there is no such model or image set, or they do not belong together.
    """
    if named.vae is not None:
        vae = load_vae(named.vae)
        data, images, changed = choose_images(vae, named.vae, dataset, data_dir)
        if changed and dataset is None:
            raise InputError(
                f"the images of {data.dataset} have changed since the VAE learned them: train it again, or take them "
                f"as they are now with --dataset {data.dataset}"
            )
        warnings = [f"the VAE in {named.vae}: {fault}" for fault in faults_of(named.vae)]
        if changed:
            warnings.append(f"the VAE in {named.vae} has learned other images than those of {data.dataset}")
        folders = [folder_of(named.vae)]
        return Chosen(LatentEncoding(vae.to(device), named.support), data, images, folders, warnings)
    if named.encoding != "latent":
        if dataset is None:
            raise InputError(f"encoding is {named.encoding}: it makes images like others; say which with --dataset")
        own = DataConfig(dataset=dataset, data_dir=data_dir)
        found = load(own)
        return Chosen(_encode(named, code, device, found), own, found, [], [])
    encoding = _encode(named, code, device, None)
    if dataset is None:
        return Chosen(encoding, None, None, [], [])
    shape = tuple(_some_phenotypes(encoding).shape[1:])
    if len(shape) != 3 or shape[0] not in (1, 3):
        raise InputError(
            f"dataset is {dataset}: the generator makes no images but phenotypes of shape {shape}; leave it out"
        )
    size = shape[1] if shape[1] == shape[2] else None
    own = DataConfig(dataset=dataset, data_dir=data_dir, image_size=size, grey=shape[0] == 1)
    found = load(own)
    if found.shape != shape:
        raise InputError(f"{dataset} has images of shape {found.shape}: the generator makes {shape}")
    return Chosen(encoding, own, found, [], [])


def _encode(named: ProblemConfig, code: OwnCode, device: torch.device, images: ImageSet | None) -> Encoding:
    """Return the encoding that is named, if it is not that of a VAE."""
    if named.encoding != "latent":
        assert images is not None
        if named.encoding == "pixels":
            return PixelEncoding(images.shape, device)
        if named.encoding == "pca":
            return PCAEncoding(images.train.images, named.components, named.support, device)
        return CPPNEncoding(images.shape, support=named.support, device=device)
    if named.generator is None:
        raise InputError("nothing is named that makes images: give --vae, --generator, or --encoding with --dataset")
    spec = code.admit(named.generator, "generator")
    return load_generator(spec, device=device, range=named.range, support=named.support)


def _read_genomes(path: str | Path | None, encoding: Encoding) -> Tensor | None:
    """Return the genomes (K, D) in a file, on the device of the encoding; None without a file."""
    return None if path is None else genomes.read_genomes(path, encoding).to(encoding.device)


def _find(
    named: ProblemConfig, chosen: Chosen, code: OwnCode, given: Tensor | None, pictures: dict[str, Tensor]
) -> tuple[Problem, Tensor | None, dict[str, Tensor]]:
    """Return the problem that is named, the genomes that are `given`, and the `pictures`, not to be read again.

    Raises:
        InputError: if there is no such objective or measure.
    """
    encoding, images = chosen.encoding, chosen.images
    store = None if images is None else JudgeStore(images, chosen.folders, encoding.device)
    context = objectives.Context(
        images=images,
        judge=None if store is None else lambda x: store.get("judge")(x),
        genomes=given,
        decode=encoding.decode,
        pictures=pictures,
        load=lambda spec: code.load(spec, "objective"),
        phenotypes=functools.partial(_some_phenotypes, encoding),
    )
    objective = objectives.parse(named.objective, context)
    measures = None
    if named.measures is not None:
        asked = replace(context, load=lambda spec: code.load(spec, "measures"))
        measures = objectives.parse_measures(named.measures, asked)
    realism = Realism(images=images, store=store)
    return Problem(encoding, objective, named.weights, measures=measures, realism=realism), given, pictures


@torch.no_grad()
def _some_phenotypes(encoding: Encoding) -> Tensor:
    """Return what two draws from the prior decode to (2, ...)."""
    return encoding.decode(encoding.sample(2, make_generator(0)))
