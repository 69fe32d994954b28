"""The nodes at work: on small pictures, and together on a tiny base model."""

from __future__ import annotations

import io as text_io
import json
from pathlib import Path
from typing import Any

import pytest
from lora_workbench.cli.nodes import registry
from lora_workbench.engine.adapters.files import load_adapter
from lora_workbench.engine.core.errors import CaptionError, ConfigError, DatasetError, WorkflowError
from lora_workbench.engine.generation.batch import GeneratedImage
from lora_workbench.engine.generation.png import read_parameters
from lora_workbench.headless.executor import Executor, NodeError, Outcome
from lora_workbench.headless.reading import read_workflow
from lora_workbench.nodes.captions.trigger_captions import TriggerCaptions
from lora_workbench.nodes.dataset.augment import Augment
from lora_workbench.nodes.dataset.dataset_from_images import DatasetFromImages
from lora_workbench.nodes.dataset.load_dataset import LoadDataset
from lora_workbench.nodes.dataset.mask_dataset import MaskDataset
from lora_workbench.nodes.dataset.preview_dataset import PreviewDataset
from lora_workbench.nodes.generation.save_images import SaveImages
from lora_workbench.nodes.host import host as current_host
from lora_workbench.nodes.host.headless import HeadlessHost
from lora_workbench.nodes.kit.pictures import to_pictures, to_tensor
from PIL import Image
from workspace import chosen

COLORS = [(200, 30, 30), (30, 160, 60), (40, 60, 200)]


@pytest.fixture(autouse=True)
def said(host: HeadlessHost, progress: text_io.StringIO) -> text_io.StringIO:
    """What the host shows; results go below ``out``."""
    return progress


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three pictures, one without a caption, and a damaged one."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    for number, color in enumerate(COLORS):
        Image.new("RGB", (40, 32), color).save(folder / f"{number}.png")
    for number in range(2):
        (folder / f"{number}.txt").write_text("a [trigger] color")
    (folder / "broken.png").write_bytes((folder / "0.png").read_bytes()[:50])
    return folder


def test_pictures_survive_the_way_to_tensors_and_back() -> None:
    pictures = [Image.new("RGB", (5, 3), color) for color in COLORS]
    tensor = to_tensor(pictures)
    assert tuple(tensor.shape) == (3, 3, 5, 3)
    assert [p.tobytes() for p in to_pictures(tensor)] == [p.tobytes() for p in pictures]
    assert to_pictures(tensor * 3 - 1)[0].getpixel((0, 0)) == (255, 0, 0)
    assert to_pictures(tensor.new_ones(1, 2, 2, 4))[0].mode == "RGBA"


def test_a_folder_is_read_and_what_is_wrong_with_it_told(folder: Path, said: text_io.StringIO) -> None:
    output = LoadDataset.execute(path=str(folder), on_unreadable="skip")
    report = output.ui["lw_report"][0]
    assert (report["pictures"], report["without_caption"]) == (3, 1)
    assert [skipped["name"] for skipped in report["skipped"]] == ["broken.png"]
    assert "3 pictures, 1 without a caption" in said.getvalue()
    assert "broken.png" in said.getvalue()


def test_captions_are_written_and_shown(folder: Path, said: text_io.StringIO) -> None:
    dataset = LoadDataset.execute(path=str(folder), on_unreadable="skip").args[0]
    output = TriggerCaptions.execute(dataset, " zwx ", "thing", "a photo of {trigger} {class}", "prepend")
    captioned, table, trigger = output.args
    assert [record.caption for record in captioned] == ["a zwx color", "a zwx color", "a photo of zwx thing"]
    assert trigger == "zwx thing"
    assert "a photo of zwx thing" in table
    assert output.ui["text"] == (table,)
    with pytest.raises(CaptionError, match="empty"):
        TriggerCaptions.execute(dataset, " ", "thing", "a photo of {trigger} {class}", "prepend")


