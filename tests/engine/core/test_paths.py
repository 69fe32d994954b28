"""No absolute path of this machine leaves it inside a picture or an adapter."""

from __future__ import annotations

from pathlib import Path

import pytest
from lora_workbench.engine.core.paths import portable


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("/data/sets/dog", "dog"),
        ("/data/work/sets/dog", "sets/dog"),
        ("/data/work", "work"),
        ("~/pictures/dog", "dog"),
        ("C:\\Users\\me\\dog", "dog"),
        ("c:/Users/me/dog", "dog"),
        ("\\\\server\\share\\dog", "dog"),
        ("sets/dog", "sets/dog"),
        ("a photo of a dog and/or a cat", "a photo of a dog and/or a cat"),
        ("first line\n/data/sets/dog", "first line\ndog"),
        ("/shrug", "/shrug"),
        ("a fox /in/the snow", "a fox /in/the snow"),
        ("/data/foxes/", "foxes"),
        ("file:///home/someone/fox.png", "fox.png"),
        ("D:/models/base.safetensors", "base.safetensors"),
        ("made from /home/someone/fox.png and C:\\Users\\x\\owl.png", "made from fox.png and owl.png"),
        ("https://example.org/a/b.png", "https://example.org/a/b.png"),
        ("black/white, and / or a fox", "black/white, and / or a fox"),
        ("a fox :/ sad", "a fox :/ sad"),
        ("", ""),
    ],
)
def test_texts(text: str, expected: str) -> None:
    assert portable(text, [Path("/data/work")]) == expected


def test_root_of_the_file_system_does_not_make_a_path_relative() -> None:
    assert portable("/data/sets/dog", [Path("/")]) == "dog"


def test_everything_inside_is_reached_and_the_original_left_alone() -> None:
    value = {"a": [{"b": "/data/x/y"}, 3, None, True], "c": ("/data/x/z",)}
    assert portable(value, []) == {"a": [{"b": "y"}, 3, None, True], "c": ["z"]}
    assert value["a"][0] == {"b": "/data/x/y"}
