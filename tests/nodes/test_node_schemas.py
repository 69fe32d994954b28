"""Every node is described in full, on the graph and on its help page, and keeps its fixed id, inputs and outputs."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from lora_workbench.engine.core.fields import defaults_of, settings_of
from lora_workbench.engine.training.recipe import GROUPS
from lora_workbench.headless.widgets import widgets
from lora_workbench.nodes import NODES
from lora_workbench.nodes.host import io

SCHEMAS = {node.GET_SCHEMA().node_id: node.GET_SCHEMA() for node in NODES}
CATEGORIES = {f"LoRA Workbench/{part}" for part in ("data set", "captions", "training", "adapters", "generation")}
FIXED = {
    "LW_LoadDataset": ("path on_unreadable uncaptioned", "dataset"),
    "LW_JoinDatasets": ("first second third fourth", "dataset"),
    "LW_DatasetFromImages": ("images batch captions name", "dataset"),
    "LW_PairDataset": ("path references instruction on_unreadable", "dataset"),
    "LW_CaptionDataset": (
        "dataset captioner overwrite prompt max_tokens threshold character_threshold device precision",
        "dataset captions report",
    ),
    "LW_CaptionsFromText": ("dataset captions keep_existing", "dataset captions"),
    "LW_TriggerWord": ("trigger_word class_word dataset base", "trigger_word report free_words"),
    "LW_TriggerCaptions": ("dataset trigger_word class_word template mode base folders", "dataset captions trigger"),
    "LW_EditCaptions": (
        "dataset find replace_with regex remove add prefix suffix shuffle keep seed overrides separator",
        "dataset captions changes",
    ),
    "LW_PreviewDataset": ("dataset columns", "sheet"),
    "LW_InspectDataset": ("dataset goal base resolution strictness columns", "report json sheet"),
    "LW_CurateDataset": (
        (
            "dataset goal base resolution strictness drop_blurred drop_badly_exposed drop_small drop_compressed "
            "drop_noisy drop_borders drop_duplicates drop_odd drop_long keep drop"
        ),
        "kept dropped report",
    ),
    "LW_MaskDataset": ("dataset source floor masks invert", "dataset sheet report"),
    "LW_BucketDataset": ("dataset resolutions step max_aspect crop base", "dataset sheet report"),
    "LW_Augment": ("dataset flip shows crop color variants", "dataset sheet"),
    "LW_SaveDataset": ("dataset layout name pictures", "path"),
    "LW_LoadBase": ("base device precision", "base"),
    "LW_BaseFromComfy": ("model clip vae precision", "base"),
    "LW_DemoCheckpoint": ("", "model clip vae base"),
    "LW_Recipe": ("dataset base goal quality settings", "recipe reason"),
    "LW_RegularizationSet": (
        "dataset prompts count path seed steps guidance batch_size pictures base recipe",
        "regularization report",
    ),
    "LW_Companion": ("adapter role weight companions", "companions"),
    "LW_PlanTraining": ("base dataset recipe trial regularization companions trains", "report"),
    "LW_PlanSlider": (
        (
            "base positive negative neutral preserve guidance pictures trial settings recipe positive_pictures "
            "negative_pictures companions"
        ),
        "report",
    ),
    "LW_TrainLoRA": (
        "base dataset recipe seed name regularization companions",
        "adapter loss_plot report lora_model snapshots",
    ),
    "LW_TrainSlider": (
        (
            "base positive negative neutral preserve guidance pictures seed name strip_prompts strip_weights settings "
            "recipe positive_pictures negative_pictures companions"
        ),
        "adapter strip report lora_model snapshots",
    ),
    "LW_TrainRemote": (
        "dataset provider trainer steps name start price_limit destination settings when_interrupted base",
        "adapter report lora_model",
    ),
    "LW_TrainDreamBooth": (
        "base dataset recipe learning_rate seed name regularization",
        "base loss_plot report model clip vae",
    ),
    "LW_SaveBase": ("base filename format dtype", "path"),
    "LW_TrainEmbedding": (
        "base dataset recipe vectors begins_as learning_rate seed name",
        "embedding base loss_plot report",
    ),
    "LW_SaveEmbedding": ("embedding filename", "path"),
    "LW_LoadEmbedding": ("base embedding word", "base embedding word"),
    "LW_ExtractAdapter": ("before after rank energy text_encoders name", "adapter report lora_model"),
    "LW_StackReport": ("stack lora_stack base", "stack plot report effective_total"),
    "LW_CombineAdapters": ("stack lora_stack mode amount strength protect base", "stack triggers report"),
    "LW_Stack": ("rows stack lora_stack", "stack triggers lora_stack"),
    "LW_LoadAdapter": ("adapter search", "adapter trigger"),
    "LW_InspectAdapter": ("adapter base", "adapter report plot"),
    "LW_StackAdapters": (
        "adapter weight text_encoder_weight enabled stack lora_stack",
        "stack triggers lora_stack",
    ),
    "LW_MergeAdapters": (
        "stack lora_stack method rank energy density drop seed name base",
        "adapter report lora_model",
    ),
    "LW_ResizeAdapter": ("adapter rank rule threshold name base", "adapter report lora_model"),
    "LW_SubtractAdapters": ("adapter less weight rank name base", "adapter report lora_model"),
    "LW_ScheduleAdapter": ("stack adapter schedule", "stack triggers"),
    "LW_MaskAdapter": ("stack adapter box mask", "stack triggers"),
    "LW_BakeStack": ("base stack lora_stack name", "base report model clip vae"),
    "LW_ApplyStack": ("model clip stack lora_stack", "model clip triggers"),
    "LW_SaveAdapter": ("adapter filename dtype private save_as rank base names", "path"),
    "LW_CompareSnapshots": (
        "base snapshots prompts captions seed steps most sampling_steps guidance stack clip_vision",
        "snapshots grid plot report batch",
    ),
    "LW_PictureBoard": (
        "base dataset recipe folds steps seed columns rarer",
        "dataset suspects names board report",
    ),
    "LW_PickSnapshot": ("snapshots by step", "adapter report plot"),
    "LW_SaveSnapshots": ("snapshots filename steps dtype private", "paths"),
    "LW_RunReport": ("adapter filename dataset", "path"),
    "LW_Prompt": ("prompt placement stack", "prompt stack triggers"),
    "LW_Generate": (
        (
            "base prompts seed seeds_per_prompt steps guidance negative_prompt width height batch_size stack reference "
            "reference_guidance"
        ),
        "images batch",
    ),
    "LW_ComparisonGrid": (
        "base prompts seed seeds_per_prompt steps guidance stack reference reference_guidance",
        "grid batch",
    ),
    "LW_PromptMatrix": ("templates lists mode count seed", "prompts count"),
    "LW_Sweep": (
        "axis values no_adapter adapter jobs stack stack_2 stack_3 stack_4 snapshots",
        "jobs",
    ),
    "LW_GenerateBatch": (
        "base prompts seed seeds_per_prompt steps guidance negative_prompt width height batch_size name jobs stack",
        "images batch folder",
    ),
    "LW_UnrollJobs": (
        "prompts seed seeds_per_prompt steps guidance negative_prompt width height jobs stack",
        "prompt negative_prompt seed steps cfg width height stack label filename",
    ),
    "LW_BatchGrid": ("batch columns rows pages", "grid"),
    "LW_SaveImages": ("filename_prefix images batch", ""),
}
"""Node id -> its inputs and outputs. Saved workflows hold these by name and position: only ever add at the end."""

OF_GROUPS = {f"LW_Recipe{name.title()}": group for name, group in GROUPS.items()}
"""Nodes whose inputs are the settings of a group, and whose help page is the one that ComfyUI makes of their schema."""

every_node = pytest.mark.parametrize("schema", SCHEMAS.values(), ids=list(SCHEMAS))


def test_saved_workflows_keep_loading() -> None:
    found = {
        name: (" ".join(i.id for i in schema.inputs), " ".join(str(o.id) for o in schema.outputs))
        for name, schema in SCHEMAS.items()
    }
    assert found == FIXED | {
        name: (f"recipe {' '.join(settings_of(group))}", "recipe changes") for name, group in OF_GROUPS.items()
    }


@pytest.mark.parametrize("name", OF_GROUPS)
def test_nodes_of_groups_show_the_values_that_are_used(name: str) -> None:
    _, *inputs = SCHEMAS[name].inputs
    for given, (setting, default) in zip(inputs, defaults_of(OF_GROUPS[name]).items(), strict=True):
        assert (given.id, given.default) == (setting, default or type(given.default)())


@every_node
def test_a_node_is_described(schema: io.Schema) -> None:
    assert schema.category in CATEGORIES
    assert schema.display_name
    assert schema.description.endswith(".")


@every_node
def test_every_input_and_output_has_a_sentence(schema: io.Schema) -> None:
    tooltips = {i.id: i.options.get("tooltip", "") for i in schema.inputs}
    tooltips |= {f"output {o.id}": o.tooltip or "" for o in schema.outputs}
    assert not [name for name, text in tooltips.items() if len(text) < 20 or not text.endswith(".")]


@pytest.mark.parametrize("schema", [s for name, s in SCHEMAS.items() if name not in OF_GROUPS], ids=lambda s: s.node_id)
def test_the_help_page_names_everything(schema: io.Schema, root: Path) -> None:
    page = (root / "js" / "docs" / f"{schema.node_id}.md").read_text(encoding="utf-8")
    assert page.startswith(f"# {schema.display_name}\n")
    inputs, outputs = section(page, "Inputs"), section(page, "Outputs")
    assert not [i.id for i in schema.inputs if f"**{i.id}**" not in inputs]
    assert not [o.id for o in schema.outputs if f"**{o.id}**" not in outputs]


def section(page: str, title: str) -> str:
    """The text below a heading of the second level, up to the next one."""
    found = re.search(rf"^## {title}\n(.*?)(?=^## |\Z)", page, re.MULTILINE | re.DOTALL)
    assert found, f"no section {title}"
    return found[1]


def test_every_help_page_belongs_to_a_node(root: Path) -> None:
    assert {path.stem for path in (root / "js" / "docs").glob("*.md")} == SCHEMAS.keys() - OF_GROUPS


@every_node
def test_defaults_are_values_that_the_widget_takes(schema: io.Schema) -> None:
    for widget in widgets(schema):
        if isinstance(widget, io.Combo.Input):
            assert widget.default in (*widget.choices, None)
        elif isinstance(widget, (io.Int.Input, io.Float.Input)):
            assert widget.min <= widget.default <= widget.max


def test_a_training_seed_stays_fixed_unless_the_user_says_otherwise() -> None:
    seeds: dict[str, Any] = {
        name: i.options["control_after_generate"]
        for name, schema in SCHEMAS.items()
        for i in schema.inputs
        if i.id == "seed"
    }
    assert seeds == {
        "LW_RegularizationSet": "fixed",
        "LW_PictureBoard": "fixed",
        "LW_EditCaptions": "fixed",
        "LW_TrainDreamBooth": "fixed",
        "LW_TrainEmbedding": "fixed",
        "LW_TrainLoRA": "fixed",
        "LW_TrainSlider": "fixed",
        "LW_MergeAdapters": "fixed",
        "LW_CompareSnapshots": "fixed",
        "LW_PromptMatrix": "fixed",
        "LW_Generate": True,
        "LW_GenerateBatch": "fixed",
        "LW_UnrollJobs": "fixed",
        "LW_ComparisonGrid": True,
    }


def test_captions_and_templates_keep_their_braces() -> None:
    """The front end's dynamic prompts would take {trigger} for a choice."""
    inputs = [i for schema in SCHEMAS.values() for i in schema.inputs]
    assert not [i.id for i in inputs if i.options.get("dynamicPrompts")]
