"""Captions are edited as asked, and no pattern can hang or crash the graph."""

from __future__ import annotations

import contextlib
import time
from typing import Any

import pytest
from captioned import dataset_of
from hypothesis import given, settings
from hypothesis import strategies as st
from lora_workbench.engine.captions.edits import CaptionEdits, changes, edit_captions
from lora_workbench.engine.captions.overrides import parse_overrides
from lora_workbench.engine.core.errors import CaptionError
from lora_workbench.engine.data.tags import shuffled, split_tags


def after(caption: str | None, **edits: Any) -> str | None:
    return edit_captions(dataset_of({"1.png": caption}), CaptionEdits(**edits)).records[0].caption


@pytest.mark.parametrize(
    ("edits", "expected"),
    [
        ({}, "a Fox, red fur, snow"),
        ({"find": "red ", "replace_with": ""}, "a Fox, fur, snow"),
        ({"find": "a.", "replace_with": "x"}, "a Fox, red fur, snow"),
        ({"find": r"(?i)\bfox\b", "replace_with": "cat", "regex": True}, "a cat, red fur, snow"),
        ({"find": r"(\w+) fur", "replace_with": r"\1 coat", "regex": True}, "a Fox, red coat, snow"),
        ({"remove": ("RED FUR", "ow")}, "a Fox, snow"),
        ({"add": ("Snow", "night", "night")}, "a Fox, red fur, snow, night"),
        ({"prefix": "photo of ", "suffix": "."}, "photo of a Fox, red fur, snow."),
        ({"find": "snow", "replace_with": "ice", "remove": ("ice",), "add": ("ice",)}, "a Fox, red fur, ice"),
        ({"remove": ("a fox", "red fur", "snow")}, None),
    ],
)
def test_edits(edits: dict[str, Any], expected: str | None):
    assert after("a Fox, red fur, snow", **edits) == expected


def test_what_is_not_edited_stays_to_the_letter():
    odd = "a fox ,red fur;\n  snow,"
    assert after(odd, remove=("ice",), add=("snow",), shuffle=True, keep=3) == odd


def test_pictures_without_a_caption_stay_without():
    assert after(None, find="", prefix="a ", add=("b",), shuffle=True) is None


def test_overrides_are_taken_to_the_letter_and_beat_every_edit():
    before = dataset_of({"10_fox/a.png": "one", "10_fox/b.jpg": "two", "b.png": None, "c: d.png": "four"})
    text = "a: A fox, asleep\n\nb.jpg: x: y\nb.png:  night \nc: d.png: colon\n"
    edited = edit_captions(before, CaptionEdits(prefix="p ", overrides=parse_overrides(text, before)))
    assert [r.caption for r in edited] == ["A fox, asleep", "x: y", "night", "colon"]
    assert after("gone", overrides={"1": ""}) is None


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("nobody.png: a", "'nobody.png' matches no picture"),
        ("b: x", "'b' matches several pictures: 10_fox/b.jpg, b.png"),
        ("b.png: x\n./b.png: y", "'./b.png' matches no picture"),
        ("a.png: x\n10_fox/a.png: y", "'10_fox/a.png' has two overrides"),
        ("a: x\na: y", "two lines for 'a'"),
        ("just words", "no colon in 'just words'"),
    ],
)
def test_overrides_that_fit_no_picture_are_named(text: str, said: str):
    before = dataset_of({"10_fox/a.png": "one", "10_fox/b.jpg": "two", "b.png": None})
    with pytest.raises(CaptionError) as caught:
        edit_captions(before, CaptionEdits(overrides=parse_overrides(text, before)))
    assert said in caught.value.got
    assert caught.value.expected and caught.value.hint


@pytest.mark.parametrize("pattern", ["(", "[", "*", "a{5,2}", "(?P<a", "\\", "(" * 900, "x" * 1001, "(?:" * 300])
def test_what_is_no_pattern_is_refused(pattern: str):
    with pytest.raises(CaptionError, match="can't be used"):
        after("a fox", find=pattern, regex=True)


@pytest.mark.parametrize("replacement", [r"\9", r"\g<nope>", "\\"])
def test_what_is_no_replacement_is_refused(replacement: str):
    with pytest.raises(CaptionError, match="can't be used"):
        after("a fox", find="(f)", replace_with=replacement, regex=True)


def test_a_pattern_that_would_take_years_is_stopped(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("lora_workbench.engine.captions.edits.REGEX_SECONDS", 0.2)
    began = time.monotonic()
    with pytest.raises(CaptionError, match="takes too long") as caught:
        edit_captions(
            dataset_of({f"{n}.png": "a" * 60 + "b" for n in range(50)}), CaptionEdits(find="(a|aa)+$", regex=True)
        )
    assert time.monotonic() - began < 10
    assert "simplify" in caught.value.hint


@settings(deadline=None)
@given(st.text(max_size=30), st.text(max_size=10), st.text(max_size=30))
def test_patterns_are_used_or_refused_and_never_crash(pattern: str, replacement: str, caption: str):
    with contextlib.suppress(CaptionError):
        assert isinstance(after(caption, find=pattern, replace_with=replacement, regex=True), str | None)


TAGS = st.lists(st.from_regex(r"\A[a-z]{1,5}\Z"), max_size=8)


@given(TAGS, st.integers(0, 9), st.integers())
def test_shuffling_keeps_all_tags_and_the_first_in_place(tags: list[str], keep: int, seed: int):
    found = split_tags(shuffled(", ".join(tags), keep, seed))
    assert sorted(found) == sorted(tags)
    assert found[:keep] == tags[:keep]
    assert found == split_tags(shuffled(", ".join(tags), keep, seed))


def test_every_order_comes_up():
    orders = {shuffled("ohwx, a, b, c", 1, seed) for seed in range(200)}
    assert len(orders) == 6
    assert all(order.startswith("ohwx, ") for order in orders)


CAPTIONS = st.dictionaries(
    st.from_regex(r"\A[a-z]{1,4}\.png\Z"), st.none() | st.text(max_size=30), min_size=1, max_size=6
)
EDITS = st.builds(
    CaptionEdits,
    find=st.sampled_from(["", "a", "x"]), replace_with=st.text(max_size=3), remove=st.tuples(st.text(max_size=3)),
    add=st.tuples(st.sampled_from(["snow", "x"])), shuffle=st.booleans(), prefix=st.text(max_size=3),
)  # fmt: skip


@given(CAPTIONS, EDITS, st.randoms())
def test_a_caption_is_edited_alike_wherever_its_picture_stands(captions, edits: CaptionEdits, random):
    order = list(captions)
    random.shuffle(order)
    straight = edit_captions(dataset_of(captions), edits)
    mixed = edit_captions(dataset_of({name: captions[name] for name in order}), edits)
    assert {r.name: r.caption for r in straight} == {r.name: r.caption for r in mixed}


def test_changes_name_what_differs():
    before = dataset_of({"a.png": "one", "b.png": None})
    edited = edit_captions(before, CaptionEdits(find="one", replace_with="two"))
    assert changes(before, edited) == [("a.png", "one", "two")]
    assert before.records[0].caption == "one"
