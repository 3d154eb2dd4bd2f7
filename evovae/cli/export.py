"""The command that writes a decoder for other programs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro


@dataclass(frozen=True)
class Export:
    """Write the decoder of a trained VAE to a file that other programs read."""

    vae: Annotated[Path, tyro.conf.Positional]
    """A VAE: a run folder of evovae train, or a .safetensors file."""
    to: Path
    """File to write, .pt2 of torch.export or .onnx: codes drawn from N(0, I) in, images in [0, 1] out."""
    overwrite: bool = False
    """Replace the file TO."""

    def run(self) -> None:
        """Write the file, and say where."""
        from evovae.encodings import export_decoder
        from evovae.runs import load_vae

        export_decoder(load_vae(self.vae), self.to, overwrite=self.overwrite)
        print(self.to)
