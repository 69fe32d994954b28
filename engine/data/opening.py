"""Opening pictures that others made, safely: known formats, bounded sizes, and one kind of error."""

from __future__ import annotations

import contextlib
import functools
import io
import threading
import warnings
from collections.abc import Iterator
from typing import TYPE_CHECKING

from ..core.errors import DatasetError
from . import limits
from .file_types import HEAD_BYTES, why_unreadable
from .png_chunks import without_text

if TYPE_CHECKING:
    from PIL import Image

_MAX_PROFILE_BYTES = 16 * 2**20


def check_size(size: tuple[int, int], name: str) -> None:
    """Refuse a picture with more pixels than ``limits.MAX_PIXELS``.

    Raises:
        DatasetError: it has more.
    """
    if size[0] * size[1] > limits.MAX_PIXELS:
        raise too_large(name, f"{size[0]} x {size[1]} pixels")


@contextlib.contextmanager
def opened(data: bytes, name: str) -> Iterator[Image.Image]:
    """Open a picture and check its size; any error inside the block becomes a ``DatasetError``."""
    from PIL import Image, UnidentifiedImageError

    data = without_text(data)
    try:
        with _STRICT, Image.open(io.BytesIO(data), formats=_formats()) as image:
            check_size(image.size, name)
            yield image
    except DatasetError:
        raise
    except Image.DecompressionBombError as error:
        raise too_large(name, str(error)) from error
    except UnidentifiedImageError as error:
        raise unreadable(name, why_unreadable(data[:HEAD_BYTES])) from error
    except Exception as error:  # Pillow's readers raise all kinds of errors on damaged files
        raise unreadable(name, f"it can't be decoded ({error})") from error


@functools.cache
def _formats() -> tuple[str, ...]:
    """Formats that are read. Others, such as EPS, would start programs or aren't photographs."""
    from PIL import Image

    with contextlib.suppress(ImportError):
        import pillow_heif  # pyright: ignore[reportMissingImports]

        pillow_heif.register_heif_opener()
    more = [("AVIF", ".avif"), ("HEIF", ".heic")]
    known = Image.registered_extensions()
    return ("PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF", *(name for name, ending in more if ending in known))


class _Strict:
    """Makes Pillow refuse truncated pictures, read large color profiles and warn of nothing while any thread is inside.

    Other extensions disable the first for the whole process, and the missing part would be decoded as gray. Profiles of
    printers have more than the megabyte that Pillow unpacks. What its warnings say is checked or said here.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._inside = 0
        self._before = (False, 0)
        self._warnings = warnings.catch_warnings()

    def __enter__(self) -> None:
        from PIL import ImageFile, PngImagePlugin

        with self._lock:
            if self._inside == 0:
                self._before = ImageFile.LOAD_TRUNCATED_IMAGES, PngImagePlugin.MAX_TEXT_CHUNK
                ImageFile.LOAD_TRUNCATED_IMAGES, PngImagePlugin.MAX_TEXT_CHUNK = False, _MAX_PROFILE_BYTES
                self._warnings = warnings.catch_warnings()
                self._warnings.__enter__()
                warnings.filterwarnings("ignore", module=r"PIL\.")
            self._inside += 1

    def __exit__(self, *_: object) -> None:
        from PIL import ImageFile, PngImagePlugin

        with self._lock:
            self._inside -= 1
            if self._inside == 0:
                self._warnings.__exit__(None, None, None)
                ImageFile.LOAD_TRUNCATED_IMAGES, PngImagePlugin.MAX_TEXT_CHUNK = self._before


_STRICT = _Strict()


def too_large(name: str, what: str) -> DatasetError:
    """The error for a picture with too many pixels."""
    return DatasetError(
        f"{name}: the picture is too large ({what})",
        expected=f"at most {limits.MAX_PIXELS // 1_000_000} megapixels",
        hint="scale the picture down; training needs far fewer pixels.",
    )


def unreadable(name: str, reason: str) -> DatasetError:
    """The error for a picture that can't be read."""
    return DatasetError(
        f"{name}: {reason}",
        expected="an intact picture in PNG, JPEG, WebP, BMP, GIF, TIFF or AVIF",
        hint="open and save it again in an image editor, or remove it from the data set.",
    )
