"""A small generator as somebody else would export it, and archives with something else in them."""

import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from places import FORMATS
from torch import nn

DECODERS = FORMATS / "format-1" / "decoders"
"""`vae.safetensors`, `evovae export`'s files of it, and what `Generator` was exported to as `export` does."""


class Generator(nn.Module):
    """Like DCGAN's: codes (B, 6, 1, 1) -> colour images (B, 3, 8, 8) in [-1, 1], with the layers that such have."""

    def __init__(self) -> None:
        super().__init__()
        with torch.random.fork_rng():  # torch's layers draw their first weights from the global generator
            self.layers = nn.Sequential(
                nn.ConvTranspose2d(6, 8, 4, bias=False),
                nn.BatchNorm2d(8),
                nn.ReLU(True),
                nn.Dropout(0.3),
                nn.Upsample(scale_factor=2),
                nn.Conv2d(8, 3, 3, padding=1),
            ).float()
        with torch.no_grad():
            for seed, weights in enumerate(self.layers.parameters()):
                generator = torch.Generator().manual_seed(seed)
                weights.copy_(0.5 * torch.randn(weights.shape, generator=generator, dtype=torch.float32))

    def forward(self, z: torch.Tensor) -> torch.Tensor:
        """Return images of codes of length 1."""
        z = z.view(z.shape[0], -1)
        z = z * torch.rsqrt(z.square().mean(1, keepdim=True) + 1e-8)
        return torch.tanh(self.layers(z[:, :, None, None]))


def export(module: nn.Module, path: Path, latent_shape: tuple[int, ...]) -> None:
    """Write `module` as its author would, without a word of evovae."""
    codes = torch.zeros(2, *latent_shape, dtype=torch.float32)
    program = torch.export.export(module.eval(), (codes,), dynamic_shapes=({0: torch.export.Dim("batch")},))
    for node in program.graph.nodes:
        for name in ("stack_trace", "nn_module_stack", "source_fn_stack", "torch_fn", "from_node"):
            node.meta.pop(name, None)  # where it was made
    if path.suffix == ".pt2":
        torch.export.save(program, path)
    else:
        torch.onnx.export(program, (), path, dynamo=True, external_data=False, verbose=False)


def records(path: Path) -> dict[str, bytes]:
    """Return what is in a .pt2, by name."""
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def repacked(files: dict[str, bytes], compression: int = zipfile.ZIP_STORED) -> bytes:
    """Return an archive of `files`."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", compression) as archive:
        for name, record in files.items():
            archive.writestr(name, record)
    return content.getvalue()


def edited(path: Path, change: Callable[[dict[str, Any]], None], record: str = "models/model.json") -> bytes:
    """Return a .pt2 in whose JSON `record` something was changed."""
    files = records(path)
    (name,) = (name for name in files if name.endswith(record))
    values = json.loads(files[name])
    change(values)
    files[name] = json.dumps(values).encode()
    return repacked(files)
