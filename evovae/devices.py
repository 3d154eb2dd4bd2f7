"""Where tensors live: the only place that knows what `auto` means."""

from __future__ import annotations

import torch

from evovae.errors import InputError


def resolve_device(name: str | torch.device = "auto") -> torch.device:
    """Return the device called `name`; `auto` is CUDA when present, else the CPU.

    Raises:
        InputError: if there is no such device here.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        if device.type not in ("cpu", "cuda"):
            raise RuntimeError(f"{device.type} is not supported")
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        raise InputError(f"device {str(name)!r} is not available here: expected auto, cpu, cuda or cuda:N") from error
    return device


def multiplies_bfloat16(device: torch.device) -> bool:
    """Whether `device` multiplies bfloat16 matrices natively; elsewhere they are slower than float32."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    capabilities: dict[str, bool] = getattr(torch.cpu, "get_capabilities", dict)()  # older releases cannot tell
    return bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16"))


def synchronise(device: torch.device) -> None:
    """Wait until `device` has done what it was given, so that a clock tells the truth."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def counts_are_free(tensor: torch.Tensor) -> bool:
    """Whether the host can ask how many elements of `tensor` are set without waiting for another device."""
    return tensor.device.type == "cpu"
