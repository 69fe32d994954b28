"""In which code page file names are, where nothing says it."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence

_SCRIPTS = {
    "cp932": "ぁ-ヿ一-鿿", "gb18030": "一-鿿", "cp949": "가-힣", "big5": "一-鿿", "cp1251": "Ѐ-ӿ", "cp866": "Ѐ-ӿ",
    "cp1252": "À-ÿ", "cp850": "À-ÿ", "cp1250": "À-ž", "cp852": "À-ž", "cp1253": "Ͱ-Ͽ", "cp737": "Ͱ-Ͽ",
    "cp1254": "À-ş", "cp857": "À-ş", "cp1255": "א-ת", "cp862": "א-ת", "cp1256": "ء-ي", "cp720": "ء-ي", "cp874": "ก-๛",
    "cp1258": "À-ỿ",
}  # fmt: skip
"""Code page -> the letters that it is for, as in a regular expression's brackets. Of several with the same evidence,
the first is taken."""
_GUESSED = tuple(_SCRIPTS)[:8]
"""Pages that are taken for names of which nothing else is known."""
_USUAL = {
    "cp932": rb"[\x81-\x97].",
    "gb18030": rb"[\xa1-\xa3\xb0-\xd7][\xa1-\xfe]",
    "cp949": rb"[\xa1-\xa3\xb0-\xc8][\xa1-\xfe]",
    "big5": rb"[\xa1-\xc6].",
}
"""How pages with characters of two bytes write those that are in use: their first levels, which hold thousands."""
_SYLLABLES = set(
    "이가는을의에다고하지사기도리자인나어대아그한정스해시라보부주여우전상일수원장선제구동성모신조무비소마서"
)
"""Of Korean text they make more than a third, and of other bytes that are read as Korean a fiftieth."""
_KOREAN = 1 / 8


def code_page(names: Sequence[bytes], texts: str = "") -> str:
    """The encoding of file names, all of which are in one.

    UTF-8 if the bytes are valid; else the code page under which most names are mentioned; else one for the letters of
    the texts; else the likeliest; else code page 437, after the zip format.

    Args:
        names: paths.
        texts: what may mention names, such as tables of captions, or is in the same language.
    """
    together = b"\n".join(names)
    if _holds(together, "utf-8"):
        return "utf-8"
    possible = [page for page in _SCRIPTS if _holds(together, page)]
    decoded = {page: together.decode(page) for page in possible}
    known = _mentioned(texts)
    if found := _most({page: _count_known(decoded[page].split("\n"), known) for page in possible}):
        return found
    letters = "".join(re.findall(r"[^\W\d_\x00-\x7f]", texts))
    if found := _most({page: _count_alike(decoded[page], letters, page) for page in possible}):
        return found
    return _guessed(together, [page for page in possible if page in _GUESSED])


def _holds(names: bytes, encoding: str) -> bool:
    try:
        names.decode(encoding)
    except UnicodeDecodeError:
        return False
    return True


def _most(counts: dict[str, float]) -> str:
    """The page with the highest count, the first of several; empty if all are 0."""
    best = max(counts, key=lambda page: counts[page], default="")
    return best if best and counts[best] else ""


def _mentioned(texts: str) -> Collection[str]:
    """Everything in tables that may be a file's name, also in JSON that is written in ASCII alone."""
    texts = re.sub(r"(?:\\u[0-9a-fA-F]{4})+", _unescaped, texts)
    quoted = (_last(part) for part in re.findall(r'"([^"\n]*)"', texts))
    return {*quoted, *(part.strip() for part in re.split(r'["/\\\t\r\n,;]', texts))}


def _unescaped(escapes: re.Match[str]) -> str:
    return bytes.fromhex(escapes[0].replace("\\u", "")).decode("utf-16-be", errors="replace")


def _last(path: str) -> str:
    return re.split(r"[\\/]", path)[-1]


def _count_known(paths: Iterable[str], known: Collection[str]) -> int:
    """How many names are known, with or without their endings; an ending alone is no name."""
    parts = [_last(path).rpartition(".") for path in paths]
    return sum(bool(stem) and (stem in known or stem + dot + ending in known) for stem, dot, ending in parts)


def _count_alike(names: str, letters: str, page: str) -> float:
    """How many letters of names are of the script of other texts, those among their letters twice; 0 if the page isn't
    for these texts."""
    script = re.compile(f"[{_SCRIPTS[page]}]")
    of_script = script.findall(letters)
    if len(of_script) * 2 <= len(letters):
        return 0
    written = sum(_holds_letter(letter, "gb2312" if page == "gb18030" else page) for letter in of_script)
    found = script.findall(names)
    return (len(found) + sum(letter in letters for letter in found)) * written / len(of_script)


def _holds_letter(letter: str, page: str) -> bool:
    return bool(letter.encode(page, errors="ignore"))


def _guessed(together: bytes, possible: Sequence[str]) -> str:
    from charset_normalizer import from_bytes

    usual = [page for page in possible if _is_usual(together, page)] or list(possible)
    if "gb18030" in usual and "cp949" in usual:
        korean = re.findall("[가-힣]", together.decode("cp949"))
        usual.remove("gb18030" if sum(map(_SYLLABLES.__contains__, korean)) >= len(korean) * _KOREAN else "cp949")
    if "gb18030" in usual and "big5" in usual:
        usual.remove("big5")  # four in ten of its characters have a second byte that the first level of GB hasn't
    likeliest = from_bytes(together, cp_isolation=usual, threshold=0.5).best() if usual else None
    return likeliest.encoding if likeliest else "cp437"


def _is_usual(names: bytes, page: str) -> bool:
    """Whether a page with characters of two bytes reads no rare ones in the names."""
    return page not in _USUAL or bool(re.fullmatch(rb"(?:[\x00-\x7f]|" + _USUAL[page] + rb")*", names, re.DOTALL))
