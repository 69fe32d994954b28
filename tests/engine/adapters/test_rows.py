"""Stacks as text: rows, tags in prompts, rows of other programs, and names of adapters."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lora_workbench.engine.adapters.finding import find
from lora_workbench.engine.adapters.lora_tags import read_tags
from lora_workbench.engine.adapters.pasted_rows import read_rows
from lora_workbench.engine.adapters.rows import EXAMPLE, Row, parse_rows
from lora_workbench.engine.core.errors import AdapterError, ConfigError

FOX = Row(
    adapter="subjects/fox.safetensors", weight=0.8, text_encoder_weight=0.6, blocks="mid=0.5", triggers=("tok fox",)
)


def plain(rows: tuple[Row, ...]) -> list[Row]:
    """Without where they were written."""
    return [replace(row, line=0) for row in rows]


def test_a_row_is_read_as_it_is_written() -> None:
    assert plain(parse_rows(EXAMPLE)) == [FOX]
    assert str(FOX) == EXAMPLE


def test_fields_may_be_left_out_and_comments_written() -> None:
    rows = parse_rows("# my mix\n\n on|fox\n\tOFF | styles\\riso | -0.5 | | | -\n on | owl | 0.3 | | | a ; b\n")
    assert plain(rows) == [
        Row(adapter="fox"),
        Row(adapter="styles\\riso", enabled=False, weight=-0.5, text_encoder_weight=-0.5, triggers=()),
        Row(adapter="owl", weight=0.3, text_encoder_weight=0.3, triggers=("a", "b")),
    ]
    assert [row.line for row in rows] == [3, 4, 5]


names = st.text("abcXYZ 0/\\._-é狐", min_size=1).map(str.strip).filter(bool)
weights = st.floats(-10, 10).map(lambda value: round(value, 3))
rows = st.builds(
    Row, adapter=names, enabled=st.booleans(), weight=weights, text_encoder_weight=weights,
    blocks=st.sampled_from(["", "mid=0.5, up=0", "MIDD"]),
    triggers=st.none() | st.lists(names.filter(lambda name: name != "-"), max_size=3).map(tuple),
)  # fmt: skip


@settings(deadline=None)
@given(st.lists(rows, max_size=5))
def test_rows_survive_being_written(written: list[Row]) -> None:
    assert plain(parse_rows("\n".join(map(str, written)))) == written


def test_all_bad_lines_are_told_together() -> None:
    text = (
        "maybe | fox\non | \non | fox | nan | inf\non | fox | 99\non|fox|1|1|mid=x\non|a|1|1||t|u\non|fox|1|1|mid=0.5"
    )
    with pytest.raises(ConfigError) as caught:
        parse_rows(text + "\non | " + "x" * 6000)
    told = str(caught.value)
    for words in (
        "line 1: 'maybe' isn't on or off", "line 2: it names no adapter", "line 3: 'nan' isn't a weight",
        "line 3: 'inf' isn't a weight for the text encoder from -10 to 10", "line 4: '99' isn't a weight",
        "line 5: These block weights can't be read", "line 6: 7 fields", "line 8: 6005 characters",
    ):  # fmt: skip
        assert words in told
    assert "line 7" not in told
    assert len(told) < 2000


def test_a_stack_of_endless_rows_is_refused() -> None:
    with pytest.raises(ConfigError, match="A stack of 501 rows"):
        parse_rows("on | fox\n" * 501)


@pytest.mark.parametrize(
    ("prompt", "text", "found"),
    [
        ("a fox", "a fox", []),
        ("a <lora:fox:0.8> fox, <lora:sub\\owl:-1:0.5>", "a fox",
         [Row(adapter="fox", weight=0.8, text_encoder_weight=0.8),
          Row(adapter="sub\\owl", weight=-1.0, text_encoder_weight=0.5)]),
        ("<lora:fox>", "", [Row(adapter="fox")]),
        ("a, < LORA : my fox : 0.5 : lbw=1,0,0,0,1,1,1,1,1,1,1,1,0,0,0,0,0 >, b", "a, b",
         [Row(adapter="my fox", weight=0.5, text_encoder_weight=0.5, blocks="1,0,0,0,1,1,1,1,1,1,1,1,0,0,0,0,0")]),
        ("<lora:fox:te=0.2:unet=0.9:lbw=mid=0.5,up=0>", "",
         [Row(adapter="fox", weight=0.9, text_encoder_weight=0.2, blocks="mid=0.5,up=0")]),
        ("<lora:fox:0.8>x<lora:fox:0.8>", "x", [Row(adapter="fox", weight=0.8, text_encoder_weight=0.8)]),
        ("(red:1.2) a < b > c", "(red:1.2) a < b > c", []),
    ],
)  # fmt: skip
def test_tags_are_taken_out_of_prompts(prompt: str, text: str, found: list[Row]) -> None:
    tags = read_tags(prompt)
    assert (tags.text, list(tags.rows), tags.problems) == (text, found, ())


@pytest.mark.parametrize(
    ("tag", "words"),
    [
        ("<lora:fox:strong>", "'strong' isn't a weight"),
        ("<lora::1>", "names no adapter"),
        ("<lora:fox:1:1:1>", "3 weights"),
        ("<lora:fox:1:start=5>", "start= isn't supported, since adapters count at every step"),
        ("<lora:fox:nan>", "'nan' isn't a weight"),
    ],
)
def test_tags_that_cant_be_read_say_why(tag: str, words: str) -> None:
    assert words in " ".join(read_tags(tag).problems)


PASTED = {
    "core": [{"lora_name": "a/fox.safetensors", "strength": 0.8, "enabled": True},
             {"lora_name": "owl.safetensors", "strength": 0.5, "enabled": False}, {"lora_name": "none", "strength": 1}],
    "flat": {"model": ["4", 0], "loras.0.lora_name": "a/fox.safetensors", "loras.0.strength": 0.8,
             "loras.1.lora_name": "owl.safetensors", "loras.1.strength": 0.5, "loras.1.enabled": False},
    "graph": {"7": {"class_type": "LoadLoraModel", "inputs": {"model": ["4", 0], "loras": [
        {"lora_name": "a/fox.safetensors", "strength": 0.8}, {"lora_name": "owl.safetensors", "strength": 0.5,
         "enabled": False}]}}},
    "power": {"lora_1": {"on": True, "lora": "a/fox.safetensors", "strength": 0.8, "strengthTwo": None},
              "lora_2": {"on": False, "lora": "owl.safetensors", "strength": 0.5}},
}  # fmt: skip


@pytest.mark.parametrize("kind", PASTED)
def test_rows_of_other_programs_can_be_pasted(kind: str) -> None:
    found = plain(read_rows(json.dumps(PASTED[kind], indent=1)))
    assert found == [
        Row(adapter="a/fox.safetensors", weight=0.8, text_encoder_weight=0.8),
        Row(adapter="owl.safetensors", enabled=False, weight=0.5, text_encoder_weight=0.5),
    ]


def test_a_lora_stack_and_tags_can_be_pasted() -> None:
    fox = Row(adapter="fox", weight=0.8, text_encoder_weight=0.6)
    assert plain(read_rows('[["fox", 0.8, 0.6], ["None", 1, 1]]')) == [fox]
    assert plain(read_rows("# mine\n<lora:fox:0.8:0.6>, <lora:owl:1>\noff | bee")) == [
        fox, Row(adapter="owl"), Row(adapter="bee", enabled=False),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[{", "begins as JSON"),
        ("[" * 100_000, "begins as JSON"),
        ("{}", "holds 0 rows"),
        ('[{"lora_name": 3}]', "row 1: it names no adapter"),
        ('[{"lora_name": "fox", "strength": "NaN"}]', "aren't weights"),
        ('[{"lora_name": "fox", "start_percent": 0.5}]', "start_percent can't be taken over"),
        ("<lora:fox:x>\n<lora:owl:y>", "'y' isn't a weight"),
    ],
)
def test_pasted_rows_that_cant_be_read_say_why(text: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        read_rows(text)


FILES = [
    "fox.safetensors",
    "sub/fox.safetensors",
    "a/owl.safetensors",
    "b/owl.safetensors",
    "b/riso",
    "x/y/bee.v1.safetensors",
]


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("fox", "fox.safetensors"),
        ("sub\\fox.safetensors", "sub/fox.safetensors"),
        ("a/owl", "a/owl.safetensors"),
        ("riso", "b/riso"),
        ("bee.v1", "x/y/bee.v1.safetensors"),
        (" y/bee.v1 ", "x/y/bee.v1.safetensors"),
    ],
)
def test_adapters_are_found_by_any_unique_name(name: str, found: str) -> None:
    assert find(name, FILES) == found


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("owl", "may be a/owl.safetensors or b/owl.safetensors"),
        ("risso", "no adapter 'risso'.*b/riso"),
        ("c/owl", "owl.safetensors"),
        ("zzzzzz", "one of 6 adapters"),
        ("", "no adapter ''"),
        ("../../fox", "no adapter"),
    ],
)
def test_other_names_are_refused_with_near_ones(name: str, words: str) -> None:
    with pytest.raises(AdapterError, match=f"(?s){words}"):
        find(name, FILES)
