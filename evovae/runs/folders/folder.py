"""Run folders: one result, with all that is needed to believe it, redraw it and run it again."""

from __future__ import annotations

import base64
import html
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd

from evovae.base import InputError, files, format_table, from_json, read_table, shown
from evovae.runs.folders.provenance import describe_environment
from evovae.runs.searches import HISTORY
from evovae.runs.settings import EvolutionSettings, IlluminationSettings, SearchSettings, TrainingSettings

CONFIG, ENVIRONMENT = "config.json", "environment.json"
EXAMPLES, POPULATION, HALL_OF_FAME = "examples.safetensors", "population.safetensors", "hall_of_fame.csv"
ARCHIVE, ELITES = "archive.safetensors", "archive.csv"
JUDGES = "judges.json"
"""How well the judges that an evolution asked read images, by role."""
SETTINGS: dict[str, type[TrainingSettings | SearchSettings]] = {
    "training": TrainingSettings,
    "evolution": EvolutionSettings,
    "illumination": IlluminationSettings,
}
"""Of each kind of run that `Run.settings` can read; a cell's are its study's."""
KINDS = (*SETTINGS, "cell")

Stamp = tuple[int, int, int]


def stamp_of(path: Path) -> Stamp | None:
    """Return what is other of a file that has changed, the inode first; None if there is none."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size


@dataclass
class _Known:
    """What was read of a configuration."""

    stamp: Stamp | None
    config: dict[str, Any]
    settings: TrainingSettings | SearchSettings | None = None


class Run:
    """A run folder.

    Args:
        folder: where it is.

    Attributes:
        circumstances: what goes into the environment file when the run ends, beside versions and machine.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        self.circumstances: dict[str, Any] = {}
        self._environment: dict[str, Any] = {}
        self._known: _Known | None = None

    @classmethod
    def open(cls, folder: str | Path) -> Run:
        """Return the run in `folder`.

        Raises:
            InputError: if the folder is missing, no run, or of another format version.
        """
        run = cls(folder)
        if not (run.folder / CONFIG).is_file():
            raise InputError(
                f"{folder} is no run folder: expected one with a {CONFIG}, made by evovae train, evolve or illuminate"
            )
        config = run.config
        if config.get("kind") not in KINDS:
            raise InputError(f"{run.folder / CONFIG} names no kind of run: expected one of {', '.join(KINDS)}")
        if config.get("format") != files.FORMAT:
            found = shown(config.get("format"))
            raise InputError(f"{folder} has format {found}: this evovae reads format {files.FORMAT}")
        return run

    @property
    def config(self) -> dict[str, Any]:
        """The settings, and under `kind` what the run is, one of `KINDS`. Read again when the file changes."""
        path = self.folder / CONFIG
        stamp = stamp_of(path)  # before: what changes while it is read is read again
        if self._known is None or stamp is None or self._known.stamp != stamp:
            self._known = _Known(stamp, files.read_json(path))
        return self._known.config

    @property
    def kind(self) -> str | None:
        """What the run is, one of `KINDS`; None where there is none: other programs write a `config.json`, too."""
        try:
            config = self.config
        except InputError:
            return None
        kind = config.get("kind")
        return kind if kind in KINDS and "format" in config else None

    @property
    def settings(self) -> TrainingSettings | SearchSettings:
        """The settings of a training, an evolution or an illumination, each of the right type and in range.

        Raises:
            InputError: if they are not, or if the run is none of these.
        """
        config = {name: value for name, value in self.config.items() if name != "format"}
        kind = config.pop("kind", None)
        if kind not in SETTINGS:
            raise InputError(f"{self.folder} is of kind {shown(kind)}: expected a run of {' or '.join(SETTINGS)}")
        assert self._known is not None
        if self._known.settings is None:
            config = _with_problem(config) if kind == "evolution" else config
            self._known.settings = from_json(SETTINGS[kind], config, self.folder / CONFIG)
        return self._known.settings

    @property
    def environment(self) -> dict[str, Any]:
        """How the run was made, and how it ended."""
        return files.read_json(self.folder / ENVIRONMENT)

    @property
    def spans(self) -> list[tuple[datetime, datetime]]:
        """When a finished run was at work, from each time that it was entered; what a kill ended is left out."""
        environment = self.environment
        entries = [environment, *environment.get("resumed", [])]
        ends = [*(entry.get("left") for entry in entries[1:]), environment["end"]]
        times = zip((entry["start"] for entry in entries), ends, strict=True)
        return [(datetime.fromisoformat(start), datetime.fromisoformat(end)) for start, end in times if end]

    @property
    def minutes(self) -> float:
        """How long a finished run was at work."""
        return sum((end - start).total_seconds() for start, end in self.spans) / 60

    @property
    def finished(self) -> bool:
        """Whether it came to its end; one that was killed, interrupted or failed did not, or that does not know."""
        return self._known_environment().get("status") == "finished"

    @property
    def history(self) -> pd.DataFrame:
        """The history as a table."""
        return self.read_table(HISTORY)

    @property
    def figures(self) -> Path:
        """The folder of figures, made when missing."""
        folder = self.folder / "figures"
        folder.mkdir(exist_ok=True)
        return folder

    def _repr_html_(self) -> str:
        """What a notebook shows of a run: where it is, how it ended, and its figures."""
        status = self._known_environment().get("status", "unknown")
        pictures = sorted((self.folder / "figures").glob("*.png"))
        shown = [base64.b64encode(path.read_bytes()).decode() for path in pictures]
        told = f"<p>{html.escape(str(self.folder))}: {html.escape(str(self.kind))}, {html.escape(str(status))}</p>"
        alts = [html.escape(path.stem, quote=True) for path in pictures]
        images = zip(alts, shown, strict=True)
        return told + "".join(f'<img alt="{alt}" src="data:image/png;base64,{data}"/>' for alt, data in images)

    def begin(self, config: dict[str, Any]) -> None:
        """Write the configuration, and that the run is on.

        Of one that was on before: when it was left, if it was not killed, and what differs from its start.
        """
        now = describe_environment() | self.circumstances
        if first := self._known_environment():
            times = {"start": _now(), "left": first.get("end")}
            again = times | {name: value for name, value in now.items() if value != first.get(name)}
            self._environment = first | {"resumed": [*first.get("resumed", []), again]}
        else:
            self._environment = now | {"start": _now()}
        self._environment |= {"end": None, "status": "running"}
        files.write_json(self.folder / CONFIG, config)
        files.write_json(self.folder / ENVIRONMENT, self._environment)

    def configure(self, settings: SearchSettings) -> None:
        """Write the configuration of a run that is on again, where there is more to say than at its beginning."""
        config = {name: self.config[name] for name in ("format", "kind")} | json.loads(json.dumps(asdict(settings)))
        if config != self.config:
            files.write_json(self.folder / CONFIG, config)

    def end(self, status: str) -> None:
        """Write how the run ended."""
        self._environment |= self.circumstances | {"end": _now(), "status": status}
        files.write_json(self.folder / ENVIRONMENT, self._environment)

    def _known_environment(self) -> dict[str, Any]:
        """The environment; empty where it is missing or damaged: nothing that is computed depends on it."""
        try:
            return self.environment
        except InputError:
            return {}

    def read_table(
        self, name: str, types: Mapping[str, type] | None = None, required: Sequence[str] = ()
    ) -> pd.DataFrame:
        """Read a CSV file of the run, as `tables.read_table` does."""
        return read_table(self.folder / name, types, required)

    def write_table(self, name: str, table: pd.DataFrame) -> None:
        """Write a CSV file, atomically."""
        files.write_bytes(self.folder / name, format_table(table))


def _with_problem(config: dict[str, Any]) -> dict[str, Any]:
    """Return the configuration of an evolution as it is now: once the problem stood among the search's settings."""
    if "vae" not in config:
        return config
    moved = {name: value for name, value in config.items() if name != "vae"}
    problem = {"vae": config["vae"]}
    if isinstance(search := config.get("evolution"), dict):
        names = ("objective", "support")
        problem |= {name: search[name] for name in names if name in search}
        moved["evolution"] = {name: value for name, value in search.items() if name not in names}
    return moved | {"problem": problem}


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
