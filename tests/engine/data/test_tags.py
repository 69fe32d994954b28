"""Lists of tags are changed tag by tag; prose and data stay to the letter."""

from __future__ import annotations

import time
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lora_workbench.engine.data.caption_form import form_of
from lora_workbench.engine.data.dataset import TriggerWord
from lora_workbench.engine.data.marks import marks_in, unmarked
from lora_workbench.engine.data.tag_lists import parse
from lora_workbench.engine.data.tags import shuffled, split_tags, thinned, with_tags, without_tags

PROSE = [
    "A red fox, sitting in deep snow, looks left.\n\nBehind it stands a forest. The light is soft, with long shadows.",
    "a red fox sits in deep snow, near a forest. the light is soft.",
    "ohwx, 1girl, solo. A woman stands in the snow, looking away.",
    "a woman with red hair, she is smiling, in the snow",
    "a fox, a bear, and a cat in the snow",
    "The picture shows Dr. Evil, a man in a gray suit, beside a cat.",
    "Ein roter Fuchs sitzt im Schnee, hinter ihm steht ein dunkler Wald.",
    "一只狐狸坐在雪地里，向左看。身后是一片森林。",
    "雪の中に座っている赤い狐、左を見ている。",
]
DATA = [
    '{"subject": "ohwx fox", "place": ["snow", "forest"], "text": "a, b"}',
    '["a fox", "snow"]',
    '[{"tag": "fox"}]',
    '{"subject": "fox", "cut off',
    "Subject: a fox\nPlace: snow, forest\nLight: soft",
    "<caption>a fox, snow</caption>",
    "# Subject\na fox\n# Place\nsnow, forest",
    "**Subject**\na fox\n\n**Place:**\nsnow, forest",
    "```json\n{}\n```",
]
LISTS = [
    ("ohwx, fox, red fur", ["ohwx", "fox", "red fur"]),
    (
        "a photo of ohwx dog, standing in snow, looking left",
        ["a photo of ohwx dog", "standing in snow", "looking left"],
    ),
    ("1girl, solo, long hair, outdoors.", ["1girl", "solo", "long hair", "outdoors"]),
    ("super smash bros., dr. evil, st. bernard", ["super smash bros.", "dr. evil", "st. bernard"]),
    ("一只狐狸，背景是雪、森林；夜", ["一只狐狸", "背景是雪", "森林", "夜"]),
    ("雪の中の狐、森、夜", ["雪の中の狐", "森", "夜"]),
    ("눈 속의 여우, 숲，밤", ["눈 속의 여우", "숲", "밤"]),
    ("หิมะ, ป่า, กลางคืน", ["หิมะ", "ป่า", "กลางคืน"]),
    ("fox; snow; forest", ["fox", "snow", "forest"]),
    ("a fox\nsnow\nforest", ["a fox", "snow", "forest"]),
    ("#1 fox\nsnow", ["#1 fox", "snow"]),
    ("- a fox\n- snow", ["- a fox", "- snow"]),
    ("smile, ;), :(, fox \\(series\\)", ["smile", ";)", ":(", "fox \\(series\\)"]),
    ("(red fur, snow:1.2), {a|b, c} fox, <lora:x:1>", ["(red fur, snow:1.2)", "{a|b, c} fox", "<lora:x:1>"]),
    ('a sign "hello, world", snow', ['a sign "hello, world"', "snow"]),
    ("1,000 foxes, snow", ["1,000 foxes", "snow"]),
    ("ohwx, fox, ||| red fur, snow", ["ohwx", "fox", "red fur", "snow"]),
    ("a, , b,", ["a", "b"]),
]


@pytest.mark.parametrize("caption", PROSE)
def test_sentences_are_prose(caption: str):
    assert form_of(caption) == "prose"


@pytest.mark.parametrize("caption", DATA)
def test_json_and_fields_are_data(caption: str):
    assert form_of(caption) == "data"


@pytest.mark.parametrize("caption", PROSE + DATA)
def test_what_is_no_list_stays_to_the_letter(caption: str):
    words = split_tags(caption)
    assert shuffled(caption, 0, 3) == caption
    assert thinned(caption, 0, 1.0, 3, lambda _: False) == caption
    assert without_tags(caption, words) == caption
    longer = with_tags(caption, ["soft focus", "zwx"])
    assert longer.startswith(caption)
    assert longer.removeprefix(caption).strip(" ,，") in ("soft focus, zwx", "soft focus，zwx")


@pytest.mark.parametrize(("caption", "tags"), LISTS)
def test_lists_are_split_in_every_script(caption: str, tags: list[str]):
    assert form_of(caption) == "tags"
    assert split_tags(caption) == tags
    assert len({shuffled(caption, 0, seed) for seed in range(20)}) > 1


