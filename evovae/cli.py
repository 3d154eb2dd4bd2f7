"""The command line: what can be asked for, with every option from the configuration dataclasses.

Imports nothing heavy, so that `--help` and mistakes are answered at once; the work is imported where it starts.
"""

from __future__ import annotations

import contextlib
import io
import re
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import tyro

from evovae.config import DataConfig, EvolveConfig, TrainConfig, VAEConfig
from evovae.errors import InputError

Flat = tyro.conf.OmitArgPrefixes


@dataclass(frozen=True)
class Train:
    """Train a VAE on an image set and keep it in a run folder."""

    out: Path
    """Run folder to make."""
    data: DataConfig = field(default_factory=DataConfig)
    model: VAEConfig = field(default_factory=VAEConfig)
    training: TrainConfig = field(default_factory=TrainConfig)
    overwrite: bool = False
    """Replace the run in OUT."""

    def run(self) -> None:
        """Train, draw, and say where things are."""
        from evovae import figures, jobs

        run = jobs.train(self.data, self.model, self.training, self.out, self.overwrite)
        last = run.history.iloc[-1]
        measure = "-ELBO" if self.model.variational else "reconstruction error"
        print(
            f"test {measure} {-last.test_elbo:.2f} nats on {last.binarisation} images "
            f"(reconstruction {last.test_reconstruction:.2f}, KL {last.test_kl:.2f}), "
            f"{last.active_units:.0f} active units of {self.model.latent_dim}"
        )
        _print_paths([run.folder, *figures.draw(run)])


@dataclass(frozen=True)
class Evolve:
    """Evolve images in the latent space of a trained VAE, against random search with as many evaluations."""

    vae: Path
    """A VAE: a run folder of evovae train, or a .safetensors file."""
    out: Path
    """Run folder to make."""
    evolution: EvolveConfig = field(default_factory=EvolveConfig)
    dataset: str | None = None
    """Image set for targets and judges; None: the one that the VAE's run folder remembers."""
    data_dir: str | None = None
    """Where torchvision's image sets are, or are put; None: what the run folder remembers."""
    overwrite: bool = False
    """Replace the run in OUT."""

    def run(self) -> None:
        """Evolve, draw, and say what came of it."""
        from evovae import figures, jobs, report

        run = jobs.evolve(self.vae, self.evolution, self.out, self.dataset, self.data_dir, self.overwrite)
        report.report_evolution(run)
        _print_paths([run.folder, *figures.draw(run)])


@dataclass(frozen=True)
class Plot:
    """Draw the figures of run folders again; with --out, compare the fitness curves of evolutions in one figure."""

    runs: Annotated[tuple[Path, ...], tyro.conf.Positional]
    """Run folders."""
    out: Path | None = None
    """PNG to write the comparison to."""

    def run(self) -> None:
        """Draw, and say where."""
        from evovae import figures
        from evovae.runs import Run

        if not self.runs:
            raise InputError("no run folder was given: expected evovae plot RUN [RUN ...]")
        runs = [Run.open(folder) for folder in self.runs]
        if self.out is None:
            _print_paths([path for run in runs for path in figures.draw(run)])
        else:
            _print_paths([figures.compare(runs, self.out)])


@dataclass(frozen=True)
class Demo:
    """Train the default VAE on MNIST, evolve an eight against both baselines, and draw the gallery: within a minute."""

    out: Path = Path("runs/demo")
    """Folder for the two runs; an earlier demo in it is replaced."""
    seed: int = 0
    """Seed of both runs."""

    def run(self) -> None:
        """Run the demo."""
        from evovae import demo

        demo.run(self.out, self.seed)


@dataclass(frozen=True)
class Info:
    """Show versions, devices, and the image sets and objectives that can be named."""

    def run(self) -> None:
        """Print what there is."""
        from evovae import report

        report.print_info()


Command = (
    Annotated[Train, tyro.conf.subcommand("train")]
    | Annotated[Evolve, tyro.conf.subcommand("evolve")]
    | Annotated[Plot, tyro.conf.subcommand("plot")]
    | Annotated[Demo, tyro.conf.subcommand("demo")]
    | Annotated[Info, tyro.conf.subcommand("info")]
)


def main() -> None:
    """Run the command line; ends the process with 0, 1 (failed), 2 (bad input) or 130 (interrupted)."""
    try:
        parse(sys.argv[1:]).run()
    except InputError as error:
        _end(error, 2)
    except KeyboardInterrupt:
        _end("interrupted: what a run folder holds is complete up to here", 130)
    except (OSError, RuntimeError) as error:
        _end(error, 1)


def parse(arguments: list[str]) -> Train | Evolve | Plot | Demo | Info:
    """Return the command that `arguments` ask for.

    Raises:
        InputError: if they make none; the message is one line.
        SystemExit: after printing help.
    """
    errors = io.StringIO()
    try:
        with contextlib.redirect_stderr(errors):
            return tyro.cli(
                Command,
                prog="evovae",
                description="Evolve images in the latent space of a variational autoencoder.",
                args=arguments,
                config=(Flat, tyro.conf.OmitSubcommandPrefixes),
            )
    except SystemExit as end:
        if not end.code:
            raise
        raise InputError(_one_line(errors.getvalue())) from None


def _one_line(box: str) -> str:
    """Return the text of tyro's error box, up to its first rule, as one line."""
    lines = [re.sub(r"\x1b\[[0-9;]*m", "", line).strip("│╭╮╰╯ ") for line in box.splitlines()]
    body: list[str] = []
    for line in lines[1:]:
        if set(line) <= {"─"} and body:
            break
        body.append(line)
    text = re.sub(r"^Error parsing __tyro\S*: |\(required\)|\.$", "", " ".join(" ".join(body).split()))
    return f"{text.strip()}; see evovae --help"


def _end(error: object, status: int) -> None:
    message = str(error).partition("\n")[0]  # torch's may go on with a stack trace
    print(f"evovae: {message}", file=sys.stderr)
    sys.exit(status)


def _print_paths(paths: list[Path]) -> None:
    for path in paths:
        print(path)
