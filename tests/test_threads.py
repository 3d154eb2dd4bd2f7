"""How torch's threads wait for one another: said before libgomp is loaded, and a user's own word is the last."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest
from places import EXPERIMENTS

import evovae

EXPERIMENTS = sorted((EXPERIMENTS).rglob("*.py"))
SETTINGS = ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY")


def printed(*command: str, **settings: str) -> str:
    environment = {name: value for name, value in os.environ.items() if name not in SETTINGS} | settings
    done = subprocess.run([sys.executable, *command], env=environment, capture_output=True, text=True, check=True)
    return done.stdout + done.stderr


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, evovae.SPINS),
        ({"GOMP_SPINCOUNT": "7"}, "7"),
        ({"OMP_WAIT_POLICY": "PASSIVE"}, "None"),
        ({"OMP_WAIT_POLICY": "active"}, "None"),
        ({"OMP_NUM_THREADS": "3"}, evovae.SPINS),
    ],
)
def test_what_the_user_says_of_waiting_is_kept(settings: dict[str, str], expected: str) -> None:
    code = "import evovae, os, sys; print(os.environ.get('GOMP_SPINCOUNT'), 'torch' in sys.modules)"
    assert printed("-c", code, **settings) == f"{expected} False\n"


@pytest.mark.parametrize(
    "command", [("-m", "evovae", "info"), (str(EXPERIMENTS[0].parent / "speed_training.py"), "--help")]
)
def test_libgomp_hears_it(command: tuple[str, ...]) -> None:
    assert f"GOMP_SPINCOUNT = '{evovae.SPINS}'" in printed(*command, OMP_DISPLAY_ENV="verbose")


@pytest.mark.parametrize("path", EXPERIMENTS, ids=lambda path: path.stem)
def test_scripts_import_evovae_before_torch(path: Path) -> None:
    names = []
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names.append(node.module or "")
    libraries = [name.partition(".")[0] for name in names]
    with_libgomp = {"torch", "torchvision"} & set(libraries)
    assert not with_libgomp or libraries.index("evovae") < min(libraries.index(name) for name in with_libgomp)
