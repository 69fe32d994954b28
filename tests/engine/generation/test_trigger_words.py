"""Where the trigger words of a stack go in prompts."""

from __future__ import annotations

from typing import Any

import pytest
from lora_workbench.engine.adapters.adapter import Adapter
from lora_workbench.engine.adapters.stack import Stack, StackEntry
from lora_workbench.engine.core.errors import ConfigError
from lora_workbench.engine.generation.trigger_words import place_triggers


def entry(name: str, phrase: str, **options: Any) -> StackEntry:
    import torch
    from lora_workbench.engine.adapters.kinds import LowRank

    update = LowRank(down=torch.ones(1, 2), up=torch.ones(2, 1), alpha=1.0)
    metadata = {"modelspec.trigger_phrase": phrase, "lw.triggers": '["second set"]'}
    return StackEntry(Adapter(name=name, family="sd1", modules={"denoiser.a": update}, metadata=metadata), **options)


STACK = Stack((entry("fox", "tok fox"), entry("riso", "riso print"), entry("owl", "qvk owl", enabled=False)))


@pytest.mark.parametrize(
    ("prompt", "placement", "expected"),
    [
        ("on a hill", "start", "tok fox, riso print, on a hill"),
        ("on a hill", "end", "on a hill, tok fox, riso print"),
        ("on a hill", "placeholders only", "on a hill"),
        ("", "start", "tok fox, riso print"),
        ("a TOK  fox on a hill", "start", "riso print, a TOK  fox on a hill"),
        ("a tok foxes", "start", "tok fox, riso print, a tok foxes"),
        ("(tok fox:1.2), riso print", "start", "(tok fox:1.2), riso print"),
        ("a {triggers} on a hill", "end", "a tok fox, riso print on a hill"),
        ("a { Trigger : FOX } on a hill", "placeholders only", "a tok fox on a hill"),
        ("a {trigger:fox} in {triggers}", "start", "a tok fox in riso print"),
        ("a {trigger:fox} on a hill", "end", "a tok fox on a hill, riso print"),
        ("tok fox, riso print, {triggers}, hill", "start", "tok fox, riso print, hill"),
        ("{triggers} and {triggers}", "start", "tok fox, riso print and"),
        ("a {red|blue} fox", "end", "a {red|blue} fox, tok fox, riso print"),
    ],
)
def test_each_prompt_gets_what_it_lacks(prompt: str, placement: str, expected: str) -> None:
    assert place_triggers([prompt], STACK, placement).prompts == (expected,)


@pytest.mark.parametrize("prompt", ["一只ohwx狐狸的照片", "ohwx 狐狸", "雪地里的ohwx狐狸，夜晚"])
def test_chinese_prompts_that_have_the_phrase_do_not_get_it_again(prompt: str) -> None:
    assert place_triggers([prompt], Stack((entry("fox", "ohwx 狐狸"),))).prompts == (prompt,)


def test_phrases_that_are_off_stay_away_and_others_come() -> None:
    stack = Stack((entry("fox", "tok fox", triggers=()), entry("owl", "qvk owl", triggers=("second set", "my own"))))
    assert place_triggers(["a", "b"], stack).prompts == ("second set, my own, a", "second set, my own, b")


def test_what_found_no_place_is_told() -> None:
    placed = place_triggers(["{trigger:fox}", "tok fox, riso print"], STACK, "placeholders only")
    assert placed.left_out == ("riso print",)
    assert place_triggers(["a"], STACK).left_out == ()


def test_placeholders_of_what_isnt_there_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"(?s)owl, bee, which the stack.*one of: fox, riso") as caught:
        place_triggers(["{trigger:owl}", "{trigger:bee} {trigger:fox}"], STACK)
    assert "turn it on" in str(caught.value)