def test_images_become_a_data_set_and_a_sheet(said: text_io.StringIO) -> None:
    images = to_tensor([Image.new("RGB", (8, 8), color) for color in COLORS])
    dataset = DatasetFromImages.execute("a color", "colors", images=images).args[0]
    assert [record.caption for record in dataset] == ["a color"] * 3
    output = PreviewDataset.execute(dataset, 2)
    preview = current_host().temp_directory() / output.ui["images"][0]["filename"]
    with Image.open(preview) as saved:
        assert saved.size == (output.args[0].shape[2], output.args[0].shape[1])


def test_generated_pictures_become_a_data_set_with_their_prompts(said: text_io.StringIO) -> None:
    drawn = [
        GeneratedImage(image=Image.new("RGB", (8, 8), color), prompt=f"a {i}", seed=i, label="base")
        for i, color in enumerate(COLORS)
    ]
    dataset = DatasetFromImages.execute("", "drawn", batch=drawn).args[0]
    assert [record.caption for record in dataset] == ["a 0", "a 1", "a 2"]
    dataset = DatasetFromImages.execute("a thing", "drawn", batch=drawn).args[0]
    assert [record.caption for record in dataset] == ["a thing"] * 3
    with pytest.raises(DatasetError, match="Neither"):
        DatasetFromImages.execute("", "drawn")


def test_saved_images_never_replace_others(said: text_io.StringIO) -> None:
    shapes = [to_tensor([Image.new("RGB", (8, side), color) for color in COLORS]) for side in (8, 9)]
    names = [SaveImages.execute("sub/a [1]", images=images).ui["lw_report"][0]["images"] for images in shapes]
    assert names == [[f"sub/a [1]_{n:05d}.png" for n in (1, 2, 3)], [f"sub/a [1]_{n:05d}.png" for n in (4, 5, 6)]]
    with Image.open(current_host().output_directory() / names[1][2]) as last:
        assert last.getpixel((0, 0)) == COLORS[2]
    with pytest.raises(ConfigError, match="nothing to save"):
        SaveImages.execute("sub/a")


def test_images_that_are_there_are_taken_up(said: text_io.StringIO) -> None:
    """As after a run that was killed between two pictures; equal pictures of one call are all saved."""
    first, second, *rest = [Image.new("RGB", (8, 8), color) for color in (*COLORS, COLORS[0])]

    def saved(*images: Image.Image) -> list[str]:
        return SaveImages.execute("a", images=to_tensor(list(images))).ui["lw_report"][0]["images"]

    assert saved(first, second) == ["a_00001.png", "a_00002.png"]
    assert saved(first, second, *rest) == [f"a_{n:05d}.png" for n in (1, 2, 3, 4)]
    assert saved(first, second, *rest) == [f"a_{n:05d}.png" for n in (1, 2, 3, 4)]
    assert saved(second) == ["a_00002.png"]
    (current_host().output_directory() / "a_00001.png").write_bytes(b"damaged")
    assert saved(first, second) == ["a_00004.png", "a_00002.png"]
    assert saved(first, first) == ["a_00004.png", "a_00005.png"]


def test_a_data_set_is_written_once_and_read_back(folder: Path, said: text_io.StringIO) -> None:
    nodes: dict[str, Any] = {
        "data": ("LW_LoadDataset", {"path": "pictures", "on_unreadable": "skip"}),
        "save": ("LW_SaveDataset", {"dataset": ["data", 0], "layout": "kohya", "name": "sets/colors"}),
    }
    graph = {name: {"class_type": kind, "inputs": inputs} for name, (kind, inputs) in nodes.items()}
    report = run(graph, folder).reports["save"]
    assert (report["path"], report["files"]) == ("datasets/sets/colors", 5)
    assert report["notes"] == [
        "Without a caption: 1 of 3 pictures; the trainer uses the folder's name for them: 2.png.",
        "Skipped when the data set was loaded, so not saved: broken.png.",
    ]
    assert run(graph, folder).cached_nodes == 2
    written = current_host().output_directory() / report["path"]
    assert len(LoadDataset.execute(path=str(written), on_unreadable="refuse").args[0]) == 3
    (written / "1_pictures" / "0.txt").unlink()
    assert run(graph, folder).reports["save"]["path"] == "datasets/sets/colors_00002"


