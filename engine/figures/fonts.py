"""Fonts for the letters of figures: Pillow's own where it has them, else one that is installed on this computer."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import unicodedata
from collections.abc import Iterable, Iterator
from functools import lru_cache
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from PIL.ImageFont import FreeTypeFont, ImageFont

OWN = ""
"""The face that comes with Pillow, which has Latin letters."""
STAND_IN = "·"
"""Drawn for a letter that no font has."""
_NOWHERE = "\uffff"
"""No font has a glyph for this, so it is drawn as a missing one."""
_SUFFIXES = (".ttf", ".otf", ".ttc")
_STYLES = (
    "serif", "mono", "math", "bold", "italic", "oblique", "black", "light", "thin", "condensed", "narrow", "emoji",
)  # fmt: skip
_MOST_FILES = 3000
_SECONDS = 5
_SAMPLE_SIZE = 16

_SEARCHES = 8
"""Searches for fonts of one script. Where they found nothing, there is probably no font for it."""

_faces: dict[str, list[str | None]] = {}
"""Script -> what each search for it found: a font file, or nothing."""


@lru_cache(maxsize=64)
def font(size: int, face: str = OWN) -> FreeTypeFont | ImageFont:
    """A font, ``size`` pixels high.

    Args:
        size: in pixels.
        face: a font file, or Pillow's own.

    Raises:
        OSError: the file isn't a scalable font.
    """
    from PIL import ImageFont

    return ImageFont.truetype(face, size) if face else ImageFont.load_default(size)


def runs(text: str) -> list[tuple[str, str]]:
    """(part, its face) for each part of a text that one face draws. Letters that none draws have stand-ins."""
    faces = [(character, _face(character)) for character in text if not _is_invisible(character)]
    drawn = [(STAND_IN, OWN) if face is None else (character, face) for character, face in faces]
    return [("".join(c for c, _ in part), face) for face, part in groupby(drawn, key=lambda pair: pair[1])]


def missing_note(texts: Iterable[str]) -> str:
    """What to say about letters that no font on this computer has; empty if all can be drawn."""
    missing = dict.fromkeys(c for text in texts for c in dict.fromkeys(text) if _face(c) is None)
    if not missing:
        return ""
    scripts = ", ".join(dict.fromkeys(_script(c) for c in missing))
    return (
        f"Letters that no font on this computer has are drawn as {STAND_IN} ({scripts}). They are trained as written. "
        "To see them here, install a font such as Noto Sans CJK."
    )


@lru_cache(maxsize=8192)
def _face(character: str) -> str | None:
    """The face that draws a character; ``None`` if none does."""
    if character.isspace() or _is_invisible(character) or _draws(OWN, character):
        return OWN
    tried = _faces.setdefault(_script(character), [])
    for face in tried:
        if face and _draws(face, character):
            return face
    if len(tried) < _SEARCHES:
        tried.append(next((face for face in _candidates(character) if _draws(face, character)), None))
        return tried[-1]
    return None


def _is_invisible(character: str) -> bool:
    """Control and format characters, and the selectors that make emoji of symbols."""
    return unicodedata.category(character) in ("Cc", "Cf") or "\ufe00" <= character <= "\ufe0f"


def _script(character: str) -> str:
    """For example ``CJK`` or ``Thai``; ``symbols`` for what is no letter."""
    if unicodedata.category(character)[0] not in "LM":
        return "symbols"
    name = unicodedata.name(character, "unknown").split(" ")[0]
    return name if name == "CJK" else name.title()


def _draws(face: str, character: str) -> bool:
    """Whether a face has a glyph of its own for a character."""
    try:
        opened: Any = font(_SAMPLE_SIZE, face)
        glyph, nothing = (opened.getmask(text) for text in (character, _NOWHERE))
    except OSError:
        return False
    return (glyph.size, bytes(glyph)) != (nothing.size, bytes(nothing))


def _candidates(character: str) -> list[str]:
    """Font files that may have a character: those that fontconfig names, or else all in the usual folders."""
    named = _by_fontconfig(character) if shutil.which("fc-list") else list(_in_folders())
    return sorted(named, key=lambda path: (_fancy(path), path))


def _fancy(path: str) -> int:
    """How unlike plain text a font sounds, by its file name."""
    name = Path(path).stem.lower()
    return 2 * any(style in name for style in _STYLES) + ("sans" not in name)


def _by_fontconfig(character: str) -> list[str]:
    command = ["fc-list", f":charset={ord(character):x}", "file"]
    try:
        found = subprocess.run(command, capture_output=True, text=True, timeout=_SECONDS, check=False).stdout
    except (OSError, subprocess.SubprocessError, UnicodeDecodeError):
        return []
    paths = [line.rstrip().removesuffix(":") for line in found.splitlines()]
    return [path for path in paths if path.lower().endswith(_SUFFIXES)]


def _in_folders() -> Iterator[str]:
    count = 0
    for folder in _folders():
        for root, _, names in os.walk(folder):
            for name in sorted(names):
                if name.lower().endswith(_SUFFIXES) and count < _MOST_FILES:
                    count += 1
                    yield os.path.join(root, name)


def _folders() -> list[Path]:
    """Where systems keep fonts."""
    home = Path.home()
    if sys.platform == "win32":
        local = Path(os.environ.get("LOCALAPPDATA", home))
        return [Path(os.environ.get("WINDIR", r"C:\Windows")) / "Fonts", local / "Microsoft" / "Windows" / "Fonts"]
    if sys.platform == "darwin":
        return [home / "Library" / "Fonts", Path("/Library/Fonts"), Path("/System/Library/Fonts")]
    shared = os.environ.get("XDG_DATA_DIRS") or "/usr/local/share:/usr/share"
    own = Path(os.environ.get("XDG_DATA_HOME") or home / ".local" / "share")
    return [own / "fonts", home / ".fonts", *(Path(folder) / "fonts" for folder in shared.split(":") if folder)]
