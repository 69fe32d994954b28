"""Reading an adapter's card: from the header of its file, and the files beside it."""

from __future__ import annotations

import math
import struct
from collections.abc import Iterable, Mapping
from dataclasses import replace
from hashlib import blake2b
from pathlib import Path
from typing import Any, NamedTuple

from ..adapters.folders import Source, sources_of, state
from ..adapters.headers import Header, read_header
from ..adapters.kinds import KINDS
from ..adapters.scales import Declared, declared_in
from ..adapters.writers import writer_of
from ..core.errors import AdapterError
from ..core.words import first_of
from .card import Card
from .header_words import said_in_header
from .layout import Layout, layout_of
from .said import Said, merged
from .sidecars import Beside, said_beside
from .values import number

MOST_HEADER = 8 * 2**20
"""Bytes. Beyond, it takes more memory than a list of adapters is worth."""
_PROMPTS = 4
"""Sample prompts that a card has, at most."""
_HASHED = 2**16
"""Bytes of the values that count for a fingerprint."""
_FORMATS = {"F32": "<f", "F16": "<e", "F64": "<d", "I64": "<q", "I32": "<i"}
"""dtype of a number -> how ``struct`` calls it; bfloat16 is the upper half of a float32."""


def stamp_of(path: Path, beside: Beside) -> str:
    """Changes whenever the adapter's file, or one beside it, does. No content is read."""
    try:
        return str([state(path), beside.stamp()])
    except AdapterError:
        return ""


def read_card(name: str, path: Path, beside: Beside) -> Card:
    """The card of an adapter. A file that can't be read has one too, which says why.

    Args:
        name: path below the folder of adapters, with forward slashes.
        path: of its file or folder.
        beside: the files beside it.
    """
    told, remarks = said_beside(path, beside)
    try:
        read = _read(path)
        declared = declared_in(read.metadata, read.configs)
    except AdapterError as error:
        card = Card(name=name, bytes=_size(path), problem=error.got)
        return _with_words(card, merged(Said(source=""), told), remarks, beside)
    header = said_in_header(read.metadata, read.configs)
    layout = layout_of(read.shapes)
    alpha = _alpha(read, layout, declared)
    no_adapter = "" if layout.is_adapter else "It isn't an adapter: no tensor has a name that adapters' tensors have."
    card = Card(
        name=name,
        bytes=sum(source.path.stat().st_size for source in read.sources),
        problem=read.cut_off or no_adapter,
        family=header.family or layout.family,
        kinds=layout.kinds,
        ranks=layout.ranks,
        alpha=alpha if alpha is not None and math.isfinite(alpha) else None,
        modules=layout.modules,
        targets=layout.targets,
        writer=writer_of(read.shapes, read.metadata, read.configs),
        fingerprint=read.fingerprint,
    )
    return _with_words(card, merged(header, told), [*remarks, *_remarks(layout, alpha)], beside)


class _Read(NamedTuple):
    """What the headers of an adapter's files hold."""

    sources: list[Source]
    shapes: dict[str, tuple[int, ...]]
    metadata: dict[str, str]
    configs: dict[str, Mapping[str, Any]]
    headers: list[Header]
    fingerprint: str
    cut_off: str
    """That a file ends before its tensors do, in words."""


def _read(path: Path) -> _Read:
    """
    Raises:
        AdapterError: a file isn't safetensors, or a configuration is damaged.
    """
    sources, headers = sources_of(path), []
    shapes: dict[str, tuple[int, ...]] = {}
    metadata: dict[str, str] = {}
    hashed, cut_off = blake2b(digest_size=16), ""
    for source in sources:
        header = read_header(source.path, most=MOST_HEADER)
        begin = f"{source.component}." if source.component else ""
        shapes |= {begin + name: shape for name, shape in header.shapes.items()} if begin else header.shapes
        metadata |= header.metadata
        headers.append(header)
        cut_off = cut_off or _cut_off(source.path, header)
        hashed.update(str(source.path.stat().st_size - header.body).encode())
        hashed.update(_bytes(source.path, header.body, _HASHED))
    configs = {source.component: source.config for source in sources if source.config is not None}
    return _Read(sources, shapes, metadata, configs, headers, hashed.hexdigest(), cut_off)


def _cut_off(path: Path, header: Header) -> str:
    whole, size = header.body + max((end for _, end in header.spans.values()), default=0), path.stat().st_size
    return f"It is cut off: it should have {whole} bytes, but has {size}; download it again." if whole > size else ""


def _with_words(card: Card, said: Said, remarks: Iterable[str], beside: Beside) -> Card:
    """The card with what its header and the files beside it say."""
    return replace(
        card,
        triggers=said.triggers,
        told_by=said.source,
        family=card.family or said.family,
        base=said.base,
        trained=said.trained,
        verdict=said.verdict,
        weight=said.weight,
        notes=said.notes,
        prompts=said.prompts[:_PROMPTS],
        preview=beside.preview.name if beside.preview else "",
        hashes=said.hashes,
        remarks=tuple(remarks),
    )


def _alpha(read: _Read, layout: Layout, declared: Mapping[str, Declared]) -> float | None:
    """The alpha of the first module that has one, or that of all as the header has it."""
    if layout.alpha:
        return _scalar(read, layout.alpha)
    for own in declared.values():
        if (found := number(own.config.get("lora_alpha", own.config.get("alpha")))) is not None:
            return found
    return number(read.metadata.get("ss_network_alpha"))


def _scalar(read: _Read, name: str) -> float | None:
    """The value of a tensor of one number; ``None`` if it isn't one, or of a dtype that alphas don't have."""
    for source, header in zip(read.sources, read.headers, strict=True):
        own = name.removeprefix(f"{source.component}.") if source.component else name
        if own in header.shapes:
            return _number(source.path, header, own)
    return None


def _number(path: Path, header: Header, name: str) -> float | None:
    dtype, (begin, end) = header.dtypes[name], header.spans[name]
    content = _bytes(path, header.body + begin, min(end - begin, 8))
    form, content = ("<f", b"\0\0" + content) if dtype == "BF16" else (_FORMATS.get(dtype, ""), content)
    return float(struct.unpack(form, content)[0]) if form and len(content) == struct.calcsize(form) else None


def _bytes(path: Path, begin: int, count: int) -> bytes:
    """Some of a file; nothing where it can't be read."""
    try:
        with path.open("rb") as file:
            file.seek(max(begin, 0))
            return file.read(max(count, 0))
    except (OSError, OverflowError, ValueError):
        return b""


def _remarks(layout: Layout, alpha: float | None) -> Iterable[str]:
    if unread := [kind for kind in layout.kinds if kind not in KINDS]:
        yield f"It holds {first_of(unread)}, which isn't read here; ComfyUI may apply it by a LORA_STACK."
    if alpha is not None and not math.isfinite(alpha):
        yield "Its alpha isn't a finite number, so that it can't be loaded."
    if alpha == 0 and any(KINDS.get(kind).scaled for kind in layout.kinds if kind in KINDS):
        yield "Its alpha is 0, so that it changes nothing."


def _size(path: Path) -> int:
    try:
        return path.stat().st_size if path.is_file() else 0
    except OSError:
        return 0
