"""Reading an adapter's card: from the header of its file, and the files beside it."""

from __future__ import annotations

import math
import struct
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from hashlib import blake2b
from pathlib import Path
from typing import Any, NamedTuple

from ..adapters.folders import Source, sources_of, state
from ..adapters.headers import RawHeader, parsed_tensors, read_raw_header
from ..adapters.kinds import KINDS
from ..adapters.scales import Declared, declared_in
from ..adapters.writers import telling_names, writer_of
from ..core.errors import AdapterError
from ..core.lru import LRU
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

_SUMMED = LRU["_Tensors"](512)
"""Files of one program and base model have few headers but for metadata: each is parsed once."""


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
    layout, alpha = read.tensors.layout, _alpha(read, declared)
    no_adapter = "" if layout.is_adapter else "It isn't an adapter: no tensor has a name that adapters' tensors have."
    card = Card(
        name=name,
        bytes=sum(source.path.stat().st_size for source in read.sources),
        problem=_cut_off(read) or no_adapter,
        family=header.family or layout.family,
        kinds=layout.kinds,
        ranks=layout.ranks,
        alpha=alpha if alpha is not None and math.isfinite(alpha) else None,
        modules=layout.modules,
        targets=layout.targets,
        writer=writer_of(read.tensors.telling, read.metadata, read.configs),
        fingerprint=_fingerprint(read),
    )
    return _with_words(card, merged(header, told), [*remarks, *_remarks(layout, alpha)], beside)


class _Tensors(NamedTuple):
    """What tensors there are, summed up."""

    layout: Layout
    telling: tuple[str, ...]
    """Names that tell who wrote them."""
    end: int
    """Bytes of all values."""
    alpha: tuple[str, int, int] | None
    """dtype and span of the first module's alpha."""


class _Read(NamedTuple):
    """What the headers of an adapter's files hold."""

    sources: list[Source]
    headers: list[RawHeader]
    tensors: _Tensors
    metadata: dict[str, str]
    configs: dict[str, Mapping[str, Any]]


def _read(path: Path) -> _Read:
    """
    Raises:
        AdapterError: a file isn't safetensors, or a configuration is damaged.
    """
    sources = sources_of(path)
    headers = [read_raw_header(source.path, most=MOST_HEADER) for source in sources]
    metadata = {name: value for header in headers for name, value in header.metadata.items()}
    configs = {source.component: source.config for source in sources if source.config is not None}
    key = blake2b("\0".join([*(s.component for s in sources), *(h.tensors for h in headers)]).encode()).digest()
    tensors = _SUMMED.get(key, lambda: _summed_up(sources, headers))
    return _Read(sources, headers, tensors, metadata, configs)


def _summed_up(sources: Sequence[Source], headers: Sequence[RawHeader]) -> _Tensors:
    """
    Raises:
        AdapterError: a header is damaged.
    """
    shapes: dict[str, tuple[int, ...]] = {}
    dtypes: dict[str, str] = {}
    spans: dict[str, tuple[int, int]] = {}
    for source, header in zip(sources, headers, strict=True):
        begin = f"{source.component}." if source.component else ""
        for found, own in zip((shapes, dtypes, spans), parsed_tensors(header, source.path), strict=True):
            found |= {begin + name: value for name, value in own.items()}  # type: ignore[misc]
    layout = layout_of(shapes)
    alpha = (dtypes[layout.alpha], *spans[layout.alpha]) if layout.alpha else None
    end = max((end for _, end in spans.values()), default=0)
    return _Tensors(layout, telling_names(shapes), end, alpha)


def _cut_off(read: _Read) -> str:
    """That a file ends before its tensors do, in words. Of folders it isn't looked for."""
    if len(read.sources) > 1:
        return ""
    whole, size = read.headers[0].body + read.tensors.end, read.sources[0].path.stat().st_size
    return f"It is cut off: it should have {whole} bytes, but has {size}; download it again." if whole > size else ""


def _fingerprint(read: _Read) -> str:
    hashed = blake2b(digest_size=16)
    for source, header in zip(read.sources, read.headers, strict=True):
        hashed.update(str(source.path.stat().st_size - header.body).encode())
        hashed.update(_bytes(source.path, header.body, _HASHED))
    return hashed.hexdigest()


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
        pinned=said.pinned,
        prompts=said.prompts[:_PROMPTS],
        preview=beside.preview.name if beside.preview else "",
        hashes=said.hashes,
        remarks=tuple(remarks),
    )


def _alpha(read: _Read, declared: Mapping[str, Declared]) -> float | None:
    """The alpha of the first module that has a tensor of it, or that of all as a configuration or the header has it."""
    if read.tensors.alpha and len(read.sources) == 1:
        return _number(read.sources[0].path, read.headers[0].body, *read.tensors.alpha)
    for own in declared.values():
        if (found := number(own.config.get("lora_alpha", own.config.get("alpha")))) is not None:
            return found
    return number(read.metadata.get("ss_network_alpha"))


def _number(path: Path, body: int, dtype: str, begin: int, end: int) -> float | None:
    """The value of a tensor of one number; ``None`` if it isn't one, or of a dtype that alphas don't have."""
    content = _bytes(path, body + begin, min(end - begin, 8))
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
