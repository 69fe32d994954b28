"""Names in zip archives, many of which don't say in which encoding they are."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Sequence

_UTF_8 = 0x800
"""Flag of a name that is in UTF-8; others should be in code page 437, and are in whatever the packer's system uses."""
_CODE_PAGES = ("cp932", "gb18030", "cp949", "big5", "cp1251", "cp866", "cp1252", "cp850")


def member_name(name: str) -> str:
    """A member's path with forward slashes, without ``./``."""
    return "/".join(part for part in re.split(r"[\\/]", name) if part not in ("", "."))


def decoded_names(infos: Sequence[zipfile.ZipInfo], mentions: str = "") -> tuple[list[str], str]:
    """The names of an archive's members, and the encoding that was found for those that don't tell theirs.

    All of them are in one encoding: UTF-8 if the bytes are valid, as packers on Linux and macOS leave out the flag;
    else the code page under which most names are mentioned; else the one that charset-normalizer finds likeliest;
    else code page 437, after the zip format.

    Args:
        infos: the members.
        mentions: text that may mention names, such as tables of captions.
    """
    unflagged = {id(info) for info in infos if not info.flag_bits & _UTF_8 and not info.filename.isascii()}
    if not unflagged:
        return [info.filename for info in infos], ""
    encoding = _encoding([_raw(info) for info in infos if id(info) in unflagged], mentions)
    return [_raw(info).decode(encoding) if id(info) in unflagged else info.filename for info in infos], encoding


def _raw(info: zipfile.ZipInfo) -> bytes:
    """The name's bytes; zipfile has read them as code page 437."""
    return info.orig_filename.encode("cp437", errors="replace")


def _encoding(names: Sequence[bytes], mentions: str) -> str:
    together = b"\n".join(names)
    if _holds(together, "utf-8"):
        return "utf-8"
    possible = [page for page in _CODE_PAGES if _holds(together, page)]

    def mentioned(page: str) -> int:
        return sum(member_name(name.decode(page)).rpartition("/")[2] in mentions for name in names)

    best = max(possible, key=mentioned, default="")
    if best and mentioned(best):
        return best
    from charset_normalizer import from_bytes

    likeliest = from_bytes(together, cp_isolation=possible, threshold=0.5).best() if possible else None
    return likeliest.encoding if likeliest else "cp437"


def _holds(names: bytes, encoding: str) -> bool:
    try:
        names.decode(encoding)
    except UnicodeDecodeError:
        return False
    return True
