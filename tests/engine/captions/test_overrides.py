"""An override goes to the picture that is meant, whatever its name holds."""

from __future__ import annotations

import pytest
from captioned import dataset_of
from hypothesis import given
from hypothesis import strategies as st
from lora_workbench.engine.captions.edits import CaptionEdits, edit_captions
from lora_workbench.engine.captions.overrides import parse_overrides

NAMED = (
    "Fate.PNG", "Fate: Zero.png", "10:30.jpg", "10.jpg", "'quoted'.png", "狐 0.png", "two  blanks.png", "sub/fox.png",
)  # fmt: skip


def overridden(text: str, *names: str) -> dict[str, str | None]:
    before = dataset_of(dict.fromkeys(names, "old"))
    edited = edit_captions(before, CaptionEdits(overrides=parse_overrides(text, before)))
    return {record.name: record.caption for record in edited if record.caption != "old"}


@pytest.mark.parametrize(
    ("line", "name", "caption"),
    [
        ("Fate: Zero.png: ohwx fox, running", "Fate: Zero.png", "ohwx fox, running"),
        ("Fate: Zero: ohwx fox", "Fate: Zero.png", "ohwx fox"),
        ("Fate: ohwx: a fox", "Fate.PNG", "ohwx: a fox"),
        ("Fate.PNG: Zero.png", "Fate.PNG", "Zero.png"),
        ("10:30: morning: cold", "10:30.jpg", "morning: cold"),
        ("'quoted'.png: a", "'quoted'.png", "a"),
        ('"Fate: Zero.png": "a", b', "Fate: Zero.png", '"a", b'),
        ("'Fate.PNG' : a", "Fate.PNG", "a"),
        ("狐 0.png：一只狐狸：雪", "狐 0.png", "一只狐狸：雪"),
        ("  two  blanks.png  : a", "two  blanks.png", "a"),
        ("\ufeffFate.PNG: a", "Fate.PNG", "a"),
        ("sub\\fox.png: a", "sub/fox.png", "a"),
    ],
)
def test_the_longest_known_name_is_meant(line: str, name: str, caption: str):
    assert overridden(line, *NAMED) == {name: caption}


NAMES = st.lists(
    st.text(st.sampled_from("ab:' ."), min_size=1, max_size=6).filter(lambda name: name.strip(" .")),
    min_size=1,
    max_size=6,
    unique=True,
)


@given(NAMES, st.data())
def test_a_whole_name_always_reaches_its_picture(stems: list[str], data):
    names = [f"{stem}.png" for stem in stems]
    name = data.draw(st.sampled_from(names))
    assert overridden(f"{name}: new", *names) == {name: "new"}
