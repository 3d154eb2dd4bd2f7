"""The one way through the house: a room takes only from rooms below it, and nothing unsafe or global is used."""

import ast
import importlib
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from house import PACKAGE, House
from places import EXPERIMENTS as SCRIPTS

# From the ground floor up.
ROOMS = [
    "base",
    "data",
    "analysis",
    "models",
    "encodings",
    "objectives",
    "environments",
    "evolution",
    "runs",
    "studies",
    "explorer",
    "cli",
]
# Of the files of evolution: those of one line know nothing of each other.
EVOLUTION = [
    ["individuals"],
    ["population", "protocols", "operators", "operators.parameters"],
    ["operators.crossover", "operators.mutation", "operators.selection", "operators.multiobjective"],
    ["roles", "run_state", "archives", "emitters"],
    [
        "archives.elites",
        "archives.insertion",
        "archives.hall_of_fame",
        "logbook",
        "strategies",
        "variation",
        "emitters.strategies",
    ],
    ["archives.archive", "archives.pareto_front", "emitters.strategies", "toolboxes", "generation"],
    ["archives.grid", "emitters.emitter", "emitters.rankers", "deap_bridge", "loop", "stopping", "stock_strategies"],
    ["archives.centroids", "archives.unstructured", "emitters.gaussian", "emitters.evolution_strategy"],
    ["emitters.bandit", "emitters.gradients", "algorithms", "generate_update", "baselines", "illumination"],
]
DOORS = {f"evovae.{room}" for room in ROOMS} | {"evovae.analysis.plots"}
"""Where a room is entered: by its own door, never by a file two levels down."""
MODULES = sorted(PACKAGE.rglob("*.py"))
EXPERIMENTS = sorted(SCRIPTS.rglob("*.py"))


def faults_of(house: House) -> list[str]:
    """Return every step back, every way around a door, and every circle of files."""
    faults = []
    for module, path in house.files.items():
        here = house.room(module)
        if here in ("", "__main__"):
            continue
        for one in house.imports(path):
            there = house.room(house.target(one))
            if there == here:
                continue
            what = f"{module} takes {one.module}.{one.name}".rstrip(".")
            if there not in ROOMS:
                if one.name != "__version__":
                    faults.append(f"{what}: no room")
            elif ROOMS.index(there) > ROOMS.index(here):
                faults.append(f"{what}: a step back")
            elif not DOORS & {one.module, f"{one.module}.{one.name}"}:
                faults.append(f"{what}: around the door")
    level = {f"evovae.evolution.{file}": level for level, files in enumerate(EVOLUTION) for file in files}
    faults += [
        f"{module} takes {target}: a step back"
        for module, target in house.arrows(typing=False)
        if module in level and target.startswith("evovae.evolution") and level[module] <= level[target]
    ]
    return faults + [f"a circle: {' -> '.join(circle)}" for circle in house.circles()]


def test_there_are_no_other_rooms() -> None:
    assert set(House().rooms()) == set(ROOMS)


def test_no_file_of_evolution_is_forgotten() -> None:
    files = {module for module in House().files if module.startswith("evovae.evolution.")}
    assert files == {f"evovae.evolution.{file}" for files in EVOLUTION for file in files}


def test_a_room_takes_only_from_rooms_below_and_by_their_doors() -> None:
    assert faults_of(House()) == []


def test_evolution_knows_genomes_and_fitness_alone() -> None:
    assert House().rooms()["evolution"] == {"base"}


