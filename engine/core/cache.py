"""Results on disk by content hash: latents, prompt embeddings and captions that nothing has to make twice."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from .storage import save_with, touch, write_bytes

if TYPE_CHECKING:
    from torch import Tensor


class TensorCache:
    """A folder of safetensors files, one an entry, named by the hash of what was encoded and by what."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __contains__(self, key: str) -> bool:
        return self._path(key).exists()

    def get(self, key: str) -> dict[str, Tensor] | None:
        """The entry, or ``None`` where there is none that can be read."""
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        touch(self._path(key))
        try:
            return load_file(self._path(key))
        except (SafetensorError, OSError):
            return None

    def put(self, key: str, tensors: Mapping[str, Tensor]) -> None:
        """Write an entry; a reader sees all of it or nothing."""
        from safetensors.torch import save_file

        plain = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
        save_with(self._path(key), lambda name: save_file(plain, name))

    def _path(self, key: str) -> Path:
        return self.folder / key[:2] / f"{key}.safetensors"


class TextCache:
    """A folder of text files, one an entry, named by the hash of what was described and by what."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def get(self, key: str) -> str | None:
        """The entry, or ``None`` where there is none that can be read."""
        touch(self._path(key))
        try:
            return self._path(key).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError):
            return None

    def put(self, key: str, text: str) -> None:
        """Write an entry; a reader sees all of it or nothing."""
        write_bytes(self._path(key), text.encode())

    def _path(self, key: str) -> Path:
        return self.folder / key[:2] / f"{key}.txt"
