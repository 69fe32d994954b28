"""Names of files and folders that every system can store: each name that we write goes through here."""

from __future__ import annotations

import re

_UNUSABLE = re.compile(r'[<>:"|?*\\/\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]')
"""What Windows refuses, control characters, what reverses the direction of text, and lone surrogates."""
_RESERVED = re.compile(r"(?:con|prn|aux|nul|conin\$|conout\$|(?:com|lpt)[0-9¹²³]) *(?:\..*)?", re.IGNORECASE)
"""Windows' devices, which it opens in place of a file of that name, whatever its extension and in any folder."""
MAX_BYTES = 180
"""Of a name without its extension: most file systems allow 255, of which a temporary name needs some."""


def usable(name: str, *, instead: str = "_") -> str:
    """A name for a file (without its extension) or a folder that is as close as possible to ``name``.

    Characters that some systems don't allow become underscores, blanks around it and dots at its end are removed, the
    name of a device gets an underscore before it, and long names are cut to ``MAX_BYTES``. A usable name stays as it
    is.

    Args:
        name: a single name, not a path.
        instead: what to call it if nothing is left.
    """
    cleaned = _UNUSABLE.sub("_", name).strip()
    cleaned = f"_{cleaned}" if _RESERVED.fullmatch(cleaned) else cleaned
    return cleaned.encode()[:MAX_BYTES].decode(errors="ignore").rstrip(". ") or instead
