"""The house: its rooms, the arrows between them, the floors that these make, and the modules that a command enters.

python tests/house.py [PACKAGE]                  a line for each room of a package, as its files import one another
python tests/house.py --entered info             how many modules `evovae info`, or another command, imports
"""

import ast
import functools
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

PACKAGE = Path(__file__).parents[1] / "evovae"


@dataclass(frozen=True)
class Import:
    """What a file takes from where."""

    module: str
    """Dotted, with the package's name."""
    name: str
    """Of it; empty where the whole module is taken."""
    typing: bool
    """Only for the type checker."""


def module_of(path: Path, package: Path) -> str:
    """Return the dotted name of a file."""
    parts = path.relative_to(package.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports_of(source: str, module: str, is_package: bool = False) -> Iterator[Import]:
    """Yield what a file with this `source` imports of its own package: absolute, relative, in functions, by attribute.

    `import evovae` and `evovae.fit` afterwards take `fit` from the package as much as `from evovae import fit` does.
    """
    package = module.split(".")[0]
    tree = ast.parse(source)
    typed = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        for inner in ast.walk(node)
    }
    bound = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name.split(".")[0] == package:
                    bound.add(alias.asname or package)
                    if "." in alias.name:
                        yield Import(alias.name, "", id(node) in typed)
        elif isinstance(node, ast.ImportFrom):
            origin = node.module or ""
            if node.level:
                above = module.split(".")[: None if is_package and node.level == 1 else is_package - node.level]
                origin = ".".join([*above, *filter(None, [node.module])])
            if origin.split(".")[0] == package:
                for alias in node.names:
                    yield Import(origin, alias.name, id(node) in typed)
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in bound:
            yield Import(package, node.attr, False)


@functools.cache
def _imports_of(source: str, module: str, is_package: bool) -> tuple[Import, ...]:
    """Parse a file once, however often its house is walked through, or a copy in which another file differs."""
    return tuple(imports_of(source, module, is_package))


class House:
    """A package's files, and what they take from one another."""

    def __init__(self, package: Path = PACKAGE) -> None:
        self.package = package
        self.files = {module_of(path, package): path for path in sorted(package.rglob("*.py"))}
        self.doors = {module: self._door(path) for module, path in self.files.items() if path.name == "__init__.py"}

    def _door(self, path: Path) -> dict[str, str]:
        """Return from which modules a package's names come, as its `__init__.pyi`, or else its `__init__.py`, says."""
        stub = path.with_suffix(".pyi")
        source, module = (stub if stub.exists() else path).read_text(), module_of(path, self.package)
        return {found.name: found.module for found in _imports_of(source, module, True) if found.name}

    def imports(self, path: Path) -> list[Import]:
        """Return what a file takes."""
        return list(_imports_of(path.read_text(), module_of(path, self.package), path.name == "__init__.py"))

    def target(self, found: Import) -> str:
        """Return the module that an import reaches in the end."""
        module, name = found.module, found.name
        if name and f"{module}.{name}" in self.files:
            return f"{module}.{name}"
        if name in (door := self.doors.get(module, {})) and door[name] != module:
            return self.target(Import(door[name], name, found.typing))
        return module

    def room(self, module: str) -> str:
        """Return the room that a module lies in; empty for the package itself."""
        return module.split(".")[1] if "." in module else ""

    def arrows(self, typing: bool = True) -> set[tuple[str, str]]:
        """Return which module takes something from which; with or without what the type checker alone sees."""
        found = set()
        for module, path in self.files.items():
            if module == self.package.name:
                continue  # the package's own door names all
            for one in self.imports(path):
                if (target := self.target(one)) != module and (typing or not one.typing):
                    found.add((module, target))
        return found

    def circles(self) -> list[list[str]]:
        """Return a way around each circle of files that take from one another, but for the type checker's sake."""
        arrows: dict[str, set[str]] = {}
        for module, target in self.arrows(typing=False):
            arrows.setdefault(module, set()).add(target)
        found, done = [], set[str]()

        def walk(module: str, path: list[str]) -> None:
            if module in path:
                found.append([*path[path.index(module) :], module])
            elif module not in done:
                for target in sorted(arrows.get(module, ())):
                    walk(target, [*path, module])
                done.add(module)

        for module in sorted(arrows):
            walk(module, [])
        return found

    def rooms(self) -> dict[str, set[str]]:
        """Return the rooms, and for each the others that it takes something from."""
        rooms: dict[str, set[str]] = {self.room(module): set() for module in self.files}
        for module, target in self.arrows():
            here, there = self.room(module), self.room(target)
            if there and there != here:
                rooms[here].add(there)
        return {room: others for room, others in rooms.items() if room not in ("", "__main__")}

    def floors(self) -> dict[str, int]:
        """Return the floor that each room lies on: one above the highest that it takes something from."""
        rooms, floors = self.rooms(), dict[str, int]()

        def climb(room: str, path: tuple[str, ...]) -> int:
            if room in path:
                raise ValueError(f"rooms take from one another in a circle: {' -> '.join((*path, room))}")
            if room not in floors:
                floors[room] = 1 + max((climb(other, (*path, room)) for other in rooms[room]), default=-1)
            return floors[room]

        for room in rooms:
            climb(room, ())
        return floors


def entered(arguments: list[str]) -> list[str]:
    """Run `evovae` with these arguments and return the modules of evovae that were imported."""
    code = (
        "import atexit, sys; from evovae.__main__ import main; "
        "atexit.register(lambda: print('ENTERED', *sorted(n for n in sys.modules if n.startswith('evovae.')))); main()"
    )
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stderr)
    return next(line for line in reversed(done.stdout.splitlines()) if line.startswith("ENTERED ")).split()[1:]


def main() -> None:
    """Print the house, or what a command enters."""
    if sys.argv[1:2] == ["--entered"]:
        modules = entered(sys.argv[2:])
        rooms = {module.split(".")[1] for module in modules} - {"__main__"}
        print(
            f"evovae {' '.join(sys.argv[2:])}: {len(modules)} modules in {len(rooms)} rooms: {', '.join(sorted(rooms))}"
        )
        return
    house = House(Path(sys.argv[1]) if sys.argv[1:] else PACKAGE)
    rooms, floors = house.rooms(), house.floors()
    for room in sorted(rooms, key=lambda room: (-floors[room], room)):
        print(f"{floors[room]:2}  {room:14} takes from {', '.join(sorted(rooms[room])) or 'nothing'}")
    lines = sum(len(path.read_text().splitlines()) for path in house.files.values())
    print(
        f"{len(rooms)} rooms on {max(floors.values()) + 1} floors, {sum(map(len, rooms.values()))} arrows; "
        f"{len(house.files)} files, {len(house.arrows())} arrows, {lines:,} lines"
    )


if __name__ == "__main__":
    main()