def graph(base: Path, **recipe: Any) -> dict[str, Any]:
    """A training, a stack of its adapter, and everything that can be saved of them, in API format."""
    nodes = {
        "base": ("LW_LoadBase", {"base": str(base), "device": "cpu", "precision": "fp32"}),
        "data": ("LW_LoadDataset", {"path": "pictures", "on_unreadable": "skip"}),
        "captions": (
            "LW_TriggerCaptions",
            {"dataset": ["data", 0], "trigger_word": "zwx", "class_word": "thing", "template": "a {trigger} {class}",
             "mode": "prepend"},
        ),
        "recipe": (
            "LW_Recipe",
            {"dataset": ["captions", 0], "base": ["base", 0], **chosen(**{"steps": 3, "batch_size": 2, **recipe})},
        ),
        "train": (
            "LW_TrainLoRA",
            {"base": ["base", 0], "dataset": ["captions", 0], "recipe": ["recipe", 0], "seed": 1, "name": "zwx"},
        ),
        "stack": (
            "LW_StackAdapters",
            {"adapter": ["train", 0], "weight": 0.8, "text_encoder_weight": 1.0, "enabled": True},
        ),
        "grid": (
            "LW_ComparisonGrid",
            {"base": ["base", 0], "stack": ["stack", 0], "prompts": "a zwx thing\na bell", "seed": 5,
             "seeds_per_prompt": 2, "steps": 1, "guidance": 1.0},
        ),
        "adapter": ("LW_SaveAdapter", {"adapter": ["train", 0], "filename": "", "dtype": "float16"}),
        "plot": ("LW_SaveImages", {"filename_prefix": "loss", "images": ["train", 1]}),
        "cells": ("LW_SaveImages", {"filename_prefix": "cells", "batch": ["grid", 1]}),
    }  # fmt: skip
    return {name: {"class_type": kind, "inputs": inputs} for name, (kind, inputs) in nodes.items()}


def run(data: dict[str, Any], folder: Path) -> Outcome:
    path = folder.parent / "workflow.json"
    path.write_text(json.dumps(data))
    return Executor(registry(), current_host()).run(read_workflow(path, registry()))


def test_the_whole_way_and_back_from_the_cache(tiny_sd1: Path, folder: Path, said: text_io.StringIO) -> None:
    first = run(graph(tiny_sd1), folder)
    assert {name: first.reports["train"][name] for name in ("name", "steps", "cached", "resumed_at", "trigger")} == {
        "name": "zwx", "steps": 3, "cached": False, "resumed_at": 0, "trigger": "zwx thing",
    }  # fmt: skip
    assert first.reports["grid"]["columns"] == ["base", "zwx 0.8"]
    assert [Path(image).name for image in first.images] == [
        "loss_00001.png", *(f"cells_{n:05d}.png" for n in range(1, 9)),
    ]  # fmt: skip
    assert read_parameters(first.images[-1]) == {"prompt": "a bell", "seed": 6, "adapters": "zwx 0.8"}
    saved = load_adapter(first.adapters[0])
    assert (Path(first.adapters[0]).name, saved.trigger) == ("zwx.safetensors", "zwx thing")
    assert json.loads(saved.metadata["prompt"])["train"]["class_type"] == "LW_TrainLoRA"
    assert str(tiny_sd1.parent) not in saved.metadata["prompt"]

    second = run(graph(tiny_sd1), folder)
    assert second.cached_nodes == 10
    assert second.reports["train"]["cached"] is True
    assert (second.images, second.adapters) == (first.images, first.adapters)


