"""A word is found if and only if it stands there as a whole, in texts with and without blanks."""

from __future__ import annotations

import re
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lora_workbench.engine.data.dataset import TriggerWord
from lora_workbench.engine.data.scripts import find_word, words


@pytest.mark.parametrize(
    "caption",
    [
        "一只 ohwx狐狸的照片，背景是雪",
        "森林里的ohwx，正面",
        "ohwxの写真",
        "写真のohwx",
        "눈 속의 ohwx가 앉아 있다",
        "ภาพถ่ายของohwxในหิมะ",
        "фото ohwx，снег",
        "ohwxлиса",
        "（ohwx）",
        "OHWX、狐",
    ],
)
def test_a_neighbor_from_another_script_ends_the_trigger(caption: str):
    assert TriggerWord(word="ohwx").is_in(caption)


@pytest.mark.parametrize("caption", ["ohwxs狐狸", "狐狸xohwx", "ohwx2", "ohwx_狐", "oh wx", "ohwx\u0301", "étohwx"])
def test_a_part_of_a_longer_word_is_not_the_trigger(caption: str):
    assert not TriggerWord(word="ohwx").is_in(caption)


@pytest.mark.parametrize(
    ("word", "caption"),
    [
        ("小白", "雪地里的小白狗"),
        ("여우", "붉은여우가 있다"),
        ("หมา", "ภาพหมาในหิมะ"),
        ("フォックス", "赤いフォックス"),
        ("ohwx 狐狸", "一只ohwx狐狸在雪里"),
        ("ohwx 狐狸", "一只ohwx  狐狸"),
    ],
)
def test_words_of_scripts_without_blanks_are_found_anywhere(word: str, caption: str):
    assert TriggerWord(word=word).is_in(caption)


def test_however_accents_were_typed():
    assert TriggerWord(word="café").is_in(unicodedata.normalize("NFD", "a CAFÉ at night"))
    assert TriggerWord(word=unicodedata.normalize("NFD", "café")).is_in("café")


LETTERS = st.text(st.sampled_from("abO_1 ,-é狐のท가ж"), max_size=12)


@given(LETTERS, st.sampled_from(["ab", "a b", "O1", "狐", "abж"]))
def test_a_word_is_found_iff_it_stands_there(text: str, word: str):
    """Beside an independent way: whole runs of one kind of letters, where every wide letter stands alone."""
    kinds = r"[a-zA-Z0-9_é]+|[ж]+|[狐のท가]"
    wanted, whole = re.findall(kinds, word.lower()), re.findall(kinds + r"|\s+|.", text.lower())
    pieces = [piece for piece in whole if not piece.isspace()]
    blanks = [bool(gap) for gap in word.split()]
    found = find_word(text, word)
    if found:
        assert text[found[0] : found[1]].lower().split() == word.lower().split()
    if len(blanks) == 1 and len(wanted) == 1 and "1" not in text and "_" not in text:
        assert bool(found) == (wanted[0] in pieces)


def test_two_wide_letters_count_as_a_word():
    assert words("A fox, 一只狐狸 ohwx") == ["a", "fox", "一只", "狐狸", "ohwx"]
