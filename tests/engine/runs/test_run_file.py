"""Run files: read strictly, with all problems at once, and a schema that says the same."""

from __future__ import annotations

from pathlib import Path

import pytest
from lora_workbench.engine.core.errors import ConfigError
from lora_workbench.engine.runs.run_file import OPTIONAL, SECTIONS, read_run, run_of
from lora_workbench.engine.runs.run_schema import run_schema
from lora_workbench.engine.training.recipe import GROUP_OF, GROUPS

SHORTEST = {"dataset": {"path": "pictures"}}


def problems(values: dict) -> str:
    with pytest.raises(ConfigError) as caught:
        run_of(values)
    return str(caught.value)


def test_a_data_set_is_enough():
    run = run_of(SHORTEST)
    assert run.base.path == "demo_base" and run.recipe.goal == "subject" and run.run.seed == 0
    assert run.trigger is None and run.buckets is None and run.regularization is None


def test_an_empty_section_is_not_a_missing_one():
    assert run_of(SHORTEST | {"buckets": {}}).buckets is not None


def test_settings_stand_in_the_recipe_or_in_their_groups():
    recipe = {"steps": 7, "schedule": {"warmup_steps": 3}, "optimizer": "adamw", "samples": {"sample_prompts": ["a"]}}
    run = run_of(SHORTEST | {"recipe": recipe})
    assert run.settings == {"steps": 7, "warmup_steps": 3, "optimizer": "adamw", "sample_prompts": ["a"]}


def test_all_problems_are_told_at_once():
    told = problems({
        "sead": 1,
        "steps": 300,
        "base": {"device": "gpu"},
        "dataset": {"paht": "pictures", "word": "ohwx"},
        "trigger": {},
        "buckets": 64,
        "recipe": {"stepz": 3, "rank": 0, "optimizer": {"rank": 4, "learning_rat": 1.0}, "schedule": {"steps": "many"}},
    })  # fmt: skip
    for line in (
        "sead: unknown; did you mean seed?",
        "steps: belongs to [regularization] or [recipe]",
        "[base] device: got 'gpu', expected one of auto, cpu, cuda, mps",
        "[dataset] paht: unknown; did you mean path?",
        "[dataset] word: belongs to [trigger]",
        "[dataset] path: got '', expected a name or a path",
        "[trigger] word: got '', expected a name or a path",
        "buckets: got 64, expected a section",
        "[recipe] stepz: unknown; did you mean steps?",
        "[recipe] rank: got 0, expected a number from 1 to 1024",
        "[recipe.optimizer] rank: belongs to [recipe.adapter]",
        "[recipe.optimizer] learning_rat: not a setting of Optimizer; did you mean learning_rate?",
        "[recipe] steps: got 'many', expected a whole number",
    ):
        assert line in told
    assert "13 invalid settings" in told


def test_a_setting_given_twice_is_refused():
    assert "[recipe] steps: given twice" in problems(SHORTEST | {"recipe": {"steps": 3, "schedule": {"steps": 4}}})


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "run.toml"
    path.write_text('[dataset]\npath = "pictures"\n', encoding="utf-8")
    return path


def test_values_can_be_set_from_outside(file: Path):
    given = ["seed=3", "base.path=my model", "recipe.optimizer.learning_rate=1e-3", "buckets.resolutions=[64, 96]"]
    run = read_run(file, given)
    assert run.run.seed == 3 and run.base.path == "my model" and run.settings == {"learning_rate": 1e-3}
    assert run.buckets is not None and run.buckets.resolutions == (64, 96)


@pytest.mark.parametrize("written", ["rank = 4", "adapter.rank = 4", 'adapter.kind = "lora"', 'optimizer = "adamw"'])
@pytest.mark.parametrize("address", ["recipe.rank", "recipe.adapter.rank"])
def test_what_is_set_replaces_what_is_written(file: Path, written: str, address: str):
    file.write_text(f'[dataset]\npath = "pictures"\n[recipe]\n{written}\n', encoding="utf-8")
    assert read_run(file, [f"{address}=8"]).settings["rank"] == 8


def test_a_setting_with_the_name_of_its_group_can_be_set(file: Path):
    file.write_text('[dataset]\npath = "pictures"\n[recipe.schedule]\nsteps = 3\n', encoding="utf-8")
    assert read_run(file, ["recipe.schedule=cosine"]).settings == {"steps": 3, "schedule": "cosine"}


@pytest.mark.parametrize("wrong", ["seed", "=3", "dataset.path.name=3", ".seed=3"])
def test_what_cannot_be_set_is_refused(file: Path, wrong: str):
    with pytest.raises(ConfigError, match="--set"):
        read_run(file, [wrong])


def test_a_file_that_is_no_toml_is_refused(file: Path):
    file.write_text("[dataset\n", encoding="utf-8")
    with pytest.raises(ConfigError, match="can't be read"):
        read_run(file)
    with pytest.raises(ConfigError, match="No such file"):
        read_run(file.with_name("other.toml"))


def test_the_schema_has_every_section_and_setting():
    schema = run_schema()
    assert schema["required"] == ["dataset"]
    tables = schema["properties"]
    assert tables.keys() == {"name", "seed", "output", *SECTIONS} and set(OPTIONAL) < tables.keys()
    assert tables["recipe"]["properties"].keys() == {"goal", "quality", *GROUP_OF, *GROUPS}
    assert tables["recipe"]["properties"]["rank"]["minimum"] == 1
    assert tables["dataset"]["properties"]["on_unreadable"]["enum"] == ["skip", "refuse"]
    assert tables["buckets"]["properties"]["resolutions"]["items"]["type"] == "integer"
