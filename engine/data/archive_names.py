"""Names in zip archives, many of which don't say in which encoding they are."""

from __future__ import annotations

import re
import struct
import zipfile
import zlib
from collections.abc import Sequence

from .code_pages import code_page

_UTF_8 = 0x800
"""Flag of a name that is in UTF-8; others should be in code page 437, and are in whatever the packer's system uses."""
_UNICODE_PATH = 0x7075
"""Extra field in which Info-ZIP, 7-Zip and others repeat a name in UTF-8."""


def member_name(name: str) -> str:
    """A member's path with forward slashes, without ``./``."""
    return "/".join(part for part in re.split(r"[\\/]", name) if part not in ("", "."))


def decoded_names(infos: Sequence[zipfile.ZipInfo], mentions: str = "") -> tuple[list[str], str]:
    """The names of an archive's members, and the encoding that was found for those that don't tell theirs.

    Args:
        infos: the members.
        mentions: text that may mention names, such as tables of captions, or is in the same language.
    """
    known = {id(info): info.filename for info in infos if info.flag_bits & _UTF_8 or info.orig_filename.isascii()}
    known |= {id(info): name for info in infos if (name := _unicode_path(info))}
    untold = [_raw(info) for info in infos if id(info) not in known]
    encoding = code_page(untold, mentions) if untold else ""
    return [known.get(id(info)) or _raw(info).decode(encoding) for info in infos], encoding


def _raw(info: zipfile.ZipInfo) -> bytes:
    """The name's bytes; zipfile has read them as code page 437."""
    return info.orig_filename.encode("cp437", errors="replace")


def _unicode_path(info: zipfile.ZipInfo) -> str:
    """The name in UTF-8 of an extra field, if that was written for this name; else an empty string."""
    at = 0
    while at + 4 <= len(info.extra):
        kind, size = struct.unpack_from("<HH", info.extra, at)
        body = info.extra[at + 4 : at + 4 + size]
        if kind == _UNICODE_PATH and body[:5] == struct.pack("<BI", 1, zlib.crc32(_raw(info))):
            return body[5:].decode(errors="ignore")
        at += 4 + size
    return ""
