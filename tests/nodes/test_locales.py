"""Texts of the scripts in other languages: every one that a user can see, with the same values in it."""

from __future__ import annotations

import json
import re
from pathlib import Path

import lora_workbench
import pytest

ROOT = Path(lora_workbench.__file__).parent
LANGUAGES = sorted(path.name for path in (ROOT / "locales").iterdir())
_CALL = re.compile(r'\bt\(\s*"((?:[^"\\]|\\.)*)"')
_VALUE = re.compile(r"\{\w+\}")


def texts_of_scripts() -> set[str]:
    scripts = (path.read_text(encoding="utf-8") for path in (ROOT / "js").rglob("*.js"))
    return {json.loads(f'"{text}"') for script in scripts for text in _CALL.findall(script)}


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_text_is_translated(language: str) -> None:
    known = json.loads((ROOT / "locales" / language / "main.json").read_text(encoding="utf-8"))["loraWorkbench"]
    assert set(known) == texts_of_scripts()
    assert not [text for text, told in known.items() if not told.strip()]
    differ = {t: told for t, told in known.items() if sorted(_VALUE.findall(t)) != sorted(_VALUE.findall(told))}
    assert not differ


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_command_is_translated(language: str) -> None:
    script = (ROOT / "js" / "stop_training.js").read_text(encoding="utf-8")
    known = json.loads((ROOT / "locales" / language / "commands.json").read_text(encoding="utf-8"))
    assert set(known) == {name.replace(".", "_") for name in re.findall(r'\{ id: "([\w.]+)"', script)}
    assert all(told["label"].strip() for told in known.values())