def test_a_training_that_runs_again_finds_its_adapter(tiny_sd1: Path, folder: Path, said: text_io.StringIO) -> None:
    first = run(graph(tiny_sd1), folder)
    renamed = graph(tiny_sd1)
    renamed["train"]["inputs"]["name"] = "other"
    second = run(renamed, folder)
    report = second.reports["train"]
    assert (report["name"], report["cached"], report["seconds"]) == ("other", True, 0)
    assert report["last_loss"] == first.reports["train"]["last_loss"]
    assert Path(second.adapters[0]).name == "other.safetensors"

    longer = run(graph(tiny_sd1, steps=5), folder).reports["train"]
    assert (longer["steps"], longer["resumed_at"], longer["cached"]) == (5, 3, False)


def test_the_recipe_says_what_it_refuses(tiny_sd1: Path, folder: Path, said: text_io.StringIO) -> None:
    with pytest.raises(WorkflowError, match="rank: got 0, expected a number from 1 to 1024"):
        run(graph(tiny_sd1, rank=0), folder)
    assert not said.getvalue(), "nothing ran before"


def test_class_pictures_are_given_or_drawn_and_weighed(tiny_sd1: Path, folder: Path, said: text_io.StringIO) -> None:
    nodes = graph(tiny_sd1, prior_batch_size=4)
    nodes["class"] = {
        "class_type": "LW_RegularizationSet",
        "inputs": {
            "dataset": ["captions", 0], "prompts": "", "count": 5, "path": "class", "seed": 0, "steps": 1,
            "guidance": 1.0, "batch_size": 8, "base": ["base", 0], "recipe": ["recipe", 0],
        },
    }  # fmt: skip
    nodes["train"]["inputs"]["regularization"] = ["class", 0]
    others = folder.parent / "class"
    others.mkdir()
    for number in range(3):
        Image.new("RGB", (40, 32), (9, number, 9)).save(others / f"{number}.png")
    (others / "broken.png").write_bytes(b"x")
    report = run(nodes, folder).reports["class"]
    assert {name: report[name] for name in ("given", "generated", "subject", "class_pictures", "unseen")} == {
        "given": 3, "generated": 2, "subject": 3, "class_pictures": 5, "unseen": 0,
    }  # fmt: skip
    assert "skipped broken.png" in said.getvalue()
    assert [file["name"] for file in report["skipped"]] == ["broken.png"]
    nodes["class"]["inputs"] |= {"count": 6}
    assert run(nodes, folder).reports["class"]["generated"] == 3
    assert len(list(current_host().store_root().glob("class_pictures/*/*.png"))) == 3
    del nodes["class"]["inputs"]["base"]
    nodes["class"]["inputs"] |= {"path": ""}
    with pytest.raises(NodeError, match="no regularization pictures"):
        run(nodes, folder)


def test_long_class_prompts_are_told_and_shared_pictures_refused_before_any_is_generated(
    tiny_sd1: Path, folder: Path, said: text_io.StringIO
) -> None:
    nodes = graph(tiny_sd1)
    inputs = {
        "dataset": ["captions", 0], "prompts": "a color " * 40, "count": 1, "path": "", "seed": 0, "steps": 1,
        "guidance": 1.0, "batch_size": 8, "base": ["base", 0],
    }  # fmt: skip
    nodes["class"] = {"class_type": "LW_RegularizationSet", "inputs": inputs}
    nodes["train"]["inputs"]["regularization"] = ["class", 0]
    run(nodes, folder)
    assert "are encoded in chunks" in said.getvalue()
    inputs |= {"path": "pictures", "count": 100}
    with pytest.raises(NodeError, match="among the regularization pictures"):
        run(nodes, folder)
    assert len(list(current_host().store_root().glob("class_pictures/*/*.png"))) == 1


