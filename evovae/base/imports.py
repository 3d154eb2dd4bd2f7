"""Things of a user's own code that are named on a command line: `file.py:name` or `module:name`."""

from __future__ import annotations

import contextlib
import difflib
import hashlib
import importlib
import importlib.util
import sys
import traceback
from collections.abc import Iterator, Mapping
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import ModuleType
from typing import Any

from evovae.base.errors import InputError, shown


def load_named(spec: str, what: str) -> object:
    """Import what `spec` names: `file.py:name`, or `module:name` of a module that Python finds.

    This runs the user's own code. While a file is imported, its folder is the first place where imports are looked for;
    neither the file nor what it imports from there is left where another import would find it. A file that has not
    changed is imported once.

    Args:
        spec: what to import.
        what: what it is, for messages, such as "generator".

    Raises:
        InputError: if there is no such file, module or name, or the import fails.
    """
    place, name = _split(spec, what)
    module = _import_file(Path(place), spec, what) if place.endswith(".py") else _import_module(place, spec, what)
    if not hasattr(module, name):
        near = difflib.get_close_matches(name, [known for known in vars(module) if not known.startswith("_")])
        meant = f"; did you mean {' or '.join(near)}?" if near else f"; give the name of a function in {place}"
        raise InputError(f"{what} is {shown(spec)}: {place} has no {shown(name)}{meant}")
    return getattr(module, name)


def source_of(spec: str) -> Path | None:
    """Return the absolute path of the file that `spec` (`file.py:name` or `module:name`) names something in.

    The module itself is not imported, the packages that it lies in are. None if it has no file, as built-in ones, or is
    not found.
    """
    place = spec.rpartition(":")[0]
    if place.endswith(".py"):
        return Path(place).resolve()
    try:
        found = importlib.util.find_spec(place)
    except (ImportError, ValueError, AttributeError):
        return None
    return Path(found.origin).resolve() if found and found.has_location and found.origin else None


def failure(error: BaseException, path: str | Path | None) -> str:
    """Return in one line what went wrong in a user's code: type and message, and the line of the file at `path`."""
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(path)]
    if isinstance(error, SyntaxError) and error.filename == str(path):
        lines.append(error.lineno)
    said = error.msg if isinstance(error, SyntaxError) else " ".join(str(error).split())
    where = f" (line {lines[-1]} of {path})" if lines else ""
    return f"{type(error).__name__}{': ' if said else ''}{said[:200]}{where}"


def _split(spec: str, what: str) -> tuple[str, str]:
    place, _, name = spec.rpartition(":")
    if not place or not name.isidentifier():
        raise InputError(f"{what} is {shown(spec)}: expected FILE.py:NAME, or MODULE:NAME")
    return place, name


def _import_file(path: Path, spec: str, what: str) -> ModuleType:
    path = path.resolve()
    try:
        content = path.read_bytes()
    except (OSError, ValueError) as error:
        raise InputError(f"{what} is {shown(spec)}: there is no file {path} that can be read") from error
    # Of its place and content: no other module has this name, and a file that has changed is imported anew.
    name = f"_evovae_{hashlib.sha256(str(path).encode() + content).hexdigest()[:16]}"
    if name in sys.modules:
        return sys.modules[name]
    found = importlib.util.spec_from_file_location(name, path, loader=_FromSource(name, str(path)))
    assert found is not None
    assert found.loader is not None
    module = importlib.util.module_from_spec(found)
    sys.modules[name] = module  # where dataclasses look for the module that they are in
    try:
        with _importable(path.parent):
            found.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        del sys.modules[name]
        raise InputError(f"{what} is {shown(spec)}: it cannot be imported: {failure(error, path)}") from error
    return module


def _import_module(name: str, spec: str, what: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is not None and (name == error.name or name.startswith(f"{error.name}.")):
            hint = "a file is named as FILE.py:NAME"
            raise InputError(f"{what} is {shown(spec)}: there is no module {error.name} here; {hint}") from error
        raise InputError(
            f"{what} is {shown(spec)}: it cannot be imported: {failure(error, source_of(spec))}"
        ) from error
    except (Exception, SystemExit) as error:
        raise InputError(
            f"{what} is {shown(spec)}: it cannot be imported: {failure(error, source_of(spec))}"
        ) from error


class _FromSource(SourceFileLoader):
    """Compiles the file as it is: compiled code that is kept may be older, and would be written beside it."""

    def path_stats(self, path: str) -> Mapping[str, Any]:
        """Say that no time of change is known, without which Python neither reads compiled code nor writes it."""
        raise OSError(f"no compiled code of {path} is wanted")


@contextlib.contextmanager
def _importable(folder: Path) -> Iterator[None]:
    """Let imports find what is in `folder`; afterwards neither it nor what was first imported from there is found."""
    before, writes_nothing = set(sys.modules), sys.dont_write_bytecode
    sys.path.insert(0, str(folder))
    sys.dont_write_bytecode = True
    try:
        yield
    finally:
        sys.dont_write_bytecode = writes_nothing
        sys.path.remove(str(folder))
        for name in sys.modules.keys() - before:
            top = name.partition(".")[0]
            if top not in before and str(folder) not in sys.path and _lies_in(sys.modules[name], folder / top):
                del sys.modules[name]


def _lies_in(module: ModuleType, place: Path) -> bool:
    """Whether a module comes from the package `place`, or the file of this name."""
    file = Path(getattr(module, "__file__", None) or "/")
    return file.is_relative_to(place) or file == place.with_suffix(".py")
