"""Captions of the class, which hold an adapter to what the base model makes of them."""

from __future__ import annotations

import pytest
from captioned import dataset_of
from lora_workbench.engine.data.class_captions import class_caption, without_class_word, without_trigger
from lora_workbench.engine.data.dataset import TriggerWord


@pytest.mark.parametrize(
    ("caption", "class_word", "wanted"),
    [
        ("a photo of ohwx", "fox", "a photo of fox"),
        ("a photo of ohwx fox", "fox", "a photo of fox"),
        ("an ohwx fox, Ohwx sitting", "fox", "a fox, fox sitting"),
        ("a OHWX animal on a red background", "animal", "an animal on a red background"),
        ("An ohwx in the snow", "red fox", "A red fox in the snow"),
        ("ohwx, fox, red", "fox", "fox, red"),
        ("the fox ohwx", "fox", "the fox"),
        ("ohwx foxes, nohwx, ohwx2", "fox", "fox foxes, nohwx, ohwx2"),
        ("in ohwx style", "style", "in style"),
        ("一只ohwx狐狸", "狐狸", "一只狐狸"),
        ("一只ohwx狐狸在雪里", "狐狸", "一只狐狸在雪里"),
        ("一只狐狸ohwx在雪里", "狐狸", "一只狐狸在雪里"),
        ("ohwx 여우가 눈 속에", "여우", "여우가 눈 속에"),
        ("ohwxの狐", "狐", "狐の狐"),
        ("redfox ohwx", "fox", "redfox fox"),
        ("a fox", "fox", "a fox"),
    ],
)
def test_the_class_word_stands_where_the_trigger_word_did(caption: str, class_word: str, wanted: str) -> None:
    assert class_caption(caption, TriggerWord(word="ohwx", class_word=class_word)) == wanted


@pytest.mark.parametrize(
    ("caption", "wanted"),
    [("一只ohwx狐狸在雪里", "一只狐狸在雪里"), ("狐狸，ohwx，雪", "狐狸，雪"), ("a fox, ohwx, snow", "a fox, snow")],
)
def test_without_a_class_word_the_trigger_word_is_left_out(caption: str, wanted: str) -> None:
    assert without_trigger(caption, TriggerWord(word="ohwx")) == wanted


def test_a_class_word_that_holds_the_trigger_word_ends() -> None:
    assert class_caption("a fox here", TriggerWord(word="fox", class_word="red fox")) == "a red fox here"


def test_a_trigger_of_several_words() -> None:
    assert class_caption("my  little dog runs", TriggerWord(word="my little dog", class_word="dog")) == "dog runs"


def test_records_without_a_class_word_are_named() -> None:
    dataset = dataset_of({"a": "ohwx", "b": "zwx"})
    with_fox = TriggerWord(word="ohwx", class_word="fox")
    assert without_class_word(dataset) == ["a", "b"]
    assert without_class_word(dataset.with_triggers([with_fox, TriggerWord(word="zwx")])) == ["b"]
    assert without_class_word(dataset.with_triggers([with_fox] * 2)) == []
