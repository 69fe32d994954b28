"""The host without ComfyUI: a stand-in for its public names, and an executor for its workflows."""

from __future__ import annotations

from . import io, ui
from .context import host
from .io import ComfyExtension

__all__ = ["ComfyExtension", "host", "io", "ui"]
