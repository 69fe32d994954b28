"""Kinds of captioners by name. A kind is one file beside this one and one line in ``captioners.py``."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from ..core.errors import CaptionerError
from .contract import Captioner

_KINDS: dict[str, tuple[Callable[[Path], bool], type[Captioner]]] = {}


def register(captioner: type[Captioner], *, recognizes: Callable[[Path], bool]) -> None:
    """Make a kind known. ``recognizes`` looks at a folder without loading weights."""
    if captioner.kind in _KINDS:
        raise ValueError(f"captioner {captioner.kind!r} is registered already; known: {', '.join(kinds())}")
    _KINDS[captioner.kind] = (recognizes, captioner)


def kinds() -> list[str]:
    """The known names."""
    return sorted(_KINDS)


def open_captioner(folder: str | Path, *, device: str = "auto", precision: str = "auto") -> Captioner:
    """The captioner in a folder, whose kind is told by the files in it. Nothing is ever downloaded.

    Args:
        folder: holds ``config.json`` and weights, or ``model.onnx`` and ``selected_tags.csv``.
        device: as in ``load_base``.
        precision: as in ``load_base``.

    Raises:
        CaptionerError: nothing is there, no known kind recognizes it, or a file is missing.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise CaptionerError(
            f"No captioner at {folder}.",
            expected="a folder with a captioning model",
            hint="download a model with all of its files, and name its folder.",
        )
    for recognizes, captioner in _KINDS.values():
        if recognizes(folder):
            return captioner(folder, device=device, precision=precision)
    files = ", ".join(sorted(path.name for path in folder.iterdir())[:8])
    raise CaptionerError(
        f"{folder} is not a captioner of a known kind; it holds: {files or 'nothing'}.",
        expected=f"one of: {', '.join(kinds())}; with config.json, or model.onnx and selected_tags.csv",
        hint="name the folder that these files lie in, not the one above it.",
    )
