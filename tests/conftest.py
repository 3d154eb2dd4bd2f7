"""What every test shares: one torch thread, files in memory, the digits, a watch over the global random state."""

import functools
import os
import random
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import rich.style  # noqa: F401  it draws a number when it is first imported
import torch

import evovae
from evovae.data import ImageSet, load
from evovae.runs.folders import provenance

torch.set_num_threads(1)

MEMORY = Path("/dev/shm")
ROOM = 2**30
"""Bytes that the files of a test may need."""
if "TMPDIR" not in os.environ and os.access(MEMORY, os.W_OK) and shutil.disk_usage(MEMORY).free >= ROOM:
    # Every file of a run is synced: on a disk tests would wait for that as long as they compute.
    os.environ["TMPDIR"] = str(MEMORY)
    tempfile.tempdir = None  # asks again


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let the files that take longest begin first."""
    items.sort(key=lambda item: item.get_closest_marker("early") is None)


@pytest.fixture(scope="session")
def digits() -> ImageSet:
    """MNIST as it ships with evovae. Shared: look, do not write."""
    return evovae.load_images("mnist")


@pytest.fixture(scope="session", autouse=True)
def _mnist_is_read_and_git_is_asked_once() -> Iterator[None]:
    """Either takes as long as many a test."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(load, "_load_mnist", functools.cache(load._load_mnist))
        patch.setattr(provenance, "_commit", functools.cache(provenance._commit))
        yield


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A cache that is not the user's."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(autouse=True)
def _global_random_state_stays_untouched(request: pytest.FixtureRequest) -> Iterator[None]:
    before = _global_random_state()
    yield
    after = _global_random_state()
    if hasattr(request.module, "cli"):
        # tyro, which reads the command line, decides by Python's random numbers when to empty its caches.
        del after["random"]
    for library, state in after.items():
        assert state == before[library], f"the test changed the global random state of {library}"


@pytest.fixture
def stock_random() -> Iterator[None]:
    """Python's global random numbers, which DEAP draws from: seeded for this test, and put back afterwards."""
    before = random.getstate()
    random.seed(2012)
    yield
    random.setstate(before)


def _global_random_state() -> dict[str, object]:
    name, keys, *rest = np.random.get_state()  # noqa: NPY002 - the global state is what is watched
    return {
        "torch": torch.get_rng_state().numpy().tobytes(),
        "numpy": (name, keys.tobytes(), *rest),
        "random": random.getstate(),
    }
