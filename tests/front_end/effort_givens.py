"""What the tasks of docs/effort.md are given: names, weights, words and prompts, and the files on the server."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from effort_nodes import effort_nodes
from vault_files import lora_file

if TYPE_CHECKING:
    from standin import Standin

MANY = 300
"""Adapters in the library."""
NAMED = {"fox": "ohwx fox", "riso": "riso print", "rain": "wet rain"}
"""Adapter -> its trigger phrase; the others have numbers for names, and none."""
WEIGHTS = {"fox": ".8", "riso": ".6", "rain": ".4"}
FOX = "subjects/fox.safetensors"
OTHER = "styles/adapter 000.safetensors"
PICTURES, CAPTIONED, CHOSEN = 15, 30, 11
"""How many pictures are trained on, how many have captions, and which of these is edited."""
OLD, ADDED = "log", ", in snow"
"""A word that only the caption to edit has, at its end, and what is to follow it."""
PROMPTS = ("a fox in snow", "a fox at sea")
COMPARED = ("1", ".4", ".7")


def prepare(standin: Standin) -> list[Path]:
    """The library of adapters, the pictures, and the nodes that the ways need; gives the files of the adapters."""
    folder = standin.host.adapter_directory()
    made = [lora_file(folder / f"styles/adapter {number:03d}.safetensors") for number in range(MANY - len(NAMED))]
    for name, phrase in NAMED.items():
        file, own = folder / f"subjects/{name}.safetensors", json.dumps([phrase])
        made.append(lora_file(file, modelspec__title=name, modelspec__trigger_phrase=phrase, lw__triggers=own))
    names = sorted(path.relative_to(folder).as_posix() for path in made)
    for name in ("clips", "foxes", "old"):
        (standin.folder / "input" / name).mkdir(exist_ok=True)
    write_pictures(standin.folder / "input" / "foxes", PICTURES)
    write_pictures(standin.folder / "input" / "old", CAPTIONED)
    standin.add_nodes(effort_nodes(names, ["clips", "foxes", "old"]))
    return made


def write_pictures(folder: Path, count: int) -> None:
    from PIL import Image

    for number in range(count):
        Image.new("RGB", (64, 64), (8 * number, 90, 160)).save(folder / f"{number:02}.png")
        words = f"a photo of ohwx fox on a {OLD if number == CHOSEN else 'hill'}"
        (folder / f"{number:02}.txt").write_text(words, encoding="utf-8")
