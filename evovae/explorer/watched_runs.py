"""The runs that the page can watch, by key, and what decodes the genomes of each."""

from __future__ import annotations

import functools
from pathlib import Path

from evovae.base import InputError
from evovae.encodings import LatentEncoding
from evovae.explorer import run_watcher
from evovae.explorer.cards import Model
from evovae.explorer.workspace import Explored
from evovae.models import VAE, VAE_FILE
from evovae.runs import PROBE_FILE, decodes_as, genomes, stamp_of


class UnknownRunError(InputError):
    """There is no run of this key."""


class WatchedRuns:
    """Finds runs, and what decodes them: what is explored, or the VAE that a run keeps.

    Args:
        explored: beside what they are watched.
    """

    def __init__(self, explored: Explored) -> None:
        self._explored = explored
        self._digest_at = functools.lru_cache(maxsize=256)(lambda path, stamp: genomes.digest_of(VAE.load(path)))
        self._same_at = functools.lru_cache(maxsize=256)(lambda run, stamp: decodes_as(run, explored.model.encoding))
        self._model_at = functools.lru_cache(maxsize=4)(
            lambda path, stamp: Model(LatentEncoding(VAE.load(path)), None, None)
        )

    def get(self, key: str) -> Path:
        """Return the folder of a run.

        Raises:
            UnknownRunError: if there is none of this key.
        """
        runs = run_watcher.find_runs(self._explored.runs)
        if key not in runs:
            raise UnknownRunError("there is no such run: choose one of the list")
        return runs[key]

    def is_compatible(self, run: Path) -> bool:
        """Return whether a run's genomes are of the VAE or generator that is explored."""
        path, stamp = _vae_of(run)
        if stamp > 0:
            return bool(self._digest_at(path, stamp) == self._explored.digest)
        probe = stamp_of(run / PROBE_FILE)
        return probe is not None and self._same_at(run, probe)

    def has_model(self, run: Path) -> bool:
        """Return whether there is what decodes a run's genomes."""
        return self.is_compatible(run) or _vae_of(run)[1] > 0

    def model_of(self, run: Path) -> Model:
        """Return what decodes a run's genomes; there must be a model."""
        return self._explored.model if self.is_compatible(run) else self._model_at(*_vae_of(run))


def _vae_of(run: Path) -> tuple[Path, int]:
    path = run / VAE_FILE
    return path, path.stat().st_mtime_ns if path.is_file() else 0
