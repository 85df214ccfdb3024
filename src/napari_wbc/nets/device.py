"""The device a network runs on: what was asked for, or an error; never a silent fallback."""

from __future__ import annotations

import torch

from ..errors import DeviceError


def resolve_device(name: str) -> torch.device:
    """`auto` → CUDA, else Apple's MPS, else CPU; any other name is that device.

    Raises
    ------
    DeviceError
        If the device is unknown or not available on this machine.
    """
    available = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if name == "auto":
        return torch.device(next(kind for kind in ("cuda", "mps", "cpu") if available[kind]))
    kind = name.split(":")[0]
    try:
        device = torch.device(name)
    except RuntimeError:
        device = None
    if device is None or kind not in available:
        raise DeviceError(f"Unknown device {name!r}. Choose auto, {', '.join(available)}, or one by its number: cuda:0.")
    if not available[kind]:
        usable = ", ".join(k for k, there in available.items() if there)
        raise DeviceError(
            f"Device {name!r} is not available on this machine. Available: {usable}. Use --device auto to choose."
        )
    if kind == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise DeviceError(f"Device {name!r} is not there: this machine has {torch.cuda.device_count()} CUDA device(s).")
    return device
