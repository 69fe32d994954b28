"""What adapter files say about themselves."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from lora_workbench.engine.adapters.files import read_metadata
from lora_workbench.engine.adapters.keeping import keep
from lora_workbench.engine.adapters.metadata import RunFacts, thinned, training_metadata
from lora_workbench.engine.adapters.private import private

RECIPE = {
    "rank": 8,
    "alpha": 4.0,
    "steps": 3,
    "batch_size": 2,
    "learning_rate": 1e-3,
    "text_encoder_learning_rate": 1e-5,
    "train_text_encoder": True,
    "sample_prompts": ("a fox",),
}


def facts(**changes: object) -> RunFacts:
    values = {
        "name": "fox",
        "family": "sd1",
        "architecture": "stable-diffusion-v1",
        "prediction_type": "v_prediction",
        "resolution": 64,
        "base_name": "demo_base",
        "base_hash": "b" * 64,
        "dataset_name": "fox",
        "dataset_hash": "d" * 64,
        "dataset": [
            {"name": "füchse/1.png", "sha256": "1" * 64, "caption": "ohwx fox, red", "repeats": 2},
            {"name": "2.png", "sha256": "2" * 64, "caption": "ohwx fox", "repeats": 1},
            {"name": "3.png", "sha256": "3" * 64, "caption": None, "repeats": 1},
        ],
        "recipe": RECIPE,
        "seed": 7,
        "losses": [0.3, 0.2, 0.1],
        "trigger": "ohwx fox",
        "versions": {"torch": "2.13.0"},
        "date": "2026-01-02T03:04:05Z",
    }
    return RunFacts(**{**values, **changes})  # type: ignore[arg-type]


def test_other_programs_find_the_fields_they_show() -> None:
    metadata = training_metadata(facts())
    assert all(isinstance(value, str) for value in metadata.values())
    assert metadata["modelspec.architecture"] == "stable-diffusion-v1/lora"
    assert metadata["modelspec.prediction_type"] == "v"
    assert metadata["modelspec.trigger_phrase"] == "ohwx fox"
    assert metadata["ss_network_module"] == "networks.lora"
    assert (metadata["ss_network_dim"], metadata["ss_network_alpha"]) == ("8", "4.0")
    assert metadata["ss_num_train_images"] == "4"
    assert metadata["ss_text_encoder_lr"] == "1e-05"
    assert json.loads(metadata["ss_tag_frequency"]) == {"fox": {"ohwx fox": 2, "red": 1}}
    assert "ss_bucket_info" not in metadata


def test_buckets_are_shown_as_kohya_shows_them() -> None:
    sizes = [[(64, 64), (96, 48)], [(64, 64)], []]
    dataset = [{**record, "sizes": of_record} for record, of_record in zip(facts().dataset, sizes, strict=True)]
    metadata = training_metadata(facts(dataset=dataset))
    assert metadata["ss_enable_bucket"] == "True"
    assert json.loads(metadata["ss_bucket_info"]) == {
        "buckets": {"0": {"resolution": [64, 64], "count": 3}, "1": {"resolution": [96, 48], "count": 2}}
    }


def test_our_own_fields_give_the_run_back() -> None:
    metadata = training_metadata(facts())
    assert json.loads(metadata["lw.recipe"]) == {**RECIPE, "sample_prompts": ["a fox"]}
    assert json.loads(metadata["lw.dataset"]) == facts().dataset
    assert json.loads(metadata["lw.losses"]) == [[1, 0.3], [2, 0.2], [3, 0.1]]
    assert (metadata["lw.seed"], metadata["lw.family"], metadata["lw.suggested_weight"]) == ("7", "sd1", "1.0")


def test_unknown_things_are_left_out() -> None:
    metadata = training_metadata(facts(trigger="", prediction_type="flow", date=""))
    assert not {"modelspec.trigger_phrase", "modelspec.prediction_type", "modelspec.date", "workflow"} & metadata.keys()


def test_the_graph_goes_in_without_this_machines_folders() -> None:
    graph = {"nodes": [{"widgets_values": ["/home/someone/My Pictures/fox", 3, "a red/blue fox"]}]}
    metadata = training_metadata(facts(workflow=json.dumps(graph), prompt=json.dumps({"1": {"path": "C:\\x\\y.png"}})))
    assert json.loads(metadata["workflow"]) == {"nodes": [{"widgets_values": ["fox", 3, "a red/blue fox"]}]}
    assert json.loads(metadata["prompt"]) == {"1": {"path": "y.png"}}


def test_losses_are_thinned_to_means_that_cover_every_step() -> None:
    losses = [float(i) for i in range(1, 1001)]
    points = thinned(losses, points=100)
    assert len(points) == 100
    assert points[0] == [10, 5.5]
    assert points[-1] == [1000, 995.5]
    assert thinned([1.0, 2.0, 6.0], points=2) == [[2, 1.5], [3, 6.0]]
    assert thinned([]) == []


SECRETS = ("my_secret_caption", "secret_name.png", "secret_folder", "secret_prompt", "secret_base")


def trained() -> dict[str, str]:
    """The metadata of a run, with secrets wherever one can be."""
    caption, picture, folder, prompt, base = SECRETS
    recipe = {**facts().recipe, "sample_prompts": [prompt]}
    changes = {
        "dataset": [{"name": picture, "sha256": "1" * 64, "caption": caption, "repeats": 2}],
        "dataset_name": folder,
        "base_name": base,
        "recipe": recipe,
        "slider": {"positive": prompt, "negative_pictures": [{"name": picture}], "range": (-1, 1)},
        "workflow": json.dumps({"nodes": [caption]}),
        "prompt": json.dumps({"1": {"inputs": {"text": prompt}}}),
    }
    others = {"ss_dataset_dirs": folder, "ss_training_comment": caption, "modelspec.thumbnail": f"data:{picture}"}
    return training_metadata(facts(**changes)) | others


def test_no_caption_name_prompt_or_workflow_is_left() -> None:
    text = json.dumps(private(trained()))
    assert [secret for secret in SECRETS if secret in text] == []
    assert all(secret in json.dumps(trained()) for secret in SECRETS)


def test_what_other_programs_need_stays() -> None:
    kept = private(trained())
    assert kept["modelspec.trigger_phrase"] == "ohwx fox"
    assert (kept["ss_network_dim"], kept["lw.family"]) == ("8", "sd1")
    assert json.loads(kept["lw.recipe"])["steps"] == 3
    assert json.loads(kept["lw.slider"]) == {"range": [-1, 1]}
    assert private(kept) == kept


@given(st.dictionaries(st.text(), st.text()))
def test_nothing_unknown_stays(metadata: dict[str, str]) -> None:
    assert all(key.startswith("modelspec.") for key in private(metadata) if not key.startswith(("lw.", "ss_")))
    assert private(metadata | {"lw.recipe": "[" * 100_000})["lw.recipe"] == "{}"


def test_a_file_with_captions_is_not_taken_for_one_without(tmp_path: Path, make_adapter: Any) -> None:
    adapter = make_adapter(**trained())
    open_file = keep(adapter, tmp_path / "fox")
    bare = keep(adapter, tmp_path / "fox", without_data=True)
    assert (bare.path.name, bare.written) == ("fox_00002.safetensors", True)
    assert "lw.dataset" in read_metadata(open_file.path)
    assert not any(secret.encode() in bare.path.read_bytes() for secret in SECRETS)
    assert keep(adapter, tmp_path / "fox", without_data=True) == bare._replace(written=False)
