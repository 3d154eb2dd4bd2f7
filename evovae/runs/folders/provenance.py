"""Where a result comes from: command, versions, commit and machine."""

from __future__ import annotations

import functools
import platform
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

import torch

LIBRARIES = ("evovae", "torch", "torchvision", "deap", "numpy", "scipy", "pandas", "matplotlib", "safetensors")


def describe_environment() -> dict[str, Any]:
    """Return what a result may depend on beside its settings: versions, commit, machine, command."""
    return {
        "command": [*_program(), *sys.argv[1:]],
        "versions": {"python": platform.python_version()} | {name: _version(name) for name in LIBRARIES},
        "commit": _commit(),
        "platform": f"{platform.system()} {platform.machine()}",
        "processor": torch.backends.cpu.get_cpu_capability(),
        "cuda": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        "threads": torch.get_num_threads(),
    }


def _program() -> list[str]:
    script = Path(sys.argv[0])
    return ["python", f"{script.parent.name}/{script.name}"] if script.suffix == ".py" else [script.name]


@functools.cache
def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _commit() -> str | None:
    """The commit that this source tree is at, with `+changes` when it was edited since; None outside a checkout."""
    root = Path(__file__).parents[3]
    if not (root / ".git").exists():
        return None
    try:
        git = ["git", "-C", str(root)]
        head = subprocess.run([*git, "rev-parse", "HEAD"], capture_output=True, text=True, check=True).stdout.strip()
        changes = subprocess.run(
            [*git, "diff", "--quiet", "HEAD", "--", "evovae", "experiments"], check=False
        ).returncode
    except (OSError, subprocess.CalledProcessError):
        return None
    return head + ("+changes" if changes else "")
