"""Graphs of torch's operators, as `torch.export` writes them, run without torch's own loader.

That loader unpickles, evaluates expressions as Python and calls whatever function a file names. Here a graph is a list
of calls of operators that only compute, with tensors and plain values: a file can do nothing else.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from evovae.base import InputError, shown
from evovae.encodings.aten_operators import CHECKS, DTYPES, MEMORY_FORMATS, OPERATORS, SIZES, STRIDED

MOST_NUMBERS = 1 << 27
"""Most numbers in a tensor that may be made of two codes: 512 MiB of float32."""

Watch = Callable[[str, object], None]


class _Name(str):
    """Of a value that was computed before."""


class _Here:
    """The device that codes are on, whichever a graph was exported on."""


@dataclass(frozen=True)
class _Call:
    """One operator, what it is given, and the names of what it gives."""

    target: str
    args: list[Any]
    kwargs: dict[str, Any]
    results: Any
    last: tuple[str, ...]
    """Names of values that nothing needs afterwards."""


class AtenGraph(nn.Module):
    """A decoder that a file holds: codes (B, ...) -> phenotypes (B, ...). It passes gradients.

    Args:
        nodes: of the file's graph, in its JSON.
        weights: tensors by name.
        codes: name of the one input.
        output: name of the one output.

    Raises:
        InputError: if an operator is not known, or may do more than compute.
    """

    def __init__(self, nodes: list[Any], weights: Mapping[str, Tensor], codes: str, output: str) -> None:
        super().__init__()
        self._codes, self._output = codes, output
        calls = [call for node in nodes if (call := _call(node)) is not None]
        self._calls = list(_with_last(calls, keep={*weights, output}))
        used = {name for call in calls for name in _names([call.args, call.kwargs])} | {output}
        self._buffer_of = {name: f"weight_{i}" for i, name in enumerate(weights) if name in used}
        for name, buffer in self._buffer_of.items():
            self.register_buffer(buffer, weights[name])

    def forward(self, codes: Tensor) -> Tensor:
        """Return what the graph computes of `codes`."""
        weights = {name: self.get_buffer(buffer) for name, buffer in self._buffer_of.items()}
        return self._run(codes, weights)

    def rehearse(self, latent_shape: tuple[int, ...], shapes: Mapping[str, Sequence[int | None]]) -> tuple[int, ...]:
        """Return the shape of what the graph gives for two codes, found without computing any number.

        Args:
            latent_shape: of a code.
            shapes: by name what shape a value is said to have, None where a size depends on the batch.

        Raises:
            InputError: if a value has another shape, or is very large, or codes or weights are changed.
        """

        def watch(name: str, value: object) -> None:
            if not isinstance(value, Tensor):
                return
            said, found = shapes.get(name), tuple(value.shape)
            if said is not None and (
                len(said) != len(found) or any(size not in (None, real) for size, real in zip(said, found, strict=True))
            ):
                raise InputError(f"it makes {shown(name)} of shape {found}, and says {shown(said)}: it is damaged")
            if value.numel() > MOST_NUMBERS:
                raise InputError(f"it makes {shown(name)} of shape {found} of two codes: expected fewer numbers")

        codes = torch.empty(2, *latent_shape, dtype=torch.float32, device="meta")
        weights = {name: self.get_buffer(buffer).to("meta") for name, buffer in self._buffer_of.items()}
        given = [(tensor, tensor._version) for tensor in (codes, *weights.values())]
        found = self._run(codes, weights, watch)
        if any(tensor._version != version for tensor, version in given):
            raise InputError("it changes its input or its weights in place: expected a decoder in evaluation mode")
        return tuple(found.shape) if isinstance(found, Tensor) else ()

    def _run(self, codes: Tensor, weights: Mapping[str, Tensor], watch: Watch | None = None) -> Tensor:
        known: dict[str, Any] = {**weights, self._codes: codes}
        for call in self._calls:
            args, kwargs = (_resolved(given, known, codes.device) for given in (call.args, call.kwargs))
            found = _function(call.target)(*args, **kwargs)
            for name, value in _bound(call.results, found):
                known[name] = value
                if watch is not None:
                    watch(name, value)
            for name in call.last:
                known.pop(name, None)
        result: Tensor = known[self._output]
        return result


def _call(node: dict[str, Any]) -> _Call | None:
    """Return what a node of a file's graph calls; None if that computes nothing."""
    target = str(node["target"])
    if target.startswith(tuple(f"torch.ops.aten.{name}." for name in CHECKS)):
        return None
    _function(target)
    inputs = [(str(given["name"]), argument(given["arg"])) for given in node["inputs"]]
    results = [argument(result) for result in node["outputs"]]
    bound = results[0] if len(results) == 1 else results
    if target in SIZES:
        return _Call(target, [value for _, value in inputs], {}, bound, ())
    kwargs = dict(inputs)
    if kwargs.get("train") not in (None, False) or kwargs.get("training") not in (None, False):
        raise InputError("it was exported in training mode: call eval() on the module, and export it again")
    if kwargs.get("dropout_p") not in (None, 0, 0.0):
        raise InputError("it drops units out at random: call eval() on the module, and export it again")
    return _Call(target, [], kwargs, bound, ())


