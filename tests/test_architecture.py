"""The one way through the house: a room imports only from earlier rooms, and nothing unsafe or global is used."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "evovae"

# Earlier rooms first; rooms on one line know nothing of each other.
ROOMS = [
    ["errors", "fonts", "interruption", "printing", "provenance"],
    ["checks", "class_names", "commandline", "files", "statistics", "devices", "state", "progress"],
    ["expressions", "reproduction", "streams", "tables"],
    ["drawing", "data"],
    ["config", "plots"],
    ["networks", "classifiers", "conflicts", "executors", "settings", "optimisers", "schedules"],
    ["vae", "propagation"],
    ["fidelity", "estimators", "likelihood", "judges", "genomes"],
    ["validation"],
    ["training"],
    ["early_stopping", "encodings", "objectives", "ensembles"],
    ["evolution", "realism"],
    ["courses", "runs", "recipes", "coil"],
    ["recording"],
    ["checkpoints", "searches", "cells"],
    ["findings"],
    ["jobs", "figures"],
    ["report", "studies"],
    ["demo", "explorer"],
    ["cli"],
    ["__main__"],
]
LEVEL = {room: level for level, rooms in enumerate(ROOMS) for room in rooms}
MODULES = sorted(PACKAGE.rglob("*.py"))
EXPERIMENTS = sorted((PACKAGE.parent / "experiments").rglob("*.py"))


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


# What runs code that a file holds, or may; torchvision's CIFAR is the one exception, and checks who wrote it first.
PICKLERS = {"pickle", "_pickle", "pickletools", "cloudpickle", "dill", "joblib", "marshal", "shelve", "copyreg"}
LOADERS = {"load", "read_pickle", "read_hdf", "allow_pickle", "load_state_dict_from_url", "unsafe_load"}


def ways_to_load_a_pickle(source: str) -> set[str]:
    """Names in `source` that import a pickler, wherever and however, or that load by way of one."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names if set(alias.name.split(".")) & PICKLERS}
        elif isinstance(node, ast.ImportFrom):
            library = (node.module or "").split(".")
            found |= {alias.name for alias in node.names if {alias.name, *library} & PICKLERS}
            if library[0] in {"torch", "numpy", "pandas"}:
                found |= {alias.name for alias in node.names} & LOADERS
        elif isinstance(node, ast.Attribute):
            library = ast.unparse(node.value).split(".")[0]
            if library in {"torch", "np", "numpy", "pd", "pandas"} and node.attr in LOADERS:
                found.add(ast.unparse(node))
            if node.attr in PICKLERS:
                found.add(ast.unparse(node))
        elif isinstance(node, ast.keyword) and node.arg == "allow_pickle":
            found.add("allow_pickle")
        elif isinstance(node, ast.Constant) and node.value in PICKLERS:  # importlib.import_module("pickle")
            found.add(node.value)
    return found


@pytest.mark.parametrize("path", [*MODULES, *EXPERIMENTS], ids=lambda path: path.stem)
def test_no_pickle_is_ever_loaded(path: Path) -> None:
    assert not ways_to_load_a_pickle(path.read_text())


@pytest.mark.parametrize(
    "source",
    [
        "import pickle",
        "import dill as json",
        "from pickle import loads",
        "from torch.serialization import pickle",
        "from multiprocessing.reduction import pickle as p",
        "importlib.import_module('cloudpickle')",
        "__import__('marshal')",
        "def later():\n    import joblib",
        "torch.load(path)",
        "from torch import load",
        "torch.jit.load(path)",
        "np.load(path)",
        "numpy.load(path, allow_pickle=True)",
        "memmap(path, allow_pickle=flag)",
        "pd.read_pickle(path)",
        "from pandas import read_pickle as read",
        "import shelve",
        "torch.serialization.pickle.loads(content)",
    ],
)
def test_every_way_to_load_a_pickle_would_be_noticed(source: str) -> None:
    assert ways_to_load_a_pickle(source)


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
