"""What the command line prints: tables of results, and what there is to choose from."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pandas as pd
from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from evovae.analysis import statistics
from evovae.base import format_number
from evovae.data import known_sets, listed
from evovae.models import VAEConfig
from evovae.objectives import MEASURES, NAMES, REGISTRY, doubts
from evovae.runs import (
    EVOLUTION,
    EvolutionResults,
    EvolutionSettings,
    IlluminationResults,
    IlluminationSettings,
    Run,
    SearchResults,
    TrainingSettings,
    describe_environment,
    kept_epoch,
)

REALISM = {
    "held_out": "held-out",
    "log_prior": "log p",
    "typicality": "typicality",
    "novelty": "novelty",
    "discriminator": "discriminator",
}
"""What is reported beside fitness, and its heading."""
SHARES = ("typicality", "novelty")
"""Of these, what is a share of real images or references."""
LEGEND = {
    "held_out": "held-out judge's probability",
    "log_prior": "log p(z) per gene",
    "typicality": "test images that are no more typical",
    "novelty": "references whose nearest other is no further away",
    "discriminator": "the discriminator's verdict",
}


def summarise_evolution(results: EvolutionResults) -> pd.DataFrame:
    """Return a row for each search of an evolution run: what it reached, and the realism of its images.

    Columns: search; evaluations of a replicate; mean, mean_low, mean_high (of the metric over replicates, with its 95%
    interval); mean realism of its images.

    Raises:
        InputError: if a file of the run is damaged, or does not fit the others.
    """
    found = results.hall if results.kind.every_image else results.hall[results.hall["rank"] == 0]
    rows = []
    for label, images in found.groupby("search", sort=False):
        _, evaluations, best = results.curve(str(label))
        reached = best[np.isfinite(best[:, -1]), -1]
        mean = statistics.mean_interval(reached)
        rows.append(
            {
                "search": label,
                "evaluations": evaluations[:, -1].mean(),
                **dict(zip(("mean", "mean_low", "mean_high"), mean, strict=True)),
                **images[[name for name in (*REALISM, *results.settings.measures) if name in images]].mean().to_dict(),
            }
        )
    return pd.DataFrame(rows)


def report(run: Run) -> None:
    """Print what came of a finished run, and what is to be known about how it came."""
    settings = run.settings
    if isinstance(settings, EvolutionSettings):
        _report_evolution(EvolutionResults(run))
    elif isinstance(settings, IlluminationSettings):
        _report_illumination(IlluminationResults(run))
    else:
        assert isinstance(settings, TrainingSettings)
        _report_training(run, settings.model)
    if settings.classes:
        print(f"classes: {listed(settings.classes)}")
    environment = run.environment
    for fault in environment.get("warnings", []):
        print(f"WARNING: {fault}")
    if environment.get("stopped"):
        print(f"stopped early: {environment['stopped']}")
    for label, trouble in (environment.get("nonfinite") or {}).items():
        print(f"{label}: {trouble}; such individuals never win")
    changed = [name for name in ("versions", "threads", "processor", "cuda") if name in _last_start(environment)]
    if changed:
        print(f"resumed with other {', '.join(changed)} than before: the last bits of the numbers may differ")


def _last_start(environment: dict[str, Any]) -> dict[str, Any]:
    return (environment.get("resumed") or [{}])[-1]


PIXELS = {"grey": "pixels as they are", "dynamic": "pixels drawn anew each time", "static": "pixels drawn once"}
"""What the conventions of `Binarisation` are called."""


def _report_training(run: Run, model: VAEConfig) -> None:
    kept, environment = kept_epoch(run), run.environment
    measure = "-ELBO" if model.variational else "reconstruction error"
    active = f", {kept.active_units:.0f} active units of {model.latent_dim}" if model.variational else ""
    print(
        f"test {measure} {format_number(-kept.test_elbo)} nats, {PIXELS[kept.binarisation]} "
        f"(reconstruction {format_number(kept.test_reconstruction)}, KL {format_number(kept.test_kl)}){active}; "
        f"epoch {kept.epoch} of {run.history['epoch'].iloc[-1]} is kept"
    )
    if "mean_picture" in environment:
        print(f"the mean picture for all has {format_number(environment['mean_picture'])}")


def _report_evolution(results: EvolutionResults) -> None:
    """Print the summary of an evolution run as a table, and keep it in the run as `summary.csv`."""
    summary = summarise_evolution(results)
    results.run.write_table("summary.csv", summary)
    config, generations = results.settings.evolution, results.curve(EVOLUTION.label).generations[-1]
    objective = ",".join(results.settings.names)
    table = Table(
        box=box.SIMPLE,
        title=f"{escape(f'{objective} {results.doubt}'.strip())}, "
        f"{_count(config.replicates, 'replicate')} of "
        f"{_count(config.population, 'individual')}, {_count(generations, 'generation')}",
    )
    measures = dict(zip(results.settings.measures, results.settings.measures, strict=True))
    _print_summary(table, summary, {"mean": f"mean {results.kind.metric} (95%)"}, measures)
    whose = "of the images on each front" if results.kind.every_image else "of each replicate's best"
    _print_legend(results, summary, whose)


def summarise_illumination(results: IlluminationResults) -> pd.DataFrame:
    """Return a row for each search of an illumination run: what it reached, and the realism of its elites.

    Columns: search; evaluations of a replicate; coverage, qd_score, best, each with _low and _high (means over
    replicates, with their 95% intervals); mean realism of all elites.

    Raises:
        InputError: if a file of the run is damaged, or does not fit the others.
    """
    rows = []
    for label in results.labels:
        row: dict[str, Any] = {"search": label}
        for metric in ("coverage", "qd_score", "best"):
            _, evaluations, values = results.course(label, metric)
            row["evaluations"] = evaluations[:, -1].mean()
            reached = values[np.isfinite(values[:, -1]), -1]
            interval = statistics.mean_interval(reached) if len(reached) else (np.nan,) * 3
            row |= dict(zip((metric, f"{metric}_low", f"{metric}_high"), interval, strict=True))
        elites = results.table[results.table["search"] == label]
        rows.append(row | elites[[name for name in REALISM if name in elites]].mean().to_dict())
    return pd.DataFrame(rows)


def _report_illumination(results: IlluminationResults) -> None:
    """Print the summary of an illumination run as a table, and keep it in the run as `summary.csv`."""
    summary, config = summarise_illumination(results), results.config
    results.run.write_table("summary.csv", summary)
    about = f"{results.objective_label} by {', '.join(results.settings.measures)} {results.doubt}".strip()
    cells = " x ".join(f"{count}" for count in results.grid)
    size = f"{_count(config.replicates, 'replicate')}, {cells} cells, {_count(config.generations, 'generation')}"
    table = Table(box=box.SIMPLE, title=f"{escape(about)}, {config.algorithm}, {size}")
    headings = {"coverage": "coverage (95%)", "qd_score": "QD score (95%)"}
    _print_summary(table, summary, headings, {"best": "best"})
    _print_legend(results, summary, "of all elites")


def _print_summary(table: Table, summary: pd.DataFrame, metrics: dict[str, str], further: dict[str, str]) -> None:
    """Print a summary as a `table`: with intervals of the `metrics`, by their columns; `further` numbers come last."""
    headings = {"evaluations": "evals"} | metrics | REALISM | further
    shown = {name: heading for name, heading in headings.items() if name in summary}
    table.add_column("search", no_wrap=True)
    for heading in shown.values():
        table.add_column(heading, justify="right", no_wrap=True)
    for row in summary.to_dict("records"):
        texts = {name: f"{row[name]:.3f}" for name in shown}
        texts["evaluations"] = f"{row['evaluations']:,.0f}"
        texts |= {name: f"{row[name]:.0%}" for name in SHARES if name in shown}
        for name in metrics:
            form = "{:.1%} ({:.1%}, {:.1%})" if name == "coverage" else "{:.4g} ({:.4g}, {:.4g})"
            interval = form.format(row[name], row[f"{name}_low"], row[f"{name}_high"])
            texts[name] = re.sub(r" \(nan.*", "", interval)
        table.add_row(row["search"], *texts.values())
    Console(width=max(120, Console().width)).print(table)  # a pipe counts as 80, which would cut the numbers


def _print_legend(results: SearchResults, summary: pd.DataFrame, whose: str) -> None:
    """Say what the columns of realism are, of `whose` images, and how far the judges can be trusted."""
    judges = results.judges
    doubted = f" ({doubts(judges)})" if doubts(judges) else ""
    legend = {name: text for name, text in LEGEND.items() if name in summary}
    print(f"{whose}: {', '.join(legend.values())}".replace(LEGEND["held_out"], LEGEND["held_out"] + doubted))
    _print_missing(results.run.environment.get("not_measured") or {})
    for role, found in judges.items():
        print(f"{NAMES[role]}: {found}")


def _print_missing(reasons: dict[str, str]) -> None:
    """Say what is not known of the images, by its reason: of the measures that most runs have."""
    by_reason: dict[str, list[str]] = {}
    for name in ("held_out", "typicality"):
        if name in reasons:
            by_reason.setdefault(reasons[name], []).append(REALISM[name])
    for reason, names in by_reason.items():
        print(f"{' and '.join(names)}: not measured: {reason}")


OWN = "FILE.py:FUNCTION or MODULE:FUNCTION (your own: phenotypes to fitness; its code is run)"


OWN_MEASURES = "any objective, or FILE.py:FUNCTION (your own: phenotypes to one or more measures; its code is run)"


def print_info() -> None:
    """Print versions, devices, image sets, objectives and measures."""
    environment = describe_environment()
    rows = {
        "versions": ", ".join(f"{name} {version}" for name, version in environment["versions"].items()),
        "commit": environment["commit"] or "not a checkout",
        "device": f"{environment['cuda'] or 'cpu'} ({environment['threads']} threads, {environment['processor']})",
        "image sets": ", ".join(known_sets()) + ", or a folder",
        "objectives": "\n".join([*(description for description, _ in REGISTRY.values()), OWN]),
        "measures": "\n".join([*(measure.description for measure in MEASURES.values()), OWN_MEASURES]),
    }
    table = Table(show_header=False, box=None)
    for name, text in rows.items():
        table.add_row(name, text)
    Console().print(table)


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}" + ("" if number == 1 else "s")
