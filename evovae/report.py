"""What the command line prints: tables of results, and what there is to choose from."""

from __future__ import annotations

import numpy as np
import pandas as pd
from rich import box
from rich.console import Console
from rich.table import Table

from evovae import statistics
from evovae.data import known_sets
from evovae.objectives import REGISTRY
from evovae.runs import BASELINE, HALL_OF_FAME, Run, describe_environment

REALISM = ("held_out", "log_prior", "reconstruction_distance")


def summarise_evolution(run: Run) -> pd.DataFrame:
    """Return a row for each search of an evolution run: best fitness over replicates, and the realism of these images.

    Columns: search; evaluations of a replicate; best, low, high (interquartile mean over replicates of the first
    objective, and its 95% bootstrap interval); mean, mean_low, mean_high (the same of the mean); mean realism.
    """
    hall = run.read_table(HALL_OF_FAME)
    best = hall[hall["rank"] == 0]
    column = run.config["names"][0] if len(run.config["names"]) > 1 else "fitness"
    histories = {"evolution": run.history}
    if (best["search"] == "random search").any():
        histories["random search"] = run.read_table(BASELINE)
    rows = []
    for label, history in histories.items():
        found = best[best["search"] == label]
        if found.empty:  # no fitness was finite
            continue
        middle = statistics.bootstrap(found[column].to_numpy())
        mean = statistics.bootstrap(found[column].to_numpy(), statistic=np.mean)
        rows.append(
            {
                "search": label,
                "evaluations": history.groupby("replicate")["evaluations"].max().mean(),
                **dict(zip(("best", "low", "high"), middle, strict=True)),
                **dict(zip(("mean", "mean_low", "mean_high"), mean, strict=True)),
                **found[[name for name in REALISM if name in found]].mean().to_dict(),
            }
        )
    return pd.DataFrame(rows)


def report_evolution(run: Run) -> None:
    """Print the summary of an evolution run as a table, and keep it in the run as `summary.csv`."""
    summary = summarise_evolution(run)
    run.write_table("summary.csv", summary)
    config = run.config["evolution"]
    table = Table(
        box=box.SIMPLE,
        title=f"{config['objective']}, {config['replicates']} replicates of {config['population']} individuals, "
        f"{config['generations']} generations",
    )
    headings = {
        "evaluations": "evals",
        "mean": "mean best (95%)",
        "held_out": "held-out",
        "log_prior": "log p",
        "reconstruction_distance": "distance",
    }
    shown = {name: heading for name, heading in headings.items() if name in summary}
    table.add_column("search", no_wrap=True)
    for heading in shown.values():
        table.add_column(heading, justify="right", no_wrap=True)
    for row in summary.to_dict("records"):
        texts = {name: f"{row[name]:.3f}" for name in shown}
        texts["evaluations"] = f"{row['evaluations']:,.0f}"
        texts["mean"] = "{mean:.4g} ({mean_low:.4g}, {mean_high:.4g})".format(**row)
        table.add_row(row["search"], *texts.values())
    Console(width=max(100, Console().width)).print(table)  # a pipe counts as 80, which would cut the numbers
    judged = "held-out judge's probability, " if "held_out" in summary else ""
    print(f"of each replicate's best: {judged}log p(z) per gene, distance to its reconstruction")


def print_info() -> None:
    """Print versions, devices, image sets and objectives."""
    environment = describe_environment()
    rows = {
        "versions": ", ".join(f"{name} {version}" for name, version in environment["versions"].items()),
        "commit": environment["commit"] or "not a checkout",
        "device": f"{environment['cuda'] or 'cpu'} ({environment['threads']} threads, {environment['processor']})",
        "image sets": ", ".join(known_sets()) + ", or a folder",
        "objectives": "\n".join(description for description, _ in REGISTRY.values()),
    }
    table = Table(show_header=False, box=None)
    for name, text in rows.items():
        table.add_row(name, text)
    Console().print(table)
