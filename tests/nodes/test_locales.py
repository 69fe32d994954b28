"""Texts in other languages: every one that a user can see, in every file, with the same values in it."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from types import ModuleType

import lora_workbench
import pytest

SCRIPT = Path(lora_workbench.__file__).parent / "assets" / "make" / "locales.py"
RENEW = "python assets/make/locales.py renews it"
_VALUE = re.compile(r"\{\w+\}")
_ALIKE = {
    *("CLIP", "VAE", "JSON", "CFG", "alpha", "TensorBoard", "Embedding", "LoRA", "LoRA Workbench"),
    *("SNR gamma", "P2 gamma", "P2 k", "Huber delta"),
}
"""Texts that are the same in Chinese."""


def _script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("locales_script", SCRIPT)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


locales = _script()
ENGLISH = locales.english()
FILES = sorted(ENGLISH)
LANGUAGES = sorted(path.name for path in locales.FOLDER.iterdir() if path.name != locales.SOURCE)


def test_there_are_languages_and_texts() -> None:
    assert "zh" in LANGUAGES
    assert {"LW_TrainLoRA", "LW_Stack"} <= set(ENGLISH["nodeDefs.json"])
    assert "LoRAWorkbench_Stop" in ENGLISH["commands.json"]
    assert len(ENGLISH["main.json"]["loraWorkbench"]) > 50


@pytest.mark.parametrize("name", FILES)
def test_english_is_what_nodes_and_scripts_say(name: str) -> None:
    assert locales.read(locales.SOURCE, name) == ENGLISH[name], RENEW


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("language", LANGUAGES)
def test_every_text_is_translated(language: str, name: str) -> None:
    wanted, told = (dict(locales.leaves(tree)) for tree in (ENGLISH[name], locales.read(language, name)))
    assert not set(wanted) - set(told), f"left to translate, see docs/translating.md; {RENEW}"
    assert not set(told) - set(wanted), f"texts that are gone; {RENEW}"
    assert not [path for path, text in told.items() if not text.strip()]


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("language", LANGUAGES)
def test_values_are_the_same(language: str, name: str) -> None:
    wanted, told = (dict(locales.leaves(tree)) for tree in (ENGLISH[name], locales.read(language, name)))
    differ = [path for path in told if sorted(_VALUE.findall(wanted[path])) != sorted(_VALUE.findall(told[path]))]
    assert not differ


@pytest.mark.parametrize("name", FILES)
def test_chinese_is_chinese(name: str) -> None:
    told = dict(locales.leaves(locales.read("zh", name)))
    latin = {text for text in told.values() if not re.search(r"[\u4e00-\u9fff]", text)}
    assert latin <= _ALIKE


def test_names_have_no_syntax_of_the_front_end() -> None:
    for language in (locales.SOURCE, *LANGUAGES):
        for path, text in locales.leaves(locales.read(language, "nodeDefs.json")):
            if path[-1] != "tooltip":
                assert not re.search(r"[{}@|]", re.sub(r"\{'[{}@|]'\}", "", text)), path


def test_a_changed_text_is_left_to_translate_and_a_moved_one_keeps_its_translation() -> None:
    old = {"A": {"name": "path", "tooltip": "A folder."}, "B": {"name": "seed"}}
    told = {"A": {"name": "路径", "tooltip": "文件夹。"}, "B": {"name": "种子"}}
    new = {"A": {"name": "path", "tooltip": "A folder or zip."}, "C": {"name": "seed"}}
    result, missing = locales.renewed(new, old, told)
    assert result == {"A": {"name": "路径"}, "C": {"name": "种子"}}
    assert missing == ["A.tooltip: A folder or zip."]
