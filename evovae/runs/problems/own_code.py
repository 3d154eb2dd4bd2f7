"""Files of the user's own that a run is made of: code and models. Each is known by its content; code is not just run.

To load a file of code is to run it. A command that names one may; a run folder may not, for it may come from anybody:
its code is run again only where this user's own command named that file before, or says `--trust`.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
from pathlib import Path

from evovae.base import InputError, files, load_named, source_of
from evovae.data import default_data_dir
from evovae.runs.settings import Source

MODELS = (".pt2", ".onnx")
"""Endings of files that are read and not run."""
FILES = (*MODELS, ".py")
"""Endings of what names a file; anything else is a module."""
REGISTER = "own_code.json"


class OwnCode:
    """What a run loads of the user's own, and what it was.

    Args:
        known: of a run that is entered again, its sources; None for a new one.
        trust: run the code all the same that no command of this user has named.
        changed: take files that have changed since the run began.

    Attributes:
        sources: what was admitted.
        altered: files that have changed and are taken.
    """

    def __init__(self, known: tuple[Source, ...] | None = None, *, trust: bool = False, changed: bool = False) -> None:
        self._known = None if known is None else {source.named: source for source in known}
        self._trust, self._changed = trust, changed
        self.sources: tuple[Source, ...] = ()
        self.altered: list[str] = []

    def load(self, spec: str, what: str) -> object:
        """Run the code in which `spec` (`file.py:name` or `module:name`) names something, and return that.

        Raises:
            InputError: as `admit` and `load_named`.
        """
        return load_named(self.admit(spec, what), what)

    def admit(self, spec: str, what: str) -> str:
        """Remember the file that `spec` names, before it is read or run; return `spec` with the path that it has.

        Raises:
            InputError: if it has changed since the run began, or is code that this user's commands have not named.
        """
        place, colon, name = (spec, "", "") if spec.endswith(MODELS) else spec.rpartition(":")
        before = None if self._known is None else self._known.get(place)
        if self._known is not None and not any(source.named == place for source in self.sources):
            self._require_own(place, before, what)
        if before is not None:  # the command may have been given elsewhere
            path: Path | None = Path(before.path)
        else:
            path = Path(place).resolve() if place.endswith(FILES) else source_of(spec)
        if path is None or not path.is_file():
            return spec  # who loads it says what is wrong
        source = Source(place, str(path), hashlib.sha256(path.read_bytes()).hexdigest())
        if source not in self.sources:
            if self._known is not None:
                self._require_same(source, before, what)
            if not place.endswith(MODELS):
                _remember(source)
            self.sources += (source,)
        return f"{path}{colon}{name}" if place.endswith(FILES) else spec

    def _require_own(self, place: str, before: Source | None, what: str) -> None:
        """Refuse code in `place` that no command of this user named, unless it is trusted; imports nothing."""
        if place.endswith(MODELS) or self._trust:
            return
        own = before is not None and _key(before) in _remembered()
        if before is None or not own or not (place.endswith(FILES) or _leads_to(place, Path(before.path))):
            where = place if before is None else before.path
            reason = "is code, and no command of yours has named it; if you trust it, give --trust"
            raise InputError(f"{what}: {where} {reason}")

    def _require_same(self, source: Source, before: Source | None, what: str) -> None:
        if before is not None and before.sha256 == source.sha256:
            return
        if not self._changed:
            reason = "has changed since the run began; to go on all the same, give --changed"
            raise InputError(f"{what}: {source.path} {reason}")
        self.altered.append(source.path)


def _leads_to(module: str, path: Path) -> bool:
    """Whether the top of a module's name is found where `path` lies: what is imported then lies there, too."""
    found = importlib.util.find_spec(module.partition(".")[0])  # imports nothing
    if found is None or found.origin is None:
        return False
    places = found.submodule_search_locations
    return Path(found.origin).resolve() == path if places is None else any(map(path.is_relative_to, places))


def _key(source: Source) -> str:
    """Return the name of a source in the register: of a module its own, too, for by that it is imported."""
    return source.path if source.named.endswith(FILES) else f"{source.named} {source.path}"


def _remembered() -> list[str]:
    """Return the keys of the code that this user's commands have named."""
    with contextlib.suppress(InputError, RuntimeError):
        return list(files.read_json(default_data_dir() / REGISTER))
    return []


def _remember(source: Source) -> None:
    with contextlib.suppress(InputError, RuntimeError, OSError):
        known = _remembered()
        if _key(source) not in known:
            folder = default_data_dir()
            folder.mkdir(parents=True, exist_ok=True)
            files.write_json(folder / REGISTER, dict.fromkeys([*known, _key(source)], "named by a command"))
