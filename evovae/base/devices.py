"""Where tensors live: the only place that knows what `auto` means."""

from __future__ import annotations

import functools
import os

import torch

from evovae.base.errors import InputError


def resolve_device(name: str | torch.device = "auto") -> torch.device:
    """Return the device called `name`; `auto` is CUDA when present, else the CPU.

    Raises:
        InputError: if there is no such device here.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        if device.type != "cuda" and str(device) != "cpu":  # torch would take cpu:7 for the CPU
            raise RuntimeError(f"{device} is not supported")
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        raise InputError(f"device {str(name)!r} is not available here: expected auto, cpu, cuda or cuda:N") from error
    return device


def require_memory(what: str, needed: int, device: torch.device) -> None:
    """Refuse `what` when the bytes `needed`, a lower bound, are more than the memory behind `device`.

    Raises:
        InputError: if they are.
    """
    there = _memory(device)
    if needed > there:
        sizes = f"{needed / 2**30:.4g} GiB of memory: expected at most {there / 2**30:.4g}, all that {device} has"
        raise InputError(f"{what} would need {sizes}; ask for less")


def _memory(device: torch.device) -> int:
    """Bytes behind `device`, used or not; where it is unknown, more than can be addressed."""
    if device.type == "cuda":
        return int(torch.cuda.get_device_properties(device).total_memory)
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):  # Windows has no sysconf
        return 2**63


def multiplies_bfloat16(device: torch.device) -> bool:
    """Whether `device` multiplies bfloat16 matrices natively; elsewhere they are slower than float32."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    capabilities: dict[str, bool] = getattr(torch.cpu, "get_capabilities", dict)()  # older releases lack it
    return bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16"))


def synchronise(device: torch.device) -> None:
    """Wait until `device` has done what it was given, so that a clock read now includes it."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


@functools.lru_cache(maxsize=64)
def numbers_on(values: float | tuple[float, ...], dtype: torch.dtype, device: torch.device) -> torch.Tensor:
    """Return numbers as a tensor () or (D,) on a device, copied to it once: a copy in each generation would wait."""
    return torch.tensor(values, dtype=dtype, device=device)


def beside(tensor: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
    """Return `tensor` on the device and in the type of `other`: copied there once, for every copy would wait for it."""
    there = (tensor.device, tensor.dtype) == (other.device, other.dtype)
    return tensor if there else _copied(tensor, other.device, other.dtype)


@functools.lru_cache(maxsize=64)
def _copied(tensor: torch.Tensor, device: torch.device, dtype: torch.dtype) -> torch.Tensor:
    return tensor.to(device, dtype)


def counts_are_free(tensor: torch.Tensor) -> bool:
    """Whether the host can ask how many elements of `tensor` are set without waiting for another device."""
    return tensor.device.type == "cpu"