def shaped(tiny_sd1: Path, folder: Path) -> dict[str, Any]:
    """The training on masked, bucketed and augmented pictures."""
    Image.new("L", (40, 32), 200).save(folder / "0_mask.png")
    nodes = graph(tiny_sd1)
    extra: dict[str, Any] = {
        "mask": ("LW_MaskDataset", {"dataset": ["captions", 0], "source": "files", "floor": 0.2}),
        "bucket": (
            "LW_BucketDataset",
            {"dataset": ["mask", 0], "resolutions": "", "step": 8, "max_aspect": 2.0, "crop": "subject",
             "base": ["base", 0]},
        ),
        "augment": (
            "LW_Augment",
            {"dataset": ["bucket", 0], "flip": "yes", "shows": "unknown", "crop": 0.1, "color": 0.1, "variants": 3},
        ),
        "look": ("LW_SaveImages", {"filename_prefix": "sheet", "images": ["bucket", 1]}),
    }  # fmt: skip
    nodes |= {name: {"class_type": kind, "inputs": inputs} for name, (kind, inputs) in extra.items()}
    nodes["train"]["inputs"]["dataset"] = ["augment", 0]
    return nodes


def test_a_training_on_masks_buckets_and_variants(tiny_sd1: Path, folder: Path, said: text_io.StringIO) -> None:
    nodes = shaped(tiny_sd1, folder)
    first = run(nodes, folder)
    assert first.reports["mask"] == {"masks": 1, "pictures": 3, "coverage": {"0.png": pytest.approx(200 / 255)}}
    assert first.reports["bucket"] == {"sizes": {"32x32": 3}, "cropped": {}, "enlarged": {}}
    assert first.reports["augment"] == {"variants": 3, "pictures": 3}
    assert first.reports["train"]["cached"] is False
    nodes["train"]["inputs"]["name"] = "other"
    assert run(nodes, folder).reports["train"]["cached"] is True
    nodes["mask"]["inputs"]["floor"] = 0.3
    assert run(nodes, folder).reports["train"]["cached"] is False


def test_shapes_say_what_they_refuse(tiny_sd1: Path, folder: Path, said: text_io.StringIO) -> None:
    nodes = shaped(tiny_sd1, folder)
    for node, change, words in [
        ("bucket", {"resolutions": "512px"}, "512px can't be used"),
        ("bucket", {"resolutions": "4"}, "resolutions: got 4"),
        ("augment", {"shows": "faces"}, "no face is symmetric"),
        ("mask", {"source": "alpha"}, "has no masks in the pictures' transparency"),
    ]:
        wrong = {**nodes, node: {**nodes[node], "inputs": {**nodes[node]["inputs"], **change}}}
        with pytest.raises(NodeError, match=words):
            run(wrong, folder)


def test_masks_of_a_graph_are_taken(said: text_io.StringIO) -> None:
    images = to_tensor([Image.new("RGB", (8, 6), color) for color in COLORS])
    dataset = DatasetFromImages.execute("a color", "colors", images=images).args[0]
    masks = images.new_zeros(3, 6, 8)
    masks[:, :, :4] = 1
    masked, sheet, report = MaskDataset.execute(dataset, "files", 0.0, masks).args
    assert [record.mask.load().getpixel((0, 0)) for record in masked] == [255] * 3
    assert sheet.shape[0] == 1
    assert "3 of 3 pictures have a mask; on average 50% is white." in report
    assert len(MaskDataset.execute(dataset, "files", 0.0, masks[0]).args[0]) == 3


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"crop": 0.1}, "4 variants of each picture"),
        ({"crop": 0.1, "variants": 1}, "as variants is 1"),
        ({"flip": "yes, even so"}, "2 variants of each picture"),
        ({"flip": "yes, even so", "variants": 8}, "2 variants of each picture, not 8"),
        ({}, "set flip, crop or color"),
    ],
)
def test_variants_that_there_cannot_be_are_told(said: text_io.StringIO, given: dict[str, Any], told: str) -> None:
    images = to_tensor([Image.new("RGB", (16, 16), COLORS[0])])
    dataset = DatasetFromImages.execute("a color", "colors", images=images).args[0]
    usual = {"flip": "no", "shows": "unknown", "crop": 0.0, "color": 0.0, "variants": 4}
    Augment.execute(dataset, **{**usual, **given})
    assert told in said.getvalue()
