"""The known captioners. A new kind is one file beside this one and one entry below."""

from __future__ import annotations

from pathlib import Path

from ..core.errors import CaptionerError
from ..core.registry import Registry
from ..core.words import first_of
from .blip import Blip
from .contract import Captioner
from .florence2 import Florence2
from .qwen_vl import QwenVL
from .tagger import Tagger

CAPTIONERS: Registry[type[Captioner]] = Registry("captioner", CaptionerError)

for captioner in (Blip, Florence2, QwenVL, Tagger):
    CAPTIONERS.register(captioner.kind, captioner)


def open_captioner(folder: str | Path, *, device: str = "auto", precision: str = "auto") -> Captioner:
    """The captioner in a folder; its kind is recognized by the files. Nothing is ever downloaded.

    Args:
        folder: has ``config.json`` and weights, or ``model.onnx`` and ``selected_tags.csv``.
        device: as in ``load_base``.
        precision: as in ``load_base``.

    Raises:
        CaptionerError: there is no folder, no known captioner recognizes it, or a file is missing.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise CaptionerError(
            f"No captioner at {folder}.",
            expected="a folder with a captioning model",
            hint="download a model with all of its files, and enter its folder.",
        )
    for known in CAPTIONERS:
        if known.recognizes(folder):
            return known(folder, device=device, precision=precision)
    files = first_of(sorted(path.name for path in folder.iterdir()), 8)
    raise CaptionerError(
        f"{folder} is not a captioner of a known kind; it contains: {files or 'nothing'}.",
        expected=f"one of: {', '.join(CAPTIONERS.names())}; with config.json, or model.onnx and selected_tags.csv",
        hint="enter the folder that contains these files, not its parent.",
    )