@functools.lru_cache(maxsize=1024)
def _function(target: str) -> Callable[..., Any]:
    """Return the function of a name such as torch.ops.aten.add.Tensor, if it only computes."""
    if target in SIZES:
        return SIZES[target]
    found = re.fullmatch(r"torch\.ops\.aten\.(\w+)\.(\w+)", target)
    name, overload = found.groups() if found else ("", "")
    if found and ("rand" in name or name.startswith(("bernoulli", "normal"))):
        raise InputError(f"it draws random numbers ({shown(target)}): expected one phenotype for each code")
    if {name, name.removesuffix("_")}.isdisjoint(OPERATORS):
        raise InputError(f"it calls {shown(target)}: expected torch's own operators, those that only compute")
    known: Callable[..., Any] | None = getattr(getattr(torch.ops.aten, name, None), overload, None)
    if known is None:
        raise InputError(f"it calls {shown(target)}, which torch {torch.__version__} has not")
    if not isinstance(known, torch._ops.OpOverload) or (known._schema.is_mutable and not name.endswith("_")):
        raise InputError(f"it calls {shown(target)}: expected no operator that writes its result elsewhere")
    return known


def argument(given: Mapping[str, Any]) -> Any:
    """Return what an argument in the JSON of a graph stands for: a value, a name, or a list of them."""
    ((kind, value),) = given.items()
    match kind:
        case "as_none":
            return None
        case "as_tensor":
            return _Name(value["name"])
        case "as_name":
            return _Name(value)
        case "as_tensors":
            return [_Name(one["name"]) for one in value]
        case "as_sym_int" | "as_sym_float" | "as_sym_bool" | "as_optional_tensor":
            return argument(value)
        case "as_optional_tensors" | "as_sym_ints" | "as_sym_floats" | "as_sym_bools":
            return [argument(one) for one in value]
        case "as_int" | "as_bool" | "as_string":
            return {"as_int": int, "as_bool": bool, "as_string": str}[kind](value)
        case "as_float":
            return float(value)
        case "as_ints" | "as_bools" | "as_strings":
            return list(value)
        case "as_floats":
            return [float(one) for one in value]
        case "as_scalar_type":
            return DTYPES[value]
        case "as_memory_format":
            return MEMORY_FORMATS[value]
        case "as_layout" if value == STRIDED:
            return torch.strided
        case "as_device":
            return _Here()
        case _:
            raise InputError(f"it has a value of kind {shown(kind)}: expected tensors and numbers")


def _with_last(calls: list[_Call], keep: set[str]) -> Iterator[_Call]:
    """Yield calls that know which values nothing needs afterwards: kept, they would take up memory."""
    needed = set(keep)
    reverse = []
    for call in reversed(calls):
        names = set(_names([call.args, call.kwargs, call.results]))
        reverse.append(_Call(call.target, call.args, call.kwargs, call.results, tuple(sorted(names - needed))))
        needed |= names
    yield from reversed(reverse)


def _names(value: Any) -> Iterator[str]:
    if isinstance(value, _Name):
        yield value
    elif isinstance(value, list | dict):
        for one in value.values() if isinstance(value, dict) else value:
            yield from _names(one)


def _resolved(value: Any, known: Mapping[str, Any], device: torch.device) -> Any:
    if isinstance(value, _Name):
        return known[value]
    if isinstance(value, _Here):
        return device
    if isinstance(value, list):
        return [_resolved(one, known, device) for one in value]
    if isinstance(value, dict):
        return {name: _resolved(one, known, device) for name, one in value.items()}
    return value


def _bound(results: Any, found: Any) -> Iterator[tuple[str, Any]]:
    """Yield the names that `results` give to what an operator has `found`, which may be several values."""
    if isinstance(results, _Name):
        yield results, found
    elif isinstance(results, list):
        for result, one in zip(results, found, strict=True):
            yield from _bound(result, one)
