"""The command line: what can be asked for, with every option from the configuration dataclasses.

Imports nothing heavy, so that `--help` and mistakes are answered at once; the work is imported where it starts.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from evovae.base import InputError, Interrupted, read_options, run_program
from evovae.cli.conflicts import require_effect
from evovae.cli.export import Export
from evovae.data import DataConfig
from evovae.models import TrainConfig, VAEConfig
from evovae.runs import CheckpointConfig, EvolveConfig, IlluminateConfig, ProblemConfig

if TYPE_CHECKING:
    from evovae.runs import Run


@dataclass(frozen=True)
class Train:
    """Train a VAE on an image set and keep it in a run folder."""

    out: Path
    """Run folder to make."""
    start: Annotated[Path | None, tyro.conf.arg(name="from")] = None
    """Begin with a trained VAE, a run folder of evovae train: its weights, its settings where no others are given."""
    data: DataConfig = field(default_factory=DataConfig)
    model: VAEConfig = field(default_factory=VAEConfig)
    training: TrainConfig = field(default_factory=TrainConfig)
    checkpoint: CheckpointConfig = field(default_factory=CheckpointConfig)
    overwrite: bool = False
    """Replace the run in OUT."""

    def run(self) -> None:
        """Train, draw, and say where things are."""
        require_effect(self.model, self.training)
        from evovae import runs

        _show(
            runs.train(
                self.data,
                self.model,
                self.training,
                self.out,
                overwrite=self.overwrite,
                checkpoint=self.checkpoint,
                start=self.start,
            )
        )


@dataclass(frozen=True)
class Evolve:
    """Evolve what a VAE or another generator makes, against random search with the same number of evaluations."""

    out: Path
    """Run folder to make."""
    problem: ProblemConfig = field(default_factory=ProblemConfig)
    evolution: EvolveConfig = field(default_factory=EvolveConfig)
    dataset: str | None = None
    """Image set for targets, judges and typicality; None: the one that the VAE's run folder remembers."""
    data_dir: str | None = None
    """Where torchvision's image sets are, or are put; None: what the run folder remembers."""
    genomes: Path | None = None
    """Genomes that were kept, .json or .safetensors: target:genome/0 names the first's image."""
    checkpoint: CheckpointConfig = field(default_factory=CheckpointConfig)
    overwrite: bool = False
    """Replace the run in OUT."""

    def run(self) -> None:
        """Evolve, draw, and print the results."""
        require_effect(self.problem, self.evolution)
        from evovae import runs

        _show(
            runs.evolve_named(
                self.problem,
                self.evolution,
                self.out,
                dataset=self.dataset,
                data_dir=self.data_dir,
                overwrite=self.overwrite,
                checkpoint=self.checkpoint,
                genomes_path=self.genomes,
            )
        )


@dataclass(frozen=True)
class Illuminate:
    """Find the best of every kind: fill an archive over some measures with what a VAE or another generator makes."""

    out: Path
    """Run folder to make."""
    problem: ProblemConfig = field(default_factory=lambda: ProblemConfig(measures="boldness,lightness"))
    illumination: IlluminateConfig = field(default_factory=IlluminateConfig)
    dataset: str | None = None
    """Image set for targets, judges and typicality; None: the one that the VAE's run folder remembers."""
    data_dir: str | None = None
    """Where torchvision's image sets are, or are put; None: what the run folder remembers."""
    checkpoint: CheckpointConfig = field(default_factory=CheckpointConfig)
    overwrite: bool = False
    """Replace the run in OUT."""

    def run(self) -> None:
        """Illuminate, draw, and print the results."""
        require_effect(self.problem, self.illumination)
        from evovae import runs

        _show(
            runs.illuminate_named(
                self.problem,
                self.illumination,
                self.out,
                dataset=self.dataset,
                data_dir=self.data_dir,
                overwrite=self.overwrite,
                checkpoint=self.checkpoint,
            )
        )


@dataclass(frozen=True)
class Resume:
    """Continue a run of train, evolve or illuminate where it was stopped by anything; the result is the same."""

    folder: Annotated[Path, tyro.conf.Positional]
    """Run folder."""
    generations: int | None = None
    """Continue an evolution or an illumination, finished or not, up to this number of generations."""
    epochs: int | None = None
    """Continue a training, finished or not, up to this number of epochs; the rate rises and falls once more."""
    dataset: str | None = None
    """Where its images are now; None: where the run remembers them. They must be the same."""
    data_dir: str | None = None
    """Where torchvision's image sets are now; None: what the run remembers."""
    trust: bool = False
    """Run the code that the run names (FILE.py:...), though no command of yours has named it yet."""
    changed: bool = False
    """Continue though files that the problem is made of have changed since: the result is another."""

    def run(self) -> None:
        """Continue, draw, and print the results."""
        from evovae import runs

        _show(
            runs.resume(
                self.folder,
                generations=self.generations,
                epochs=self.epochs,
                dataset=self.dataset,
                data_dir=self.data_dir,
                trust=self.trust,
                changed=self.changed,
            )
        )


