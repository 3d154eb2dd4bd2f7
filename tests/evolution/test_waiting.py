"""On a GPU nothing inside a generation makes the host wait: told by what is called, and by CUDA where there is one."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
import torch
from deap import base
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

import evovae
from evovae import evolution, objectives
from evovae.base import Streams
from evovae.encodings import LatentEncoding
from evovae.evolution import EvaluationError, Generation, roles, variation

# What brings a value from the device to the host, or has a result whose shape depends on values.
WAITING = {"_local_scalar_dense", "nonzero", "masked_select", "equal", "_unique2", "unique_dim", "bincount", "_to_copy"}
# How the host reads a tensor.
READING = {"cpu", "numpy", "tolist", "item", "__array__", "__bool__", "__int__", "__float__", "__index__"}
ALGORITHMS = {
    "eaSimple": lambda population, box: evolution.eaSimple_iter(
        population, box, 0.5, 0.2, 4, evolution.HallOfFame(3), elites=1
    ),
    "eaMuPlusLambda": lambda population, box: evolution.eaMuPlusLambda_iter(population, box, 20, 20, 0.5, 0.3, 4),
    "eaMuCommaLambda": lambda population, box: evolution.eaMuCommaLambda_iter(population, box, 20, 30, 0.5, 0.3, 4),
    "random_search": lambda population, box: evolution.random_search_iter(population, box, 100),
}
algorithms = pytest.mark.parametrize("algorithm", ALGORITHMS.values(), ids=ALGORITHMS.keys())
# Adam asks for the number of its step, which lies on the host.
on_cuda = ALGORITHMS | {"gradient_ascent": lambda population, box: evolution.gradient_ascent_iter(population, box, 100)}


class NeverWaiting(TorchDispatchMode):
    """Fails on operations that would wait for a device, were the tensors on one."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = func.overloadpacket.__name__
        moves = name == "_to_copy" and (kwargs or {}).get("device") is not None
        assert name not in WAITING or (name == "_to_copy" and not moves), f"{name} waits for the device"
        return func(*args, **(kwargs or {}))


class NeverReading(TorchFunctionMode):
    """Fails on methods that read a tensor on the host: of one that lies there already, no operation would tell."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = getattr(func, "__name__", "")
        assert name not in READING, f"{name} waits for the device"
        return func(*args, **(kwargs or {}))


@contextmanager
def never_waiting() -> Iterator[None]:
    with NeverWaiting(), NeverReading():
        yield


@contextmanager
def cuda_refuses_to_wait() -> Iterator[None]:
    torch.cuda.set_sync_debug_mode("error")
    try:
        yield
    finally:
        torch.cuda.set_sync_debug_mode("default")


def latent(device: str, digits) -> base.Toolbox:
    vae = evovae.VAE(evovae.VAEConfig(latent_dim=6, hidden=(16,)), seed=3).to(device)
    return evolution.toolbox(LatentEncoding(vae), objectives.target(digits.test.images[0]))


def first_and_rest(algorithm, box: base.Toolbox) -> tuple[Iterator[Generation], Generation]:
    generations = algorithm(box.population(n=20, replicates=3), box)
    return generations, next(generations)  # the first puts weights and targets on the device


@algorithms
def test_a_generation_asks_for_nothing_that_waits(monkeypatch, digits, algorithm):
    for module in (variation, roles):
        monkeypatch.setattr(module, "counts_are_free", lambda tensor: False)
    generations, _ = first_and_rest(algorithm, latent("cpu", digits))
    with never_waiting():
        assert len(list(generations)) == 4


def test_what_waits_is_noticed(digits):
    generations, _ = first_and_rest(ALGORITHMS["eaSimple"], latent("cpu", digits))
    with never_waiting(), pytest.raises(AssertionError, match="nonzero waits"):
        next(generations)  # only the changed genomes are counted and decoded where that is free


READERS = {
    "cpu": lambda values: values.cpu(),
    "numpy": lambda values: values.numpy(),
    "tolist": lambda values: values.tolist(),
    "item": lambda values: values.sum().item(),
    "__bool__": lambda values: bool(values.isnan().any()),
    "__array__": np.asarray,
}


@pytest.mark.parametrize("name", READERS)
def test_a_tensor_that_is_read_is_noticed_wherever_it_lies(monkeypatch, digits, name):
    def reading(streams: Streams, *shape: int) -> torch.Tensor:
        drawn = uniform(streams, *shape)
        READERS[name](drawn)
        return drawn

    uniform = Streams.uniform
    for module in (variation, roles):
        monkeypatch.setattr(module, "counts_are_free", lambda tensor: False)
    generations, _ = first_and_rest(ALGORITHMS["eaSimple"], latent("cpu", digits))
    monkeypatch.setattr(Streams, "uniform", reading)
    with never_waiting(), pytest.raises(EvaluationError, match=f"{name} waits for the device"):
        next(generations)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")
@pytest.mark.parametrize("algorithm", on_cuda.values(), ids=on_cuda.keys())
def test_cuda_does_not_wait_inside_a_generation(digits, algorithm):
    generations, _ = first_and_rest(algorithm, latent("cuda", digits))
    with cuda_refuses_to_wait():
        for generation in generations:
            assert generation.population.genomes.is_cuda
    statistics = generation.statistics()
    assert statistics["nevals"].shape == (3,)
