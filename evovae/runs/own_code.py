"""Files of the user's own that a run is made of: code and models. Each is known by its content; code is not just run.

To load a file of code is to run it. A command that names one may; a run folder may not, for it may come from anybody:
its code is run again only where this user's own command named that file before, or says `--trust`.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterable
from pathlib import Path

from evovae.base import InputError, files, load_named, source_of
from evovae.data import default_data_dir

MODELS = (".pt2", ".onnx")
"""Endings of files that are read and not run."""
REGISTER = "own_code.json"


class OwnCode:
    """What a run loads of the user's own, and what it was.

    Args:
        known: of a run that is entered again, its `sources`; None for a new one.
        trust: run the code all the same that no command of this user has named.
        changed: take files that have changed since the run began.

    Attributes:
        altered: files that have changed and are taken.
    """

    def __init__(self, known: Iterable[str] | None = None, *, trust: bool = False, changed: bool = False) -> None:
        self._known: dict[str, str] | None = None
        if known is not None:
            self._known = {path: digest for digest, _, path in (entry.partition(" ") for entry in known)}
        self._trust, self._changed = trust, changed
        self._found: dict[str, str] = {}
        self.altered: list[str] = []

    @property
    def sources(self) -> tuple[str, ...]:
        """What was admitted, each file as the SHA-256 of its content, a space and its path."""
        return tuple(f"{digest} {path}" for path, digest in self._found.items())

    def load(self, spec: str, what: str) -> object:
        """Run the code in which `spec` (`file.py:name` or `module:name`) names something, and return that.

        Raises:
            InputError: as `admit` and `load_named`.
        """
        self.admit(spec, what)
        return load_named(spec, what)

    def admit(self, spec: str, what: str) -> None:
        """Remember the file that `spec` names, before it is read or run.

        Raises:
            InputError: if it has changed since the run began, or is code that this user's commands have not named.
        """
        path = Path(spec).resolve() if spec.endswith(MODELS) else source_of(spec)
        if path is None or not path.is_file() or str(path) in self._found:
            return  # who loads it says what is wrong
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        if self._known is not None:
            self._require_known(str(path), digest, what)
        self._found[str(path)] = digest
        if not spec.endswith(MODELS):
            _remember(str(path), digest)

    def _require_known(self, path: str, digest: str, what: str) -> None:
        assert self._known is not None
        before = self._known.get(path)
        if before != digest and not self._changed:
            raise InputError(f"{what}: {path} has changed since the run began; to go on all the same, give --changed")
        if before != digest:
            self.altered.append(path)
        if not (path.endswith(MODELS) or self._trust or _remembered().get(path) in (digest, before)):
            raise InputError(
                f"{what}: {path} is code, and no command of yours has named it; if you trust it, give --trust"
            )


def _remembered() -> dict[str, str]:
    """Return the code that this user's commands have named: by path the SHA-256 of its content."""
    with contextlib.suppress(InputError, RuntimeError):
        return {path: str(digest) for path, digest in files.read_json(default_data_dir() / REGISTER).items()}
    return {}


def _remember(path: str, digest: str) -> None:
    with contextlib.suppress(InputError, RuntimeError, OSError):
        known = _remembered()
        if known.get(path) != digest:
            folder = default_data_dir()
            folder.mkdir(parents=True, exist_ok=True)
            files.write_json(folder / REGISTER, known | {path: digest})
