"""What a base model declares of itself in ``lora_workbench.json``."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from lora_workbench.engine.core.errors import BaseModelError
from lora_workbench.engine.models.contract import BackboneInfo, GenerationDefaults
from lora_workbench.engine.models.declarations import FILE
from lora_workbench.engine.models.registry import load_base
from lora_workbench.engine.training.suggestions import suggest


@pytest.fixture
def folder(tiny_sd1: Path, tmp_path: Path) -> Path:
    """A copy of the tiny model, which declares nothing."""
    return shutil.copytree(tiny_sd1, tmp_path / "base")


def info(folder: Path, declared: Any = None) -> BackboneInfo:
    if declared is not None:
        (folder / FILE).write_text(declared if isinstance(declared, str) else json.dumps(declared))
    return load_base(folder, device="cpu").info


def test_what_is_declared_comes_before_what_is_general(folder: Path):
    plain = info(folder)
    assert (plain.generation, plain.recipe_reason) == (GenerationDefaults(), "")
    declared = info(
        folder, {"recipe": {"steps": 400, "rank": 4}, "generation": {"guidance": 3}, "reason": "It is tiny."}
    )
    assert declared.generation == GenerationDefaults(guidance=3)
    assert declared.recipe == plain.recipe | {"steps": 400, "rank": 4}
    recipe = suggest("subject", 10, declared)
    assert (recipe.schedule.steps, recipe.adapter.rank) == (400, 4)
    assert recipe.reason.endswith("It is tiny.")


def test_it_is_no_part_of_the_content_hash(folder: Path):
    assert info(folder).content_hash == info(folder, {"generation": {"steps": 10}}).content_hash


@pytest.mark.parametrize(
    ("declared", "words"),
    [
        ("{", "can't be used"),
        ("[]", "can't be used"),
        ({"recipes": {}}, "recipes: not a setting of .*did you mean recipe"),
        ({"recipe": 3}, "recipe: got 3"),
        ({"reason": None}, "reason: got None"),
        ({"generation": {"stesp": 4}}, "stesp: not a setting of generation.*did you mean steps"),
        ({"generation": {"steps": "many"}}, "steps: got 'many', expected a whole number"),
        ({"generation": {"steps": 0}}, "steps: got 0, expected a finite number above 0"),
        ('{"generation": {"guidance": NaN}}', "guidance: got nan"),
        ({"generation": 3}, "can't be used"),
    ],
)
def test_mistakes_are_named(folder: Path, declared: Any, words: str):
    with pytest.raises(BaseModelError, match=f"(?s){FILE}.*{words}") as caught:
        info(folder, declared)
    assert caught.value.expected
    assert caught.value.hint


def test_the_demo_base_declares_a_recipe_that_exists(demo_base: Path):
    declared = info(demo_base)
    assert declared.generation.guidance == 3.0
    recipe = suggest("subject", 16, declared).flat()
    assert declared.recipe.items() <= recipe.items()
    assert (recipe["steps"], recipe["learning_rate"], recipe["train_text_encoder"]) == (260, 5.4e-3, True)
