"""Mixed precision: which number formats a device computes fast in, and the scaling that float16 needs."""

from contextlib import AbstractContextManager
from typing import Literal, get_args

import torch

Precision = Literal["fp32", "bf16", "fp16"]
PRECISIONS: tuple[Precision, ...] = get_args(Precision)


def best_precision(device: torch.device) -> Precision:
    """bf16 where the device computes in it, else fp16 on a GPU, else fp32."""
    if device.type == "cuda":
        return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp16"
    if device.type == "cpu":
        told = getattr(torch.cpu, "get_capabilities", None)  # older versions of torch cannot tell
        has = told() if told else {}
        return "bf16" if has.get("amx_bf16") or has.get("avx512_bf16") else "fp32"
    return "fp32"


def autocast(device: torch.device, precision: Precision) -> AbstractContextManager[object]:
    """Convolutions and products inside run in this format; weights, losses and the optimiser stay float32."""
    dtype = torch.float16 if precision == "fp16" else torch.bfloat16
    return torch.autocast(device.type, dtype, enabled=precision != "fp32")


def scaler(device: torch.device, precision: Precision) -> torch.amp.GradScaler:
    """What keeps the gradients of float16 from vanishing; for other formats it does nothing."""
    return torch.amp.GradScaler(device.type, enabled=precision == "fp16")
