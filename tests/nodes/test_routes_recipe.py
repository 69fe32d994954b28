"""What the form of a recipe is told."""

from __future__ import annotations

import json
from typing import Any

from lora_workbench.engine.diffusion.shift import Shift
from lora_workbench.engine.models import published as published_recipes
from lora_workbench.engine.training.recipe import GROUP_OF, GROUPS, Recipe
from lora_workbench.engine.training.resolved import BINS, BY_BASE, BY_DATASET, CHOSEN, DEFAULT, POINTS
from lora_workbench.nodes.kit.settings import parse_settings, setting_fields
from lora_workbench.nodes.routes import recipe
from lora_workbench.nodes.routes.table import Asked

KNOWN = {
    "pictures": 20,
    "base": "fox-base",
    "flow": True,
    "capabilities": [],
    "suggested": {"subject": {"rank": [8, "its makers"], "resolution": [1024, "its own pictures"]}},
    "shift": [list(line) for line in Shift.fixed(3.0).lines],
    "tokens": 4096,
}


def ask(settings: str = "", status: int = 200, **body: Any) -> dict[str, Any]:
    answer = recipe.resolve(Asked(body={"goal": "subject", "quality": "draft", "settings": settings} | body))
    assert answer.status == status
    return json.loads(answer.content)


def test_every_setting_is_a_field_of_its_group() -> None:
    groups = json.loads(recipe.settings(Asked()).content)["groups"]
    assert [group["name"] for group in groups] == list(GROUPS)
    assert [own["name"] for group in groups for own in group["fields"]] == list(GROUP_OF)
    rate = next(own for group in groups for own in group["fields"] if own["name"] == "learning_rate")
    assert (rate["kind"], rate["default"], rate["words"], rate["maximum"]) == ("number", "0.0001", ["auto"], 1000)


def test_defaults_as_text_read_back_as_the_defaults() -> None:
    defaults = {own["name"]: own["default"] for group in setting_fields() for own in group["fields"] if own["default"]}
    text = "\n".join(f"{name} = {value}" for name, value in defaults.items())
    assert Recipe.of(**parse_settings(text)).flat() == Recipe().flat()


def test_nothing_is_invented_without_a_base_model_and_a_data_set() -> None:
    told = ask("save_every = 5")
    values = told["values"]
    assert values["rank"] == {"value": None, "from": BY_BASE}
    assert values["steps"] == {"value": None, "from": BY_DATASET}
    assert values["save_every"] == {"value": "5", "from": CHOSEN}
    assert values["batch_size"] == {"value": "1", "from": DEFAULT}
    assert told["learning_rates"] is None
    assert told["noise_levels"] is None


def test_families_suggest_only_settings_that_are_said_to_depend_on_them() -> None:
    published = [own for own in vars(published_recipes).values() if isinstance(own, published_recipes.Published)]
    names = {name for own in published for goal in ("subject", "style") for name in own.of(goal)}
    values = ask()["values"]
    assert [name for name in sorted(names) if values[name]["from"] != BY_BASE] == []


def test_the_last_run_tells_the_suggested_values() -> None:
    told = ask(known=KNOWN)
    assert told["values"]["rank"] == {"value": "8", "from": "its makers, for fox-base"}
    assert told["values"]["steps"] == {"value": "600", "from": "20 pictures, goal subject, quality draft"}
    assert told["values"]["snr_gamma"]["from"] == DEFAULT
    assert len(told["learning_rates"]["shares"]) == POINTS
    assert told["learning_rates"]["shares"][-1] == 1


def test_levels_are_those_of_the_shift() -> None:
    plain = ask("noise_shift = none", known=KNOWN)["noise_levels"]
    shifted = ask("noise_shift = model", known=KNOWN)["noise_levels"]
    assert len(plain["edges"]) == BINS + 1
    assert max(plain["density"]) < 1.1
    assert shifted["density"][-1] > 2.5 > 0.5 > shifted["density"][0]


def test_rates_follow_the_schedule() -> None:
    told = ask("steps = 100; schedule = linear; warmup_steps = 0; learning_rate = 0.001")["learning_rates"]
    assert (told["peak"], told["steps"], told["shares"][0]) == (0.001, 100, 1)
    assert told["shares"][-1] == 0.01


def test_conflicts_name_their_settings() -> None:
    told = ask("noise_offset = 0.1; pyramid_iterations = 6")
    assert [problem["setting"] for problem in told["problems"]] == ["noise_offset", "pyramid_iterations"]
    assert (told["whole"], told["learning_rates"], told["noise_levels"]) == (False, None, None)


def test_each_wrong_entry_is_told_and_the_others_count() -> None:
    told = ask("rank = many\nsteps = 50\nnonsense\nrnak = 4\nlearning_rate = auto")
    assert {problem["setting"] for problem in told["problems"]} == {"rank", ""}
    assert told["values"]["steps"]["value"] == "50"
    assert told["values"]["rate_search"] == {"value": "range_test", "from": CHOSEN}


def test_settings_without_effect_are_told() -> None:
    unused = {own["setting"]: own["message"] for own in ask("logit_std = 2")["unused"]}
    assert "timestep_distribution is logit_normal" in unused["logit_std"]
    known = ask(known=KNOWN | {"flow": False})
    assert "noise_shift" in {own["setting"] for own in known["unused"]}


def test_what_a_page_tells_of_the_last_run_is_checked() -> None:
    for odd in ({}, 7, KNOWN | {"pictures": "x"}, KNOWN | {"shift": [["a"]]}, KNOWN | {"tokens": 1e999}):
        assert ask(known=odd)["base"] == ""
    ask(status=400, goal=["subject"])
    ask(status=400, settings=7)
