"""What prompts can tell, and which are drawn unless others are given."""

from __future__ import annotations

from dataclasses import replace

import pytest
from lora_workbench.engine.data.dataset import Dataset, TriggerWord
from lora_workbench.engine.data.loading import dataset_from_images
from lora_workbench.engine.evaluation.asking import asked, captions_of, new_prompts
from PIL import Image

WORD = TriggerWord(word="zwx", class_word="fox", template="an emoji of a {trigger} {class}")


def of(*captions: str, trigger: TriggerWord | None = WORD) -> Dataset:
    pictures = [Image.new("RGB", (8, 8), (number, 0, 0)) for number in range(len(captions))]
    return replace(dataset_from_images(pictures, list(captions), "set"), trigger=trigger)


def test_a_prompt_is_what_it_can_tell() -> None:
    training, held = of("a zwx on red", "a zwx on blue", "a zwx on blue"), of("a zwx on green")
    found = asked(["a zwx on blue", "a zwx on green", "a ZWX at sea", "a fox", "a fox"], training, held)
    assert [own.kind for own in found] == ["training caption", "held-out caption", "other prompt", "without trigger"]
    assert [len(own.pictures) for own in found] == [2, 1, 0, 0]
    assert [own.is_new for own in found] == [False, True, True, False]


def test_without_a_trigger_word_no_prompt_lacks_it() -> None:
    assert [own.kind for own in asked(["a fox"], of("a zwx", trigger=None), None)] == ["other prompt"]
    assert [own.kind for own in asked(["a fox"], None, None)] == ["other prompt"]


def test_captions_are_those_of_held_out_pictures_where_there_are_some() -> None:
    training = of(*(f"a zwx fox {number}" for number in range(9)))
    assert captions_of(training, None, 3) == ["a zwx fox 0", "a zwx fox 3", "a zwx fox 6"]
    assert captions_of(training, of("a zwx fox, held"), 3) == ["a zwx fox, held"]
    assert captions_of(training, None, 0) == []


@pytest.mark.parametrize(("captions", "expected"), [(["x"] * 5, ["x"]), (["x", "y", "x"], ["x", "y"])])
def test_equal_captions_are_drawn_once(captions: list[str], expected: list[str]) -> None:
    assert captions_of(of(*captions), None, 3) == expected


def test_new_prompts_have_contexts_and_some_lack_the_trigger_word() -> None:
    assert new_prompts(of("a zwx fox")) == [
        "an emoji of a zwx fox in the jungle",
        "an emoji of a zwx fox on the beach",
        "an emoji of a zwx fox in the snow",
        "an emoji of a fox in the jungle",
        "an emoji of a fox on the beach",
    ]
    assert new_prompts(of("a fox", trigger=None)) == []
