"""Decoders in the .pt2 archives of `torch.export.save`, read without unpickling or evaluating anything in them."""

from __future__ import annotations

import io
import math
import zipfile
from pathlib import Path, PurePosixPath
from typing import Any

import torch
from torch import Tensor

from evovae.base import InputError, files, shown
from evovae.encodings.aten_graph import AtenGraph, argument
from evovae.encodings.aten_operators import DTYPES
from evovae.encodings.exported_model import METADATA, ExportedModel

FORMAT = 8
"""Major version of the graphs that are read."""
MAX_GRAPH = 16 << 20
"""Most bytes of a graph's JSON."""
NEWER = "export it again with torch 2.9 or newer"


def read_pt2(path: Path) -> ExportedModel:
    """Read a decoder from an archive of `torch.export.save`, on the CPU.

    Raises:
        InputError: if it is damaged, of another format, holds anything pickled, has another number of inputs or outputs
            than one, or a fixed batch, or calls what does more than compute.
    """
    content = files.read_bytes(path)
    try:
        return _read(content, path)
    except InputError as error:
        raise InputError(str(error) if str(path) in str(error) else f"{path} cannot be used: {error}") from error
    except Exception as error:  # whatever zipfile, torch and this file stumble on in a damaged archive
        reason = f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
        raise InputError(f"{path} cannot be read as a .pt2 of torch.export ({reason}); export it again") from error


class _Archive:
    """The records of a zip file, by name without its outermost folder, each with its checksum."""

    def __init__(self, content: bytes, path: Path) -> None:
        self._zip = zipfile.ZipFile(io.BytesIO(content))
        self.records: dict[str, zipfile.ZipInfo] = {}
        for info in self._zip.infolist():
            if info.compress_type != zipfile.ZIP_STORED:  # torch compresses none; what unpacks to much is none either
                raise InputError(f"{path} is compressed: expected an archive as torch.export.save writes it")
            self.records["/".join(PurePosixPath(info.filename).parts[1:]) or info.filename] = info
        if sum(info.file_size for info in self.records.values()) > len(content):
            raise InputError(f"{path} claims more than it holds: it is damaged; export it again")

    def read(self, name: str) -> bytes:
        return self._zip.read(self.records[name])

    def read_json(self, name: str, most: int = files.MAX_JSON) -> dict[str, Any]:
        return files.parse_json(self.read(name), name, most)


def _read(content: bytes, path: Path) -> ExportedModel:
    if not zipfile.is_zipfile(io.BytesIO(content)):
        raise InputError(f"{path} is no zip archive: expected a .pt2 that torch.export.save wrote; is it complete?")
    archive = _Archive(content, path)
    name = _require_program(archive, path)
    program = archive.read_json(f"models/{name}.json", MAX_GRAPH)
    if (found := program["schema_version"]["major"]) != FORMAT:
        writer = shown(str(program.get("torch_version"))).strip("'")
        raise InputError(f"{path} was written by torch {writer} in format {shown(found)}: expected {FORMAT}; {NEWER}")
    try:
        return _model(archive, name, program)
    except InputError as error:
        writer = shown(str(program.get("torch_version"))).strip("'")
        raise InputError(f"{path}, of torch {writer}, cannot be used: {error}") from error


def _require_program(archive: _Archive, path: Path) -> str:
    """Return the name of the one program in an archive, and refuse one with pickled or compiled parts."""
    names = list(archive.records)
    if "serialized_exported_program.json" in names:
        raise InputError(f"{path} was written by torch 2.7 or older: {NEWER}")
    if compiled := [name for name in names if name.startswith("data/aotinductor/")]:
        raise InputError(f"{path} is compiled for one machine ({shown(compiled[0])}): expected torch.export.save's")
    programs = [name for name in names if name.startswith("models/") and name.endswith(".json")]
    if len(programs) != 1:
        raise InputError(
            f"{path} holds {len(programs)} programs: expected one, as torch.export.save writes it; is it complete?"
        )
    for folder, plain in (("data/weights/", "weight_"), ("data/constants/", "tensor_")):
        for record in names:
            inner = record.removeprefix(folder)
            if inner != record and not inner.startswith(plain) and not inner.endswith("_config.json"):
                raise InputError(f"{path} holds a pickled part, {shown(record)}: expected plain tensors; {NEWER}")
    return programs[0].removeprefix("models/").removesuffix(".json")


