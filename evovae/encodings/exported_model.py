"""What is read of a decoder in a file, whatever its format."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from evovae.base import MAX_NUMBER, InputError, shown

METADATA = "evovae"
"""Under which evovae says, in JSON, what it has exported."""
FORMAT = 1


@dataclass(frozen=True)
class ExportedModel:
    """A decoder that was read from a file."""

    decode: Callable[[Tensor], Tensor]
    """Codes (B, *latent_shape) -> phenotypes (B, *shape)."""
    latent_shape: tuple[int, ...]
    shape: tuple[int, ...]
    metadata: dict[str, Any]
    """What evovae says of its own exports; empty of others."""
    most: int | None = None
    """Largest batch that it decodes, where there is one."""
    differentiable: bool = True
    """Whether gradients pass to the codes."""

    @property
    def range(self) -> tuple[float, float] | None:
        """Of its phenotypes, where evovae exported it.

        Raises:
            InputError: if the metadata is of another version, or damaged.
        """
        if not self.metadata:
            return None
        if self.metadata.get("format") != FORMAT:
            found = shown(self.metadata.get("format"))
            raise InputError(f"its metadata has format {found}: this evovae reads format {FORMAT}")
        limits: Any = self.metadata.get("range")
        sound = isinstance(limits, list) and len(limits) == 2 and all(type(x) in (int, float) for x in limits)
        if not sound or not all(-MAX_NUMBER <= x <= MAX_NUMBER for x in limits) or limits[0] >= limits[1]:
            raise InputError(f"its metadata has range {shown(limits)}: expected two numbers, the least first")
        return float(limits[0]), float(limits[1])


def describe(range: tuple[float, float]) -> str:
    """Return the metadata of an export whose phenotypes are in `range`."""
    return json.dumps({"format": FORMAT, "prior": "standard normal", "range": list(range)}, sort_keys=True)
