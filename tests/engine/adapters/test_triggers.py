"""Trigger words in the metadata of adapter files."""

from __future__ import annotations

import json

import pytest
from lora_workbench.engine.adapters.triggers import trigger_sets


def test_the_modelspec_phrase_comes_first_and_none_twice() -> None:
    metadata = {"modelspec.trigger_phrase": "tok fox", "lw.triggers": json.dumps(["sks fox", "tok fox", " "])}
    assert trigger_sets(metadata) == ("tok fox", "sks fox")


@pytest.mark.parametrize("damaged", ["{", "7", '{"a": 1}', "[7, null]", "[" * 100_000])
def test_damaged_lists_name_nothing(damaged: str) -> None:
    assert trigger_sets({"lw.triggers": damaged}) == ()
