"""The one way through the house: a room imports only from earlier rooms, and nothing unsafe or global is used."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "evovae"

# Earlier rooms first; rooms on one line know nothing of each other.
ROOMS = [
    ["errors"],
    ["files", "statistics", "devices", "streams", "progress"],
    ["drawing", "data"],
    ["config", "plots"],
    ["networks", "classifiers"],
    ["vae"],
    ["likelihood", "training", "judges"],
    ["encodings", "objectives"],
    ["evolution", "realism"],
    ["runs", "recipes"],
    ["searches"],
    ["jobs", "figures"],
    ["report", "studies"],
    ["demo"],
    ["cli"],
    ["__main__"],
]
LEVEL = {room: level for level, rooms in enumerate(ROOMS) for room in rooms}
MODULES = sorted(PACKAGE.rglob("*.py"))


def room_of(module: str) -> str:
    return module.split(".")[1] if "." in module else ""


def imported_rooms(path: Path) -> set[str]:
    """Rooms of evovae that a module imports, in functions too; names for type checking alone count as well."""
    rooms = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module == "evovae":
            names = [f"evovae.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module]
        else:
            continue
        rooms |= {room_of(name) for name in names if name.split(".")[0] == "evovae"}
    return rooms - {""}


def own_room(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


@pytest.mark.parametrize("path", [p for p in MODULES if p != PACKAGE / "__init__.py"], ids=own_room)
def test_a_room_imports_only_from_earlier_rooms(path: Path) -> None:
    room = own_room(path)
    backwards = {other for other in imported_rooms(path) if other != room and LEVEL[other] >= LEVEL[room]}
    assert not backwards, f"{path.name} steps back to {backwards}"


def test_evolution_knows_neither_images_nor_disk() -> None:
    for path in (PACKAGE / "evolution").glob("*.py"):
        assert not imported_rooms(path) & {"data", "files", "runs", "vae", "plots", "judges"}, path.name


def test_no_pickle_is_ever_loaded() -> None:
    for path in MODULES:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import | ast.ImportFrom):
                names = [alias.name for alias in node.names] + [getattr(node, "module", None) or ""]
                assert not {"pickle", "cloudpickle", "joblib", "shelve"} & set(names), path.name
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
                assert (node.value.id, node.attr) not in {("torch", "load"), ("np", "load"), ("numpy", "load")}, (
                    path.name
                )


def test_no_global_random_state_is_used() -> None:
    """`numpy.random` offers global functions beside its generators; torch's are told by the missing generator."""
    for path in MODULES:
        allowed = {"default_rng", "SeedSequence", "Generator"}
        if path.name == "streams.py":  # lends the global state to libraries that insist on it, and puts it back
            allowed |= {"get_state", "set_state", "seed"}
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
                continue
            name = ast.unparse(node.func)  # of a chain of calls, each link comes by itself
            if name.startswith(("np.random.", "numpy.random.")) and "(" not in name:
                assert name.rpartition(".")[2] in allowed, f"{path.name}: {name}"
            if name in {"torch.rand", "torch.randn", "torch.randint", "torch.randperm", "torch.bernoulli"}:
                keywords = {keyword.arg for keyword in node.keywords}
                assert "generator" in keywords, f"{path.name}: {name} without a generator"
            assert name not in {"torch.manual_seed", "torch.rand_like", "torch.randn_like", "random.seed"}, path.name


@pytest.mark.parametrize("module", ["evovae", "evovae.cli", "evovae.config", "evovae.plots", "evovae.statistics"])
def test_light_modules_do_not_import_torch(module: str) -> None:
    code = f"import sys, {module}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_every_public_name_is_there() -> None:
    code = "import evovae; [getattr(evovae, name) for name in evovae.__all__]; from evovae import evolution, objectives"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
