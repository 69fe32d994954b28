"""Pictures and masks of every kind that people have, as records of a data set."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from lora_workbench.engine.core.hashing import bytes_hash
from lora_workbench.engine.data.dataset import Dataset, ImageRecord, TriggerWord
from lora_workbench.engine.data.images import probe
from lora_workbench.engine.data.masks import Mask
from lora_workbench.engine.data.sources import MemorySource
from PIL import Image, ImageCms
from PIL.PngImagePlugin import PngInfo


def pixels(number: int, size: tuple[int, int] = (6, 4), channels: int = 3) -> np.ndarray:
    return np.random.default_rng(number).integers(0, 256, (size[1], size[0], channels), np.uint8)


def encoded(image: Image.Image, file_format: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, file_format, **options)
    return buffer.getvalue()


def picture(number: int, file_format: str = "PNG", **options: Any) -> bytes:
    return encoded(Image.fromarray(pixels(number)), file_format, **options)


def turned(number: int, orientation: int, file_format: str = "JPEG") -> bytes:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return picture(number, file_format, exif=exif)


def with_16_bits(number: int) -> bytes:
    return encoded(Image.fromarray(pixels(number, channels=1)[..., 0].astype(np.uint16) * 257), "PNG")


def with_swapped_primaries(number: int, file_format: str) -> bytes:
    """Red as green and green as red, by a color profile."""
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    swapped = profile.replace(b"rXYZ", b"????").replace(b"gXYZ", b"rXYZ").replace(b"????", b"gXYZ")
    return picture(number, file_format, icc_profile=swapped)


def animated(number: int, file_format: str) -> bytes:
    frames = [Image.fromarray(pixels(number + more)) for more in range(2)]
    return encoded(frames[0], file_format, save_all=True, append_images=frames[1:], **LOSSLESS.get(file_format, {}))


def with_large_text(number: int) -> bytes:
    """As of a large workflow; Pillow refuses it by default."""
    text = PngInfo()
    text.add_text("workflow", "x" * 2_000_000, zip=True)
    return picture(number, pnginfo=text)


LOSSLESS = {"WEBP": {"lossless": True}}
MAKERS: dict[str, tuple[str, Callable[[int], bytes]]] = {
    "PNG": (".png", picture),
    "called by another ending": (".jpg", picture),
    "JPEG": (".JPG", lambda n: picture(n, "JPEG")),
    "WebP": (".WebP", lambda n: picture(n, "WEBP", lossless=True)),
    "BMP": (".bmp", lambda n: picture(n, "BMP")),
    "GIF": (".gif", lambda n: animated(n, "GIF")),
    "animated WebP": (".webp", lambda n: animated(n, "WEBP")),
    "TIFF": (".TIF", lambda n: turned(n, 3, "TIFF")),
    "gray": (".jpeg", lambda n: encoded(Image.fromarray(pixels(n)).convert("L"), "JPEG")),
    "palette": (".png", lambda n: encoded(Image.fromarray(pixels(n)).convert("P"), "PNG")),
    "clear color": (".png", lambda n: encoded(Image.fromarray(pixels(n)).convert("P"), "PNG", transparency=0)),
    "transparent": (".png", lambda n: encoded(Image.fromarray(pixels(n, channels=4)), "PNG")),
    "transparent WebP": (".webp", lambda n: encoded(Image.fromarray(pixels(n, channels=4)), "WEBP", lossless=True)),
    "opaque": (".png", lambda n: encoded(Image.fromarray(pixels(n)).convert("RGBA"), "PNG")),
    "gray and transparent": (".PNG", lambda n: encoded(Image.fromarray(pixels(n, channels=4)).convert("LA"), "PNG")),
    "CMYK": (".jpg", lambda n: encoded(Image.fromarray(pixels(n)).convert("CMYK"), "JPEG")),
    "16 bits": (".png", with_16_bits),
    "large text": (".png", with_large_text),
    "profile": (".png", lambda n: with_swapped_primaries(n, "PNG")),
    "profile in JPEG": (".jpg", lambda n: with_swapped_primaries(n, "JPEG")),
    **{f"turned {way}": (".jpg", lambda n, way=way: turned(n, way)) for way in range(1, 9)},
    "turned PNG": (".png", lambda n: turned(n, 6, "PNG")),
}
"""What is odd about a picture -> its ending, and what makes it from a number."""


def mask_of(data: bytes, name: str = "m.png", **more: Any) -> Mask:
    return Mask(source=MemorySource(name, data), content_hash=bytes_hash(data), **more)


def record_of(name: str, data: bytes, **more: Any) -> ImageRecord:
    width, height = probe(data, name)
    return ImageRecord(
        source=MemorySource(name, data), content_hash=bytes_hash(data), width=width, height=height, **more
    )


def masks(number: int, size: tuple[int, int]) -> list[Mask | None]:
    gray = Image.fromarray(pixels(number, size, 1)[..., 0])
    exif = Image.Exif()
    exif[0x0112] = 3
    return [
        None,
        mask_of(encoded(gray, "PNG")),
        mask_of(encoded(gray, "BMP"), "m.bmp", floor=0.3),
        mask_of(encoded(gray.convert("RGB"), "PNG"), floor=0.5),
        mask_of(encoded(gray, "PNG", exif=exif)),
        mask_of(encoded(Image.merge("LA", (gray, gray)), "PNG"), channel="alpha"),
    ]


def foxes() -> Dataset:
    """Three pictures that differ in everything."""
    made = []
    for number, (name, repeats) in enumerate([("sub/fox.png", 10), ("fox.jpg", 1), ("tail_mask.png", 1)]):
        data = picture(number, "JPEG" if name.endswith("jpg") else "PNG")
        mask = mask_of(encoded(Image.new("L", (6, 4), 70), "PNG")) if number == 1 else None
        caption = f"a fox, {number}" if number else None
        made.append(record_of(name, data, repeats=repeats, caption=caption, mask=mask))
    return Dataset(name="foxes", records=tuple(made), trigger=TriggerWord(word="zwx", class_word="fox"))


def files(path: Path) -> list[str]:
    if path.is_dir():
        return sorted(file.relative_to(path).as_posix() for file in path.rglob("*") if file.is_file())
    with zipfile.ZipFile(path) as archive:
        return sorted(archive.namelist())
