"""Pictures that carry what made them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..core.storage import save_with

if TYPE_CHECKING:
    from PIL.Image import Image

OWN_CHUNK = "lora_workbench"
"""Name of the text chunk with a picture's own parameters."""


def save_png(
    image: Image,
    path: str | Path,
    *,
    prompt: str | None = None,
    workflow: str | None = None,
    parameters: Mapping[str, Any] | None = None,
) -> None:
    """Write a PNG atomically, with text chunks that ComfyUI reads when the file is dropped on its canvas.

    Args:
        image: any mode that PNG holds.
        path: a ``.png`` file, replaced if it exists.
        prompt: the graph as the server executes it, JSON; ``None`` leaves it out.
        workflow: the graph as the canvas stores it, JSON; ``None`` leaves it out.
        parameters: the picture's own, for example prompt, seed and stack; plain values.

    Raises:
        StorageError: the disk is full, or the folder can't be written.
        ValueError: ``prompt`` or ``workflow`` isn't JSON.
    """
    from PIL.PngImagePlugin import PngInfo

    chunks = {name: json.loads(text) for name, text in (("prompt", prompt), ("workflow", workflow)) if text}
    if parameters:
        chunks[OWN_CHUNK] = dict(parameters)
    info = PngInfo()
    for name, value in chunks.items():
        info.add_text(name, json.dumps(value))  # ASCII, so a plain tEXt chunk, the kind that every reader knows
    save_with(Path(path), lambda temporary: image.save(temporary, format="PNG", pnginfo=info, compress_level=4))


def read_parameters(path: str | Path) -> dict[str, Any]:
    """The ``parameters`` that ``save_png`` wrote; empty when there are none."""
    from PIL import Image

    with Image.open(path) as image:
        return json.loads(image.info.get(OWN_CHUNK, "{}"))
