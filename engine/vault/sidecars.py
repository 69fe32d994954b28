"""The files beside an adapter: what other programs and the user keep of it there.

- ``fox.lw.json`` is ours: notes, weight, trigger phrases and pin of the user's own (``notes.py``).
- ``fox.json`` is A1111's, with ``activation text`` and ``preferred weight``.
- ``fox.metadata.json`` is that of ComfyUI-Lora-Manager, with ``usage_tips`` and Civitai's answer in ``civitai``.
- ``fox.civitai.info`` is Civitai's answer as such, which Civitai Helper and other programs save.
- ``README.md`` in the folder of an adapter is diffusers' model card, with ``instance_prompt``.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from ..core.stamps import file_stamp
from .families import family_called
from .said import Said, phrases
from .values import LONGEST, listed, mapping, number, parsed, text

OWN = ".lw.json"
MOST = 4 * 2**20
"""Bytes. Those of Civitai with long descriptions and many pictures have some 300 kB."""
_PREVIEWS = tuple(f"{begin}{end}" for begin in (".preview", "") for end in (".png", ".jpg", ".jpeg", ".webp"))
_README = "README.md"
_PROMPT = re.compile(r"^instance_prompt:[ \t]*(.+)$", re.MULTILINE)


class Beside(NamedTuple):
    """The files beside an adapter."""

    told: tuple[Path, ...]
    """What says something of it."""
    preview: Path | None

    def stamp(self) -> list[list[int | str]]:
        """Changes with each of them."""
        return [[file.name, *file_stamp(file)] for file in (*self.told, *([self.preview] if self.preview else []))]


NOTHING = Beside((), None)


class Folders:
    """Which files there are, with each folder listed once."""

    def __init__(self) -> None:
        self._names: dict[Path, frozenset[str]] = {}

    def beside(self, path: Path) -> Beside:
        """The files beside an adapter, which may be a folder."""
        folder, stem = path.parent, stem_of(path)
        names = self._in(folder)
        told = [folder / (stem + end) for end in _READERS if stem + end in names]
        if path.suffix != ".safetensors" and _README in self._in(path):
            told.append(path / _README)
        preview = next((folder / (stem + end) for end in _PREVIEWS if stem + end in names), None)
        return Beside(tuple(told), preview)

    def _in(self, folder: Path) -> frozenset[str]:
        if folder not in self._names:
            found: frozenset[str] = frozenset()
            with suppress(OSError):
                found = frozenset(os.listdir(folder))
            self._names[folder] = found
        return self._names[folder]


def stem_of(path: Path) -> str:
    """How the names of the files beside an adapter begin."""
    return path.name.removesuffix(".safetensors")


def said_beside(path: Path, beside: Beside) -> tuple[list[Said], list[str]]:
    """What the files beside an adapter say, and what was wrong with them, one sentence each."""
    found, remarks = [], []
    for file in beside.told:
        try:
            found.append(_said(path, file))
        except (OSError, ValueError) as error:
            remarks.append(f"{file.name} was left out: {error}.")
    return found, remarks


def _said(path: Path, file: Path) -> Said:
    """What one file says.

    Raises:
        ValueError: it is too large, or isn't JSON.
        OSError: it can't be read.
    """
    if (size := file.stat().st_size) > MOST:
        raise ValueError(f"it has {size / 1e6:.0f} MB, more than any such file")
    content = file.read_bytes().decode("utf-8-sig", errors="replace")
    if file.name == _README:
        return _in_readme(content)
    fields = parsed(content)
    if not isinstance(fields, dict):
        raise ValueError("it isn't a JSON object")
    return _READERS[file.name.removeprefix(stem_of(path))](fields)


def _in_own(fields: Mapping[str, Any]) -> Said:
    return Said(
        source="your notes",
        triggers=phrases(listed(fields.get("triggers"))),
        weight=number(fields.get("weight")),
        notes=text(fields.get("notes")),
        pinned=fields.get("pinned") is True,
        prompts=phrases(listed(fields.get("prompts"))),
    )


def _in_a1111(fields: Mapping[str, Any]) -> Said:
    """Its 0 is a weight that nobody set."""
    called = text(fields.get("sd version"))
    return Said(
        source="the JSON file of A1111",
        triggers=phrases([fields.get("activation text")]),
        family=family_called(called) if called != "Unknown" else "",
        weight=number(fields.get("preferred weight")) or None,
        notes="\n".join(filter(None, (text(fields.get("notes")), text(fields.get("description"))))),
    )


def _in_lora_manager(fields: Mapping[str, Any]) -> Said:
    site = _in_civitai(mapping(fields.get("civitai")))
    base = text(fields.get("base_model"))
    known = base if base != "Unknown" else ""
    hashed = text(fields.get("sha256")).lower()
    return Said(
        source="Lora-Manager's file",
        triggers=site.triggers,
        family=family_called(known) or site.family,
        base=known or site.base,
        weight=number(mapping(fields.get("usage_tips")).get("strength")),
        notes=text(fields.get("notes")),
        prompts=site.prompts,
        hashes={**site.hashes, **({"SHA256": hashed} if hashed else {})},
    )


def _in_civitai(fields: Mapping[str, Any]) -> Said:
    """The version of a model, as Civitai's interface answers."""
    pictures = map(mapping, listed(fields.get("images")))
    files = [mapping(mapping(file).get("hashes")) for file in listed(fields.get("files"))]
    base = text(fields.get("baseModel"))
    return Said(
        source="Civitai's file",
        triggers=phrases(listed(fields.get("trainedWords"))),
        family=family_called(base),
        base=base,
        prompts=phrases(mapping(picture.get("meta")).get("prompt") for picture in pictures),
        hashes={name: value.lower() for name, told in (files[0] if files else {}).items() if (value := text(told))},
    )


def _in_readme(content: str) -> Said:
    """The card of a model on Hugging Face, whose first lines are YAML between lines of three hyphens."""
    head = content.split("\n---", 1)[0] if content.startswith("---") else ""
    found = _PROMPT.search(head[:LONGEST])
    prompt = found[1].strip().strip("\"'") if found else ""
    return Said(source="the model card", triggers=phrases([prompt]))


_READERS: Mapping[str, Callable[[Mapping[str, Any]], Said]] = {
    OWN: _in_own,
    ".json": _in_a1111,
    ".metadata.json": _in_lora_manager,
    ".civitai.info": _in_civitai,
}
"""End of a file's name -> what it says; the user's own words come first."""