@pytest.mark.parametrize(
    ("file", "line", "fault"),
    [
        ("data/load.py", "from evovae.models import VAE", "a step back"),
        ("data/load.py", "def later():\n    from evovae.models import VAE", "a step back"),
        ("data/load.py", "from evovae import fit", "a step back"),
        ("data/load.py", "from evovae import runs", "a step back"),
        ("data/load.py", "import evovae.models.vae", "a step back"),
        ("data/load.py", "import evovae\n\nevovae.fit", "a step back"),
        ("data/load.py", "import evovae as house\n\nhouse.fit", "a step back"),
        ("data/load.py", "from ..models import VAE", "a step back"),
        ("data/load.py", "from .. import models", "a step back"),
        ("evolution/operators/mutation.py", "from evovae.runs import Run", "a step back"),
        ("evolution/operators/mutation.py", "from ...runs import Run", "a step back"),
        ("models/vae.py", "from evovae.data.images import Images", "around the door"),
        ("models/vae.py", "import evovae.data.images", "around the door"),
        ("models/vae.py", "from ..data.images import Images", "around the door"),
        ("evolution/operators/mutation.py", "from evovae.evolution.algorithms import eaSimple", "a step back"),
        ("evolution/operators/mutation.py", "from ..roles import select", "a step back"),
        ("evolution/population.py", "from . import algorithms", "a step back"),
        ("evolution/population.py", "from evovae.evolution import toolbox", "a step back"),
        ("base/errors.py", "from evovae.base import require_whole", "a circle"),
        ("runs/folders/folder.py", "def later():\n    from ..evolutions import evolution_results", "a circle"),
    ],
)
def test_every_kind_of_step_back_is_seen(tmp_path: Path, file: str, line: str, fault: str) -> None:
    package = tmp_path / "evovae"
    shutil.copytree(PACKAGE, package, ignore=shutil.ignore_patterns("*.safetensors", "*.gz", "*.js", "__pycache__"))
    with open(package / file, "a") as source:
        source.write(f"\n{line}\n")
    assert any(fault in found for found in faults_of(House(package)))


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


def loads_weights_alone(source: str) -> bool:
    """Whether every `torch.load` in `source` is called there with `weights_only=True`, which builds tensors only."""
    nodes = list(ast.walk(ast.parse(source)))
    named = [node for node in nodes if isinstance(node, ast.Attribute) and ast.unparse(node) == "torch.load"]
    calls = [node for node in nodes if isinstance(node, ast.Call) and node.func in named]
    safe = [call for call in calls if "weights_only=True" in map(ast.unparse, call.keywords)]
    return len(named) == len(safe)


def test_no_pickle_is_ever_loaded() -> None:
    for path in (*MODULES, *EXPERIMENTS):
        source = path.read_text()
        found = ways_to_load_a_pickle(source)
        if path.parent == SCRIPTS / "generators" and loads_weights_alone(source):
            found -= {"torch.load"}  # other people's weights, as their packages come
        assert not found, path


@pytest.mark.parametrize(
    ("line", "alone"),
    [
        ("torch.load(path, weights_only=True)", True),
        ("torch.load(path)", False),
        ("torch.load(path, weights_only=False)", False),
        ("torch.load(path, weights_only=wanted)", False),
        ("load = torch.load", False),
        ("torch.load(path, weights_only=True), torch.load(path)", False),
    ],
)
def test_weights_of_others_are_loaded_as_nothing_but_weights(line: str, alone: bool) -> None:
    assert loads_weights_alone(line) is alone


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
        if path.name == "random.py":  # lends the global state to libraries that insist on it, and puts it back
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


@pytest.mark.parametrize(
    "module",
    ["evovae", *(f"evovae.{name}" for name in ("cli.commands", "models.config", "runs.config", "data.config"))],
)
def test_light_modules_do_not_import_torch(module: str) -> None:
    code = f"import sys, {module}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.usefixtures("stock_random")  # some libraries draw from it when they are imported
def test_every_name_of_every_door_is_there() -> None:
    for door in ("evovae", *sorted(DOORS)):
        module = importlib.import_module(door)
        assert set(module.__all__) <= set(dir(module))
        for name in module.__all__:
            getattr(module, name)


@pytest.mark.parametrize("name", ["evolution.toolbox", "objectives.target", "plots.trend", "VAE", "runs.evolve"])
def test_importing_evovae_is_enough(name: str) -> None:
    done = subprocess.run([sys.executable, "-c", f"import evovae; print(callable(evovae.{name}))"], capture_output=True)
    assert done.stdout == b"True\n"
