"""HTML and SVG, in which every text is escaped unless it was made here."""

from __future__ import annotations

import base64
import hashlib
import html
import io
from typing import TYPE_CHECKING

from ..core.words import printable

if TYPE_CHECKING:
    from PIL.Image import Image

_VOID = frozenset({"meta", "img", "input", "br", "link"})
_QUALITY = 80


class Markup(str):
    """Text that is HTML already, and safe."""

    __slots__ = ()


def element(tag: str, *children: str | None, **attributes: str | float | bool | None) -> Markup:
    """An element with its children and attributes, escaped where they aren't ``Markup``.

    Args:
        tag: its name.
        children: texts and elements; ``None`` and empty ones are left out.
        attributes: a name's underscores become hyphens, one at its end is dropped (``class_``). ``True`` is an
            attribute without a value; ``None`` and ``False`` leave it out.
    """
    given = "".join(_attribute(name, value) for name, value in attributes.items())
    return Markup(f"<{tag}{given}>" if tag in _VOID else f"<{tag}{given}>{joined(*children)}</{tag}>")


def joined(*parts: str | None) -> Markup:
    """Texts and elements one after the other."""
    return Markup("".join(escaped(part) for part in parts if part))


def escaped(text: str) -> Markup:
    """The text as HTML, with control characters and what reverses its direction written out."""
    return text if isinstance(text, Markup) else Markup(html.escape(printable(text)))


def _attribute(name: str, value: str | float | bool | None) -> str:
    name = name.removesuffix("_").replace("_", "-")
    if value is None or value is False:
        return ""
    return f" {name}" if value is True else f' {name}="{escaped(str(value))}"'


def data_uri(data: bytes, kind: str) -> str:
    """An address that holds the data itself; ``kind`` is its media type."""
    return f"data:{kind};base64,{base64.b64encode(data).decode('ascii')}"


def picture(image: Image, side: int, **attributes: str | float | bool | None) -> Markup:
    """An ``img`` that holds its picture, as WebP of at most ``side`` pixels on the longer side."""
    from PIL import Image

    small = image.convert("RGB")
    small.thumbnail((side, side), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    small.save(buffer, format="WEBP", quality=_QUALITY, method=4)
    source = data_uri(buffer.getvalue(), "image/webp")
    return element("img", src=source, width=small.width, height=small.height, loading="lazy", **attributes)


def content_policy(script: str, *, pictures: str) -> str:
    """What a page may load: pictures, its own styles, and the one script with this hash.

    Args:
        script: the page's own.
        pictures: where they come from, as ``img-src`` has it.
    """
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode("ascii")
    sources = {
        "default-src": "'none'",
        "img-src": pictures,
        "style-src": "'unsafe-inline'",
        "script-src": f"'sha256-{digest}'",
        "base-uri": "'none'",
        "form-action": "'none'",
    }
    return "; ".join(f"{name} {value}" for name, value in sources.items())