@pytest.mark.parametrize(
    ("caption", "expected"),
    [
        ("a fox, snow", "a fox, snow, night"),
        ("a fox ,snow,", "a fox ,snow ,night"),
        ("1girl, solo.", "1girl, solo, night."),
        ("狐狸，雪", "狐狸，雪，night"),
        ("a fox\nsnow", "a fox\nsnow\nnight"),
        ("a fox", "a fox, night"),
        ("A fox asleep in snow.", "A fox asleep in snow. night"),
        ("ohwx ||| fox", "ohwx ||| fox, night"),
        ("a fox, Night", "a fox, Night"),
    ],
)
def test_tags_are_added_as_the_others_are_written(caption: str, expected: str):
    assert with_tags(caption, ["night"]) == expected


@pytest.mark.parametrize(
    ("caption", "expected"),
    [
        ("a fox, snow, night", "a fox, night"),
        ("snow ,a fox", "a fox"),
        ("a fox, SNOW.", "a fox."),
        ("狐狸、snow，夜", "狐狸、夜"),
        ("ohwx, ||| snow, fox", "ohwx, ||| fox"),
        ("ohwx ||| snow", "ohwx ||| "),
        ("snow", ""),
    ],
)
def test_tags_are_removed_with_one_separator(caption: str, expected: str):
    assert without_tags(caption, ["snow"]) == expected


def test_the_keep_mark_holds_what_is_before_it():
    orders = {shuffled("ohwx, fox ||| a, b, c ||| night", 0, seed) for seed in range(100)}
    assert len(orders) == 6
    assert all(order.startswith("ohwx, fox ||| ") and order.endswith(" ||| night") for order in orders)
    assert {unmarked(order).count("|") for order in orders} == {0}


@pytest.mark.parametrize(
    ("caption", "expected"),
    [
        ("ohwx, fox, ||| red fur, snow", "ohwx, fox, red fur, snow"),
        ("ohwx fox|||red fur", "ohwx fox, red fur"),
        ("||| red fur |||", "red fur"),
        ("ohwx ||| a;;;b, c ||| d", "ohwx, a, b, c, d"),
        ("a fox, snow", "a fox, snow"),
    ],
)
def test_marks_are_not_trained(caption: str, expected: str):
    assert unmarked(caption) == expected


def test_other_separators_can_be_named():
    assert split_tags("a, b | c|d", "|") == ["a, b", "c", "d"]
    assert split_tags("a ||| b | c", "|") == ["a", "b", "c"]
    assert split_tags("A fox sleeps here. It is night.", ".") == ["A fox sleeps here", "It is night"]
    assert shuffled("a fox. b", 0, 0, ".").count(".") == 1
    assert split_tags("a\nb, c", "\\n") == ["a", "b, c"]


CAPTIONS = st.text(st.sampled_from("ab狐 ,，、;|\n.()[]{}\"'<>:1A"), max_size=40) | st.text(max_size=40)


@given(CAPTIONS, st.sampled_from(["", "|", ";", " "]))
def test_no_letter_is_lost_by_splitting(caption: str, separator: str):
    assert str(parse(caption, separator)) == caption


@given(CAPTIONS, st.integers(0, 5), st.integers(0, 99), st.sampled_from(["", "|"]))
def test_shuffling_keeps_every_tag_and_everything_between(caption: str, keep: int, seed: int, separator: str):
    before, after = parse(caption, separator), shuffled(caption, keep, seed, separator)
    assert Counter(after) == Counter(caption)
    assert after == caption or separator or form_of(caption) == "tags"
    places = before.movable(keep)
    assert after.startswith(str(before)[: sum(map(len, before.tags[: places.start]))])


@given(st.lists(st.from_regex(r"\A[a-z]{1,5}\Z"), max_size=8), st.integers(0, 99), st.floats(0, 1))
def test_dropping_keeps_the_first_and_the_protected(tags: list[str], seed: int, rate: float):
    found = split_tags(thinned(", ".join(tags), 1, rate, seed, lambda tag: tag.startswith("a")))
    left = iter(tags)
    assert all(tag in left for tag in found), "in order, none new"
    assert found[:1] == tags[:1]
    assert [t for t in found if t.startswith("a")] == [t for t in tags if t.startswith("a")]


def test_tags_are_dropped_at_their_rate():
    caption = ", ".join(f"t{n}" for n in range(10))
    left = [len(split_tags(thinned(caption, 0, 0.3, seed, lambda _: False))) for seed in range(300)]
    assert 6.8 < sum(left) / 300 < 7.2


NASTY = ("x", " ", ",", "(", "[a:", "\\(", "{|", "__", "<a", '"', "\n", "a\n", ".", "狐", "||| ", ";;;", "(a:1)", "-")


@pytest.mark.parametrize("piece", NASTY)
def test_no_text_takes_long(piece: str):
    began = time.process_time()
    for length in (19_999, 1_000_000):
        text = (piece * length)[:length]
        form_of(text)
        marks_in([("a", text)])
        shuffled(text, 1, 0)
        with_tags(without_tags(text, ["zwx"]), ["zwx"])
        unmarked(text)
        TriggerWord(word="zwx").is_in(text)
    assert time.process_time() - began < 15