def _model(archive: _Archive, name: str, program: dict[str, Any]) -> ExportedModel:
    module = program["graph_module"]
    graph, signature = module["graph"], module["signature"]
    stored = {
        folder: _tensors(archive, f"data/{folder}/", f"{name}_{folder}_config.json")
        for folder in ("weights", "constants")
    }
    tensors, codes = {}, []
    for spec in signature["input_specs"]:
        ((kind, described),) = spec.items()
        if kind == "user_input":
            codes.append(argument(described["arg"]))
        elif kind in ("parameter", "buffer", "tensor_constant"):
            key = described[f"{kind}_name"]
            found = stored["weights"].get(key)
            tensors[described["arg"]["name"]] = stored["constants"][key] if found is None else found
        else:
            raise InputError(f"it has an input of kind {shown(kind)}: expected codes and tensors")
    outputs = [next(iter(spec.items())) for spec in signature["output_specs"]]
    if odd := [kind for kind, _ in outputs if kind != "user_output"]:
        raise InputError(f"it has a result of kind {shown(odd[0])}: expected a decoder in evaluation mode")
    if len(codes) != 1 or len(outputs) != 1:
        raise InputError(f"it has {len(codes)} inputs and {len(outputs)} outputs: expected codes and phenotypes")
    latent_shape = _latent_shape(graph["tensor_values"][codes[0]])
    decode = AtenGraph(graph["nodes"], tensors, codes[0], argument(outputs[0][1]["arg"]))
    shapes = {
        name: [size.get("as_int") for size in described["sizes"]] for name, described in graph["tensor_values"].items()
    }
    shape = decode.rehearse(latent_shape, shapes)
    if not shape or shape[0] != 2:
        raise InputError(f"it makes {shape} of two codes: expected a phenotype for each")
    extra = f"extra/{METADATA}.json"
    metadata = archive.read_json(extra) if extra in archive.records else {}
    limits = [limit["max_val"] for limit in program["range_constraints"].values()]
    return ExportedModel(
        decode, latent_shape, shape[1:], metadata, min((int(n) for n in limits if n is not None), default=None)
    )


def _latent_shape(described: dict[str, Any]) -> tuple[int, ...]:
    """Return the shape of one code, given what the file says of the input."""
    batch, *sizes = described["sizes"]
    if "as_int" in batch:
        dynamic = "dynamic_shapes=({0: torch.export.Dim('batch')},)"
        raise InputError(f"its batch is fixed to {batch['as_int']}: expected any size; export it with {dynamic}")
    if DTYPES.get(described["dtype"]) != torch.float32:
        raise InputError(f"it reads codes of {DTYPES.get(described['dtype'])}: expected torch.float32")
    if not sizes or not all(list(size) == ["as_int"] and type(size["as_int"]) is int for size in sizes):
        raise InputError("the shape of its codes is not fixed: expected (B, D), or (B, ...), of which only B varies")
    return tuple(size["as_int"] for size in sizes)


def _tensors(archive: _Archive, folder: str, config: str) -> dict[str, Tensor]:
    """Return the tensors of a folder of an archive, by the names that its configuration gives them."""
    found: dict[str, Tensor] = {}
    memory: dict[str, bytearray] = {}
    for name, described in archive.read_json(folder + config)["config"].items():
        if described["use_pickle"]:
            raise InputError(f"it holds {shown(name)} pickled: expected plain tensors; {NEWER}")
        record = str(described["path_name"])
        if record not in memory:
            memory[record] = bytearray(archive.read(folder + record))
        found[name] = _tensor(memory[record], described["tensor_meta"])
    return found


def _tensor(memory: bytearray, described: dict[str, Any]) -> Tensor:
    """Return a tensor that lies in `memory` as the file describes; torch refuses one that would reach beyond it."""
    sizes, strides = ([int(size["as_int"]) for size in described[what]] for what in ("sizes", "strides"))
    offset, dtype = int(described["storage_offset"]["as_int"]), DTYPES[described["dtype"]]
    if min([offset, *sizes, *strides]) < 0:
        raise InputError(
            f"it holds a tensor of sizes {shown(sizes)} and strides {shown(strides)}: expected none below 0"
        )
    if 0 in sizes:  # its record is empty, and torch makes no tensor of that
        return torch.empty(sizes, dtype=dtype)
    stored = torch.frombuffer(memory, dtype=dtype)
    if math.prod(sizes) > len(stored):  # a stride of 0 would make any size of a few bytes
        raise InputError(f"it holds a tensor of sizes {shown(sizes)} in {len(stored)} numbers: it is damaged")
    return stored.as_strided(sizes, strides, offset)
