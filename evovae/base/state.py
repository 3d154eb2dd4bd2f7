"""Resumable state: tensors by name, which a file holds as they are."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from evovae.base.errors import InputError


class State(dict[str, Tensor]):
    """Tensors by name; asked for one that it has not, it raises `InputError`.

    Made of any mapping of tensors: what restores from a state takes one that a file gave back. `torch.save` writes it
    as an ordered dictionary, which `torch.load` reads again.
    """

    def __reduce__(self) -> tuple[Any, ...]:
        """Be a plain mapping to `torch.load`, which reads no other classes."""
        return OrderedDict, (), None, None, iter(self.items())

    def __missing__(self, name: str) -> Tensor:
        raise InputError(f"the state has no {name}: it is of another run, or of another version")

    def part(self, name: str) -> State:
        """Return what `join` put under `name`."""
        start = f"{name}/"
        return State({key.removeprefix(start): tensor for key, tensor in self.items() if key.startswith(start)})

    def number(self, name: str) -> int:
        """Return the whole number kept as `name`."""
        return int(self.like(name, torch.tensor(0)))

    def real(self, name: str) -> float:
        """Return the number kept as `name`."""
        return float(self.like(name, torch.zeros((), dtype=torch.float64)))

    def bytes(self, name: str) -> bytes:
        """Return the bytes kept as `name`."""
        return self[name].numpy().tobytes()

    def like(self, name: str, other: Tensor) -> Tensor:
        """Return the tensor `name` on the device of `other`, which has the same shape and type."""
        found = self[name]
        if found.shape != other.shape or found.dtype != other.dtype:
            raise InputError(
                f"the state has {name} as {found.dtype} of shape {tuple(found.shape)}: "
                f"expected {other.dtype} of {tuple(other.shape)}"
            )
        return found.to(other.device)

    def all_like(self, others: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return the tensors of the names of `others`, each as `like` does: what a module's `load_state_dict` takes."""
        return {name: self.like(name, other) for name, other in others.items()}


class Stateful(Protocol):
    """What can be interrupted and resumed, bit for bit; by convention `restore` takes up what `state` gave."""

    def state(self) -> State:
        """Return all that is needed to resume from here, in an object made with the same arguments."""


def join(**parts: Mapping[str, Tensor] | Tensor | float | bytes) -> State:
    """Return tensors, numbers, bytes and other states, each under its name, as one state."""
    joined = State()
    for name, part in parts.items():
        if isinstance(part, Mapping):
            joined |= {f"{name}/{key}": tensor for key, tensor in part.items()}
        elif isinstance(part, bytes):
            joined[name] = torch.from_numpy(np.frombuffer(part, dtype=np.uint8).copy())
        else:
            joined[name] = torch.as_tensor(part, dtype=torch.float64 if isinstance(part, float) else None)
    return joined


def adam_state(adam: torch.optim.Adam) -> State:
    """Return what Adam has learned of each parameter; nothing before its first step."""
    found = adam.state_dict()["state"]
    return join(**{str(number): values for number, values in found.items()})


def restore_adam(adam: torch.optim.Adam, state: State) -> None:
    """Take up what `adam_state` gave.

    Raises:
        InputError: if it is that of other parameters.
    """
    learned: dict[int, dict[str, Tensor]] = {}
    parameters = [parameter for group in adam.param_groups for parameter in group["params"]]
    for number, parameter in enumerate(parameters if state else []):
        part, shaped = state.part(str(number)), parameter.detach()
        # Laid out in memory as the parameter is: a fused step takes them number by number, wherever these belong.
        laid = {name: torch.empty_like(shaped).copy_(part.like(name, shaped)) for name in ("exp_avg", "exp_avg_sq")}
        learned[number] = laid
        learned[number]["step"] = part.like("step", torch.tensor(0.0))
    adam.load_state_dict({"state": learned, "param_groups": adam.state_dict()["param_groups"]})
