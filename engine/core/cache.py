"""Results on disk by content hash, so that latents, prompt embeddings, captions and pictures are computed once."""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from .hashing import value_hash
from .locks import lock_beside
from .storage import save_with, touch, write_bytes

if TYPE_CHECKING:
    from PIL.Image import Image
    from torch import Tensor


class TensorCache:
    """A folder of safetensors files, one per entry, named by the content key of the result."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def get(self, key: str) -> dict[str, Tensor] | None:
        """The entry, or ``None`` if there is none or it can't be read."""
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        touch(self._path(key))
        try:
            return load_file(self._path(key))
        except (SafetensorError, OSError):
            return None

    def put(self, key: str, tensors: Mapping[str, Tensor]) -> None:
        """Write an entry atomically."""
        from safetensors.torch import save_file

        plain = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
        save_with(self._path(key), lambda name: save_file(plain, name))

    def lock(self, keys: Iterable[str]) -> Path:
        """The lock file of whoever makes these entries, for :func:`~.locks.alone`."""
        return lock_beside(self.folder, value_hash(sorted(keys))[:24])

    def _path(self, key: str) -> Path:
        return self.folder / key[:2] / f"{key}.safetensors"


class TextCache:
    """A folder of text files, one per entry, named by the content key of the result."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def get(self, key: str) -> str | None:
        """The entry, or ``None`` if there is none or it can't be read."""
        touch(self._path(key))
        try:
            return self._path(key).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError):
            return None

    def put(self, key: str, text: str) -> None:
        """Write an entry atomically."""
        write_bytes(self._path(key), text.encode())

    def _path(self, key: str) -> Path:
        return self.folder / key[:2] / f"{key}.txt"


class PictureCache:
    """A folder of PNG files, one per entry, named by the content key of the picture."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def get(self, key: str) -> Image | None:
        """The entry, RGB, or ``None`` if there is none or it can't be read."""
        from PIL import Image

        touch(self._path(key))
        try:
            with Image.open(self._path(key)) as picture:
                return picture.convert("RGB")
        except (OSError, ValueError, SyntaxError):  # what Pillow raises for damaged files
            return None

    def put(self, key: str, picture: Image) -> None:
        """Write an entry atomically."""
        encoded = io.BytesIO()
        picture.save(encoded, format="PNG")
        write_bytes(self._path(key), encoded.getvalue())

    def _path(self, key: str) -> Path:
        return self.folder / key[:2] / f"{key}.png"