@dataclass(frozen=True)
class Plot:
    """Draw the figures of run folders again; with --out, compare those of one kind in one figure."""

    runs: Annotated[tuple[Path, ...], tyro.conf.Positional]
    """Run folders."""
    out: Path | None = None
    """PNG to write the comparison to."""

    def run(self) -> None:
        """Draw, and say where."""
        from evovae.runs import Run, figures

        if not self.runs:
            raise InputError("no run folder was given: expected evovae plot RUN [RUN ...]")
        runs = [Run.open(folder) for folder in self.runs]
        if self.out is None:
            _print_paths([path for run in runs for path in figures.draw(run)])
        else:
            _print_paths([figures.compare(runs, self.out)])


@dataclass(frozen=True)
class Explore:
    """Choose latent values, walk through the map and breed images in the browser, on a page on 127.0.0.1."""

    vae: Path | None = None
    """A VAE: a run folder of evovae train, or a .safetensors file; None: the demo's, trained now if there is none."""
    generator: str | None = None
    """Another decoder instead: FILE.py:FACTORY or MODULE:FACTORY, whose code is run and gives an encoding, or a .pt2 or
    .onnx file."""
    range: tuple[float, float] | None = None
    """What a .pt2 or .onnx file gives for black and for white, such as -1 1; None: what the file says, or 0 to 1."""
    port: int = 8000
    """Where the page is served; 0 takes a free port."""
    runs: Path | None = None
    """Folder of the evolutions that can be watched; None: the one that the VAE's run folder lies in, for a generator
    runs."""
    dataset: str | None = None
    """Image set for the map and the judges; None: the one that the VAE's run folder remembers, for a generator none."""
    data_dir: str | None = None
    """Where torchvision's image sets are, or are put; None: what the run folder remembers."""
    browser: bool = True
    """Open the page in a browser."""

    def run(self) -> None:
        """Serve the page until Ctrl-C."""
        from evovae import explorer
        from evovae.cli import demo

        ProblemConfig(
            vae=str(self.vae) if self.vae else None, generator=self.generator, range=self.range
        )  # refuses two
        if self.range is not None and self.generator is None:
            raise InputError(f"range is {self.range}: it has no effect without --generator; leave it out")
        explorer.serve(
            self.vae if self.vae or self.generator else demo.find_vae(),
            self.port,
            generator=self.generator,
            range=self.range,
            dataset=self.dataset,
            data_dir=self.data_dir,
            runs=self.runs,
            browser=self.browser,
        )


@dataclass(frozen=True)
class Demo:
    """Train the default VAE on MNIST, evolve a three against both baselines, and draw the gallery: within a minute."""

    out: Path = Path("runs/demo")
    """Folder for the two runs; an earlier demo in it is replaced."""
    seed: int = 0
    """Seed of both runs."""

    def run(self) -> None:
        """Run the demo."""
        from evovae.cli import demo

        demo.run(self.out, self.seed)


@dataclass(frozen=True)
class Info:
    """Show versions, devices, and the image sets, objectives and measures that can be named."""

    def run(self) -> None:
        """Print what there is."""
        from evovae.cli import report

        report.print_info()


Command = (
    Annotated[Train, tyro.conf.subcommand("train")]
    | Annotated[Evolve, tyro.conf.subcommand("evolve")]
    | Annotated[Illuminate, tyro.conf.subcommand("illuminate")]
    | Annotated[Resume, tyro.conf.subcommand("resume")]
    | Annotated[Plot, tyro.conf.subcommand("plot")]
    | Annotated[Explore, tyro.conf.subcommand("explore")]
    | Annotated[Export, tyro.conf.subcommand("export")]
    | Annotated[Demo, tyro.conf.subcommand("demo")]
    | Annotated[Info, tyro.conf.subcommand("info")]
)


def main() -> None:
    """Run the command line; ends the process with 0, 1 (failed), 2 (bad input), 130 (Ctrl-C) or 143 (SIGTERM)."""
    run_program("evovae", lambda: parse(sys.argv[1:]).run())


def parse(arguments: list[str]) -> Train | Evolve | Illuminate | Resume | Plot | Explore | Export | Demo | Info:
    """Return the command that `arguments` ask for.

    Raises:
        InputError: if they make none; the message is one line.
        SystemExit: after printing help.
    """
    description = "Evolve images in the latent space of a variational autoencoder."
    command = read_options(Command, arguments, "evovae", description)
    if isinstance(command, Train) and command.start is not None:
        return read_options(Train, arguments[1:], "evovae train", Train.__doc__, _settings_of(command))
    return command


def _settings_of(command: Train) -> Train:
    """Return `command` with the settings of the run that it starts from, but for how long that was trained."""
    from evovae.runs import Run, TrainingSettings

    run = Run.open(command.start or "")
    if not isinstance(settings := run.settings, TrainingSettings):
        raise InputError(f"{run.folder} is a run of {run.kind}: expected a run folder of evovae train after --from")
    training = replace(settings.training, epochs=None, iterations=None, restarts=())
    return replace(command, data=settings.data, model=settings.model, training=training)


def _show(run: Run) -> None:
    """Print the results of a run, draw its figures, and print where they are."""
    from evovae.cli import report
    from evovae.runs import figures

    try:
        report.report(run)
        _print_paths([run.folder, *figures.draw(run)])
    except Interrupted as error:
        raise Interrupted(
            error.number, f"interrupted: {run.folder} is finished; evovae plot draws its figures"
        ) from error


def _print_paths(paths: list[Path]) -> None:
    for path in paths:
        print(path)
