"""What goes wrong with photographs, done on purpose: for calibrating the inspection and for its tests.

Pictures are RGB. Strengths are those of a picture of 512 pixels; larger pictures are damaged in proportion.
"""

from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np
from PIL import Image, ImageFilter, ImageOps

Damage = Callable[[Image.Image], Image.Image]
Resampling = Image.Resampling


def _proportion(image: Image.Image) -> float:
    return max(1.0, min(image.size) / 512)


def blurred(image: Image.Image, sigma: float = 2.0) -> Image.Image:
    """Out of focus: a Gaussian."""
    return image.filter(ImageFilter.GaussianBlur(sigma * _proportion(image)))


def shaken(image: Image.Image, length: int = 9) -> Image.Image:
    """Moved sideways while the shutter was open."""
    length = round(length * _proportion(image))
    sums = np.cumsum(np.pad(np.asarray(image, np.float32), ((0, 0), (length, 0), (0, 0)), mode="edge"), axis=1)
    return Image.fromarray(((sums[:, length:] - sums[:, :-length]) / length).clip(0, 255).astype(np.uint8))


def thumbnail(image: Image.Image, side: int = 160) -> Image.Image:
    """Scaled down; the shorter side to ``side`` pixels, or a third where that is less."""
    share = min(side, min(image.size) / 3) / min(image.size)
    size = (max(1, round(image.width * share)), max(1, round(image.height * share)))
    return image.resize(size, Resampling.LANCZOS)


def upscaled(image: Image.Image, side: int = 160, how: Resampling = Resampling.BICUBIC) -> Image.Image:
    """A thumbnail, scaled up to the picture's size."""
    return thumbnail(image, side).resize(image.size, how)


def exposed(image: Image.Image, stops: float) -> Image.Image:
    """Light times two to the ``stops``, in linear light."""
    values = np.asarray(image, np.float32) / 255
    light = np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4) * 2.0**stops
    light = light.clip(0, 1)
    values = np.where(light <= 0.0031308, light * 12.92, 1.055 * light ** (1 / 2.4) - 0.055)
    return Image.fromarray((values * 255).round().astype(np.uint8))


def noisy(image: Image.Image, level: float = 25) -> Image.Image:
    """Independent Gaussian noise in each channel, in gray levels."""
    values = np.asarray(image, np.float32)
    return Image.fromarray(
        (values + np.random.default_rng(0).normal(0, level, values.shape)).clip(0, 255).astype(np.uint8)
    )


def jpeg(image: Image.Image, quality: int = 10) -> Image.Image:
    """What a JPEG of that quality leaves, as pixels."""
    return Image.open(io.BytesIO(jpeg_bytes(image, quality))).convert("RGB")


def jpeg_bytes(image: Image.Image, quality: int) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=quality)
    return buffer.getvalue()


def letterboxed(image: Image.Image, share: float = 0.1) -> Image.Image:
    """Black bars above and below."""
    height = round(image.height * share)
    return ImageOps.expand(image.crop((0, height, image.width, image.height - height)), (0, height), "black")


def rehued(image: Image.Image, degrees: float = 60) -> Image.Image:
    """All hues turned."""
    hue, saturation, value = image.convert("HSV").split()
    turned = hue.point([(level + round(degrees / 360 * 256)) % 256 for level in range(256)])
    return Image.merge("HSV", (turned, saturation, value)).convert("RGB")


def tinted(image: Image.Image, gains: tuple[float, float, float] = (1.25, 1.0, 0.7)) -> Image.Image:
    """Each channel times a number."""
    return Image.fromarray((np.asarray(image, np.float32) * np.array(gains, np.float32)).clip(0, 255).astype(np.uint8))


def cropped(image: Image.Image, share: float) -> Image.Image:
    """A part of the picture, off its center."""
    width, height = round(image.width * share), round(image.height * share)
    left, top = round((image.width - width) * 0.3), round((image.height - height) * 0.6)
    return image.crop((left, top, left + width, top + height))


DAMAGES: dict[str, dict[str, Damage]] = {
    "blurred": {
        "Gaussian, sigma 2": blurred,
        "Gaussian, sigma 4": lambda image: blurred(image, 4.0),
        "motion, 9 pixels": shaken,
    },
    "upscaled": {
        "160 px, bicubic": upscaled,
        "160 px, bicubic, JPEG 90": lambda image: jpeg(upscaled(image), 90),
        "200 px, bilinear": lambda image: upscaled(image, 200, Resampling.BILINEAR),
        "160 px, nearest": lambda image: upscaled(image, 160, Resampling.NEAREST),
    },
    "dark": {"-2 stops": lambda image: exposed(image, -2), "-3 stops": lambda image: exposed(image, -3)},
    "bright": {"+2 stops": lambda image: exposed(image, 2), "+3 stops": lambda image: exposed(image, 3)},
    "compressed": {"JPEG 10, saved again": jpeg},
    "noisy": {"25 gray levels": noisy},
    "border": {"bars of a tenth": letterboxed},
}
"""Kind of flaw -> damages that it has to find."""

COPIES: dict[str, Damage] = {
    "half size": lambda image: image.resize((image.width // 2, image.height // 2), Resampling.BICUBIC),
    "a sixth": lambda image: image.resize((max(8, image.width // 6), max(8, image.height // 6)), Resampling.BICUBIC),
    "mirrored": ImageOps.mirror,
    "gray": lambda image: image.convert("L").convert("RGB"),
    "hue + 60°": rehued,
    "hue + 180°": lambda image: rehued(image, 180),
    "warmer": tinted,
    "JPEG 20": lambda image: jpeg(image, 20),
    "blurred": blurred,
    "mirrored, hue + 40°": lambda image: rehued(ImageOps.mirror(image), 40),
    "crop of 95 %": lambda image: cropped(image, 0.95),
    "crop of 90 %": lambda image: cropped(image, 0.90),
    "crop of 80 %": lambda image: cropped(image, 0.80),
}
"""Near-duplicates of a picture."""
