"""PNG files with metadata: the graph and the parameters of a picture."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from ..core.storage import write_bytes

if TYPE_CHECKING:
    from PIL.Image import Image

OWN_CHUNK = "lora_workbench"
"""Name of the text chunk with a picture's parameters."""


def encode_png(
    image: Image,
    *,
    prompt: str | None = None,
    workflow: str | None = None,
    parameters: Mapping[str, Any] | None = None,
) -> bytes:
    """A PNG with text chunks that ComfyUI reads when the file is dropped on its canvas.

    Equal arguments give equal bytes.

    Args:
        image: any mode that PNG supports.
        prompt: JSON of the graph as the server executes it; ``None`` leaves it out.
        workflow: JSON of the graph as the canvas stores it; ``None`` leaves it out.
        parameters: the picture's parameters, for example prompt, seed and stack, as JSON values.

    Raises:
        ValueError: ``prompt`` or ``workflow`` isn't JSON.
    """
    from PIL.PngImagePlugin import PngInfo

    chunks = {name: json.loads(text) for name, text in (("prompt", prompt), ("workflow", workflow)) if text}
    if parameters:
        chunks[OWN_CHUNK] = dict(parameters)
    info = PngInfo()
    for name, value in chunks.items():
        info.add_text(name, json.dumps(value))  # ASCII, for a plain tEXt chunk, which every reader supports
    buffer = io.BytesIO()
    image.save(buffer, format="PNG", pnginfo=info, compress_level=4)
    return buffer.getvalue()


def save_png(image: Image, path: str | Path, **metadata: Any) -> None:
    """Write a PNG atomically.

    Args:
        image: any mode that PNG supports.
        path: a ``.png`` file, replaced if it exists.
        metadata: as for :func:`encode_png`.

    Raises:
        StorageError: the disk is full, or the folder isn't writable.
        ValueError: as for :func:`encode_png`.
    """
    write_bytes(Path(path), encode_png(image, **metadata))


def canvas_chunk(file: BinaryIO) -> tuple[int, int]:
    """Start and end of the chunk with the graph as the canvas stores it; (0, 0) if there is none.

    It also holds where the canvas was scrolled to, so that it differs between runs of the same graph.
    """
    at = file.seek(8)
    while len(head := file.read(8)) == 8 and head[4:] != b"IDAT":
        end = at + 12 + int.from_bytes(head[:4], "big")
        if head[4:] == b"tEXt" and file.read(9) == b"workflow\0":
            return at, end
        at = file.seek(end)
    return 0, 0


def read_parameters(path: str | Path) -> dict[str, Any]:
    """The ``parameters`` that :func:`encode_png` was given; empty if there are none."""
    from PIL import Image

    with Image.open(path) as image:
        return json.loads(image.info.get(OWN_CHUNK, "{}"))
