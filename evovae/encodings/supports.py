"""Where genomes may lie, by name. Imports no torch."""

from __future__ import annotations

from typing import Literal

Support = Literal["free", "box", "ball", "shell"]
