"""The trigger word gets into every caption, and can't get lost."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lora_workbench.engine.captions.templates import apply_trigger, caption_table, parse_folders
from lora_workbench.engine.core.errors import CaptionError
from lora_workbench.engine.data.dataset import Dataset, ImageRecord, Skipped, TriggerWord
from lora_workbench.engine.data.sources import MemorySource

FOX = TriggerWord(word="ohwx", class_word="fox")


def dataset_of(*captions: str | None, skipped: tuple[Skipped, ...] = ()) -> Dataset:
    records = [
        ImageRecord(source=MemorySource(f"{n}.png", b""), content_hash=str(n), width=8, height=8, caption=caption)
        for n, caption in enumerate(captions, 1)
    ]
    return Dataset(name="x", records=tuple(records), skipped=skipped)


def after(mode: str, *captions: str | None, trigger: TriggerWord = FOX) -> list[str | None]:
    return [r.caption for r in apply_trigger(dataset_of(*captions), trigger, mode)]  # type: ignore[arg-type]


def test_prepend_puts_the_phrase_before_captions_that_lack_it():
    assert after("prepend", "sitting in snow", None, ", red fur", " , ") == [
        "a photo of ohwx fox, sitting in snow",
        "a photo of ohwx fox",
        "a photo of ohwx fox, red fur",
        "a photo of ohwx fox",
    ]
    assert after("prepend", "snow", trigger=TriggerWord(word="ohwx", template="{trigger},")) == ["ohwx, snow"]


@pytest.mark.parametrize("caption", ["OHWX in snow", "my ohwx, asleep", "(ohwx:1.2)", "an ohwx-like fox"])
def test_prepend_keeps_captions_that_have_the_trigger(caption):
    assert after("prepend", caption) == [caption]


@pytest.mark.parametrize("caption", ["ohwxs", "xohwx", "ohwx_2"])
def test_a_part_of_a_longer_word_is_not_the_trigger(caption):
    assert after("prepend", caption) == [f"a photo of ohwx fox, {caption}"]


@pytest.mark.parametrize("mode", ["prepend", "fill_missing"])
def test_placeholders_in_captions_are_filled(mode):
    assert after(mode, "[trigger] asleep", "a {Trigger} {class} in snow") == ["ohwx asleep", "a ohwx fox in snow"]


def test_a_trigger_of_odd_letters_is_taken_as_it_stands():
    odd = TriggerWord(word=r"c++\1 [x]", template="{trigger}")
    assert after("prepend", "[trigger] asleep", "snow", trigger=odd) == [r"c++\1 [x] asleep", r"c++\1 [x], snow"]


def test_replace_gives_every_record_the_phrase():
    assert after("replace", "anything", None, "ohwx") == ["a photo of ohwx fox"] * 3


def test_fill_missing_leaves_captions_that_have_the_trigger():
    assert after("fill_missing", "ohwx asleep", None) == ["ohwx asleep", "a photo of ohwx fox"]


def test_fill_missing_refuses_to_lose_the_trigger_and_names_the_records():
    with pytest.raises(CaptionError, match="2 captions lack") as caught:
        after("fill_missing", "a fox", "ohwx", None, "a cat")
    assert "1.png" in str(caught.value)
    assert "4.png" in str(caught.value)
    assert "2.png" not in str(caught.value)
    assert "prepend" in caught.value.hint


def test_a_phrase_without_class_word_has_no_gap():
    assert after("replace", None, trigger=TriggerWord(word=" ohwx ")) == ["a photo of ohwx"]


@pytest.mark.parametrize(
    ("trigger", "said"),
    [
        (TriggerWord(word=""), "empty"),
        (TriggerWord(word=" \t\n"), "empty"),
        (TriggerWord(word="ohwx", template="a photo"), "no {trigger}"),
        (TriggerWord(word="ohwx", template=""), "no {trigger}"),
        (TriggerWord(word="ohwx", template="{trigger} by {artist} in {}"), "{artist}, {}"),
        (TriggerWord(word="ohwx", template="{trigger} {class"), "unknown placeholders: {"),
        (TriggerWord(word="ohwx", class_word="fox", template="{trigger}{class}"), "runs into"),
    ],
)
@pytest.mark.parametrize("mode", ["prepend", "replace", "fill_missing"])
def test_triggers_and_templates_that_cannot_work_are_refused(trigger, said, mode):
    with pytest.raises(CaptionError) as caught:
        after(mode, "ohwx", trigger=trigger)
    assert said in caught.value.got
    assert caught.value.expected
    assert caught.value.hint


def test_an_unknown_mode_is_refused():
    with pytest.raises(CaptionError, match="append"):
        after("append", "a fox")


def test_the_data_set_it_came_from_is_not_modified():
    before = dataset_of("a fox")
    changed = apply_trigger(before, FOX, "prepend")
    assert before.records[0].caption == "a fox"
    assert before.trigger is None
    assert changed.trigger == FOX
    assert changed.content_hash != before.content_hash


WORDS = st.from_regex(r"\A[a-z]{1,6}( [a-z]{1,6})?\Z")
CAPTIONS = st.lists(st.none() | st.text(max_size=40), min_size=1, max_size=5)


@given(CAPTIONS, WORDS, st.sampled_from(["prepend", "replace"]))
def test_afterwards_no_caption_lacks_the_trigger_and_once_is_enough(captions, word, mode):
    trigger = TriggerWord(word=word, class_word="fox")
    once = apply_trigger(dataset_of(*captions), trigger, mode)
    assert once.missing_trigger() == []
    assert apply_trigger(once, trigger, mode) == once


@given(CAPTIONS, WORDS)
def test_fill_missing_either_refuses_or_has_the_trigger_everywhere(captions, word):
    try:
        filled = apply_trigger(dataset_of(*captions), TriggerWord(word=word), "fill_missing")
    except CaptionError:
        return
    assert filled.missing_trigger() == []


def test_missing_trigger_names_the_records():
    dataset = dataset_of("ohwx", "a fox", None)
    assert dataset.missing_trigger() == ["1.png", "2.png", "3.png"]
    assert replace(dataset, trigger=FOX).with_captions(["ohwx", "a fox", None]).missing_trigger() == ["2.png", "3.png"]


def test_words_of_a_trigger_may_stand_apart():
    assert TriggerWord(word="ohwx fox").is_in("an OHWX\n  fox asleep")
    assert not TriggerWord(word="ohwx fox").is_in("ohwx the fox")


def test_the_table_shows_final_captions_and_what_was_left_out():
    skipped = (Skipped(name="cut.jpg", reason="truncated"),)
    table = caption_table(dataset_of("two\nlines \x1b[31m", None, skipped=skipped)).split("\n")
    assert table == [
        "Name   Repeats  Caption",
        "1.png        1  two lines \ufffd[31m",
        "2.png        1  (no caption)",
        "",
        "skipped cut.jpg: truncated",
    ]


def test_captions_without_blanks_between_words():
    template = TriggerWord(word="ohwx", template="{trigger}的照片")
    assert after("fill_missing", "森林里的ohwx，正面", None, trigger=template) == ["森林里的ohwx，正面", "ohwx的照片"]
    assert after("prepend", "，雪地", trigger=template) == ["ohwx的照片，雪地"]
    assert after("prepend", "[name]在雪地", trigger=template) == ["ohwx在雪地"]


def test_line_ends_are_no_content():
    texts = ["a fox\r\nin snow", "a fox\nin snow", "a fox\rin snow"]
    hashes = {dataset_of(text).content_hash for text in texts}
    assert len(hashes) == 1
    assert {dataset_of("x").with_captions([text]).records[0].caption for text in texts} == {"a fox\nin snow"}


def in_folders() -> Dataset:
    names = ("foxes/1.png", "pets/10_cats/1.png", "other.png")
    records = dataset_of("[trigger] asleep", None, "snow").records
    return Dataset(
        name="all",
        records=tuple(replace(r, source=MemorySource(name, b"")) for r, name in zip(records, names, strict=True)),
    )


def test_folders_may_have_trigger_words_of_their_own():
    folders = parse_folders("10_cats: zwx, cat\n\nfoxes: qrv", "a photo of {trigger} {class}")
    captioned = apply_trigger(in_folders(), FOX, "prepend", folders)
    assert [r.caption for r in captioned] == ["qrv asleep", "a photo of zwx cat", "a photo of ohwx fox, snow"]
    assert [word.word for word in captioned.triggers] == ["qrv", "zwx", "ohwx"]
    assert captioned.missing_trigger() == []
    assert captioned.with_captions(["zwx", "zwx", "ohwx"]).missing_trigger() == ["foxes/1.png"]
    again = apply_trigger(captioned, FOX, "replace")
    assert again.triggers == (FOX,)


@pytest.mark.parametrize("text", ["猫：zwx，猫", "\ufeff猫: zwx、 猫", "a: 猫 : zwx, 猫"])
def test_folders_in_the_punctuation_of_their_script(text):
    (found,) = parse_folders(text, "{trigger}").values()
    assert (found.word, found.class_word) == ("zwx", "猫")
    assert list(parse_folders(text, "{trigger}")) in (["猫"], ["a: 猫"])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("dogs: zwx", "No picture lies in dogs"),
        ("cats zwx", "Can't read"),
        ("cats:", "Can't read"),
        ("cats: , cat", "Can't read"),
        ("foxes: zwx\nfoxes/: qrv", "Two lines are for the folder 'foxes'"),
    ],
)
def test_folders_that_are_not_there_and_lines_that_say_nothing_are_refused(text, said):
    with pytest.raises(CaptionError, match=said):
        apply_trigger(in_folders(), FOX, "prepend", parse_folders(text, FOX.template))
