"""Settings written as text, by people on a node and by scripts in one line."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
from lora_workbench.engine.core.errors import ConfigError
from lora_workbench.engine.core.fields import Settings, setting
from lora_workbench.engine.training.recipe import GROUPS
from lora_workbench.nodes.kit.settings import in_lines, parse_settings, setting_inputs, setting_values
from lora_workbench.nodes.training.recipe import Recipe


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("", {}),
        ("steps = 300\r\n\n  rank=8\n", {"steps": 300, "rank": 8}),
        ("steps = 300; rank = 8;", {"steps": 300, "rank": 8}),
        ("# steps = 1; rank = 2\nalpha = 4", {"alpha": 4.0}),
        ("train_text_encoder = Yes; schedule = cosine", {"train_text_encoder": True, "schedule": "cosine"}),
        ("snapshot_steps = 5, 10 15; save_every = 7", {"snapshot_steps": (5, 10, 15), "save_every": 7}),
        ("sample_prompts = a fox; a bell, 1 = 1; rank = 2", {"sample_prompts": ("a fox", "a bell, 1 = 1"), "rank": 2}),
    ],
)
def test_settings_in_lines_and_between_semicolons(text: str, values: dict[str, Any]) -> None:
    assert parse_settings(text) == values


def test_settings_may_be_given_as_inputs_of_their_own() -> None:
    named = {"steps": 6, "train_text_encoder": "no", "learning_rate": 1e-5, "sample_prompts": "a fox\na bell"}
    assert parse_settings(in_lines("rank = 8", named)) == {
        "rank": 8, "steps": 6, "train_text_encoder": False, "learning_rate": 1e-5,
        "sample_prompts": ("a fox", "a bell"),
    }  # fmt: skip
    with pytest.raises(ConfigError, match="steps: given twice"):
        parse_settings(in_lines("steps = 3", {"steps": 6}))


def test_every_mistake_is_named_at_once() -> None:
    text = "stpes = 3\nrank = 0\nalpha = x; caption_dropout = 2\nsteps 5\nsave_every = 1\nsave_every = 2\n= 4"
    with pytest.raises(ConfigError) as told:
        parse_settings(text + "\nsnapshot_steps = 5, ten; train_text_encoder = perhaps")
    for words in (
        "9 invalid settings", "stpes: not a setting of the recipe; did you mean steps?", "'= 4' isn't of the form",
        "rank: got 0", "alpha: got 'x', expected a number", "save_every: given twice", "caption_dropout: got 2.0",
        "'steps 5' isn't of the form name = value", "snapshot_steps: got '5, ten', expected whole numbers",
        "train_text_encoder: got 'perhaps', expected true or false",
    ):  # fmt: skip
        assert words in str(told.value)


def test_mistakes_are_named_before_anything_runs() -> None:
    assert "rank: got 0" in str(Recipe.validate_inputs("rank = 0"))
    assert Recipe.validate_inputs(None) is True


def test_inputs_show_the_default_and_mean_it() -> None:
    @dataclass(frozen=True, kw_only=True)
    class Group(Settings):
        word: str = setting("red", "A word.")
        numbers: tuple[int, ...] = setting((1, 2), "Some numbers.")
        prompts: tuple[str, ...] = setting(("a; b", "c"), "Some prompts.")
        side: int = setting(8, "A side.", unit="pixels", minimum=-8)

    inputs = {i.id: i.options for i in setting_inputs(Group)}
    shown = {name: options["default"] for name, options in inputs.items()}
    assert shown == {"word": "red", "numbers": "1, 2", "prompts": "a; b\nc", "side": 8}
    assert (inputs["side"]["tooltip"], inputs["side"]["min"]) == ("A side. In pixels.", -8)
    assert Group(**setting_values(Group, shown)) == Group()


@pytest.mark.parametrize("group", GROUPS.values(), ids=GROUPS)
def test_inputs_of_a_recipe_mean_its_defaults(group: type[Settings]) -> None:
    shown = {i.id: i.options["default"] for i in setting_inputs(group)}
    assert group(**setting_values(group, shown)) == group()
