"""Prompts from templates: choices, wildcards of lists and files, variables, all of them or at random."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from lora_workbench.engine.core.errors import ConfigError
from lora_workbench.engine.generation.prompts import MOST_PROMPTS, all_prompts, random_prompts, read_lists


@pytest.fixture
def wildcards(tmp_path: Path) -> Path:
    (tmp_path / "animals").mkdir()
    (tmp_path / "animals" / "pets.txt").write_text("# pets\ncat\ndog\n", encoding="utf-8")
    (tmp_path / "animals" / "wild.txt").write_text("fox\n", encoding="utf-8")
    (tmp_path / "places.yaml").write_text("outside:\n  - at {sea|home}\n  - in __where__\n", encoding="utf-8")
    return tmp_path


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("a {red|blue} {car|boat}", ["a red car", "a red boat", "a blue car", "a blue boat"]),
        ("{2$$a|b|c}", ["a,b", "a,c", "b,a", "b,c", "c,a", "c,b"]),
        ("${c=!{x|y}} ${c} and ${c}", ["x and x", "y and y"]),
        ("a __animals/pets__", ["a cat", "a dog"]),
        ("__animals/*__", ["cat", "dog", "fox"]),
        ("__outside__", ["at sea", "at home", "in a box"]),
        ("plain", ["plain"]),
    ],
)
def test_all_combinations(template: str, expected: list[str], wildcards: Path):
    assert sorted(all_prompts([template], {"where": ["a box"]}, [wildcards])) == sorted(expected)


def test_each_line_is_a_template_and_each_prompt_comes_once():
    assert all_prompts(["{a|b}", "{b|c}"], {}, []) == ["a", "b", "c"]


def test_random_prompts_follow_from_the_seed():
    template = ["a {red|blue|green|gray} {car|boat|plane|train} __n__"]
    lists = {"n": [str(n) for n in range(50)]}
    first = random_prompts(template, 20, 3, lists, [])
    assert first == random_prompts(template, 20, 3, lists, [])
    assert first != random_prompts(template, 20, 4, lists, [])
    assert len({prompt.split()[1] for prompt in first}) > 1


def test_too_many_are_refused_before_they_are_made():
    billions = "".join("{a|b|c|d|e|f|g|h|i|j}" for _ in range(12))
    with pytest.raises(ConfigError, match=f"{MOST_PROMPTS:,}"):
        all_prompts([billions], {}, [])
    assert len(random_prompts([billions], 5, 0, {}, [])) == 5


@pytest.mark.parametrize(
    ("template", "told"),
    [("a __colour__ car", "did you mean color?"), ("a {red|blue", "can't be read"), ("__loop__", "can't be read")],
)
def test_what_is_refused(template: str, told: str):
    with pytest.raises(ConfigError) as refused:
        all_prompts([template], {"color": ["red"], "loop": ["x __loop__"]}, [])
    assert told in str(refused.value)


def test_lists_are_read_from_lines():
    assert read_lists("color: red, light blue\n\nsize:big") == {"color": ["red", "light blue"], "size": ["big"]}
    assert read_lists("\ufeff颜色：红，绿、 蓝") == {"颜色": ["红", "绿", "蓝"]}
    with pytest.raises(ConfigError, match="isn't a list"):
        read_lists("color red")
    with pytest.raises(ConfigError, match="two lists called 'color'"):
        read_lists("color: red\ncolor: blue")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_wildcard_files_of_any_editor_are_read_whole(tmp_path: Path, encoding: str):
    (tmp_path / "farbe.txt").write_bytes("# Farben\r\ngrün\r\n\r\nblau\r\n".encode(encoding))
    assert sorted(all_prompts(["__farbe__"], {}, [tmp_path])) == ["blau", "grün"]


def test_a_wildcard_file_in_an_unknown_encoding_is_refused_where_it_is_named(tmp_path: Path):
    (tmp_path / "farbe.txt").write_bytes("grün\n".encode("latin-1"))
    assert all_prompts(["a"], {}, [tmp_path]) == ["a"]
    with pytest.raises(ConfigError, match=r"farbe\.txt.*UTF-8"):
        all_prompts(["__farbe__"], {}, [tmp_path])


def test_without_the_library_its_extra_is_named(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "dynamicprompts.enums", None)
    with pytest.raises(ConfigError, match=r"lora-workbench\[prompts\]"):
        all_prompts(["a"], {}, [])
