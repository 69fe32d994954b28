"""The part of ComfyUI's ``ui`` outputs that our nodes use, with the same names."""

from __future__ import annotations

import io
from abc import ABC, abstractmethod
from typing import Any

from ..engine.core.numbered_files import NumberedFiles
from .io import ComfyNode, FolderType
from .running import current


class SavedResult(dict[str, str]):
    """A file that a node wrote: ``{"filename", "subfolder", "type"}``."""

    def __init__(self, filename: str, subfolder: str, type: FolderType) -> None:  # noqa: A002 - ComfyUI's name
        super().__init__(filename=filename, subfolder=subfolder, type=type.value)


class UIOutput(ABC):
    """Something that the front end shows on a node."""

    @abstractmethod
    def as_dict(self) -> dict[str, Any]:
        """What is sent to the front end."""


class SavedImages(UIOutput):
    """Saved pictures."""

    def __init__(self, results: list[SavedResult]) -> None:
        self.results = results

    def as_dict(self) -> dict[str, Any]:
        return {"images": self.results}


class PreviewText(UIOutput):
    """Text."""

    def __init__(self, value: str) -> None:
        self.value = value

    def as_dict(self) -> dict[str, Any]:
        return {"text": (self.value,)}


class PreviewImage(UIOutput):
    """Pictures that are saved to the temporary folder.

    Args:
        image: (B, H, W, 3) in [0, 1].
        cls: the node class, whose graph is saved in the PNGs.
    """

    def __init__(self, image: Any, *, cls: type[ComfyNode] | None = None) -> None:
        self.values = [_save_preview(picture, cls) for picture in image]

    def as_dict(self) -> dict[str, Any]:
        return {"images": self.values, "animated": (False,)}


def _save_preview(picture: Any, cls: type[ComfyNode] | None) -> SavedResult:
    import numpy as np
    from PIL import Image, PngImagePlugin

    host = current()
    metadata = PngImagePlugin.PngInfo()
    for name, text in (host.workflow_metadata(cls) if cls else {}).items():
        metadata.add_text(name, text)
    pixels = np.clip(255.0 * np.asarray(picture), 0, 255).astype(np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format="PNG", pnginfo=metadata)
    path = NumberedFiles(host.temp_directory() / "preview.png").add(buffer.getvalue())
    return SavedResult(path.name, "", FolderType.temp)
