"""What the run store knows of a finished run beside its result: losses, time, memory, notes, and its suggestions."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any

from ..adapters.headers import read_header
from ..core.errors import AdapterError
from ..models.contract import Backbone
from ..training.suggestions import suggestions_for
from .key import Run


def about(run: Run) -> dict[str, Any]:
    """Facts on a run that its result's file has no place for, as JSON values."""
    return {
        "device": _device(run.base),
        "reason": run.recipe.reason,
        "suggestions": suggestions_for(run.base.info, len(run.dataset)),
    }


def _device(base: Backbone) -> str:
    """``NVIDIA H100, bfloat16``, or ``cpu, float32``."""
    import torch

    name = torch.cuda.get_device_name(base.device) if base.device.type == "cuda" else base.device.type
    return f"{name}, {str(base.dtype).removeprefix('torch.')}"


def read_record(path: Path) -> dict[str, Any]:
    """The fields of a ``Finished`` and of :func:`about`; empty if there is no record, or a damaged one."""
    try:
        known = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return known if isinstance(known, dict) else {}


def state_record(state: Path) -> dict[str, Any]:
    """The losses in the header of a training state, and their parts; empty if there is none."""
    with contextlib.suppress(AdapterError, OSError, ValueError):
        header = read_header(state).metadata
        return {name: json.loads(header[name]) for name in ("losses", "parts") if name in header}
    return {}
