"""Whenever a run is killed, starting it again gives what it would have given: the same bits, nothing twice, no rest.

A few kills by default; those marked ``kills`` are two hundred.
"""

from __future__ import annotations

import json
import random
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest
from nursery import Ended, Moment, Nursery
from PIL import Image
from tiny import save_tiny_sd1
from workspace import chosen, in_api_format

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has neither fork nor SIGKILL")

STEPS, SAVE_EVERY = 8, 2
FOLDERS = {"datasets", "loras", "drawn", "run-store/encoded", "run-store/class_pictures", "run-store/runs"}
"""Where results are saved, and what is kept of encoding and training."""

OF_ONE_CALL = {"seconds", "resumed_at", "notes"}
"""What is known of a run and depends on how often it was interrupted."""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with pictures, a base model and a workflow that does everything that takes time or saves."""
    folder = tmp_path_factory.mktemp("kills")
    save_tiny_sd1(folder / "base")
    (folder / "pictures").mkdir()
    for number, color in enumerate(("red", "green", "blue", "gray", "white")):
        Image.new("RGB", (40 + 8 * number, 32), color).save(folder / "pictures" / f"{number}.png")
    nodes = {
        "data": ("LW_LoadDataset", {"path": "pictures", "on_unreadable": "refuse"}),
        "captions": ("LW_TriggerCaptions", {
            "dataset": ["data", 0], "trigger_word": "zwx", "class_word": "thing", "template": "a {trigger} {class}",
            "mode": "replace",
        }),
        "folder": ("LW_SaveDataset", {"dataset": ["captions", 0], "layout": "kohya", "name": "set"}),
        "zip": ("LW_SaveDataset", {"dataset": ["captions", 0], "layout": "fal", "name": "set"}),
        "base": ("LW_LoadBase", {"base": "base", "device": "cpu", "precision": "fp32"}),
        "recipe": ("LW_Recipe", {
            "dataset": ["captions", 0], "base": ["base", 0],
            **chosen(steps=STEPS, batch_size=2, save_every=SAVE_EVERY, snapshot_steps=4, prior_batch_size=1),
        }),
        "class": ("LW_RegularizationSet", {
            "dataset": ["captions", 0], "prompts": "", "count": 3, "path": "", "seed": 0, "steps": 1, "guidance": 1.0,
            "batch_size": 2, "base": ["base", 0], "recipe": ["recipe", 0],
        }),
        "train": ("LW_TrainLoRA", {
            "base": ["base", 0], "dataset": ["captions", 0], "recipe": ["recipe", 0], "seed": 3, "name": "zwx",
            "regularization": ["class", 0],
        }),
        "adapter": ("LW_SaveAdapter", {"adapter": ["train", 0], "filename": "zwx", "dtype": "float16"}),
        "stack": ("LW_StackAdapters", {
            "adapter": ["train", 0], "weight": 1.0, "text_encoder_weight": 1.0, "enabled": True,
        }),
        "draw": ("LW_Generate", {
            "base": ["base", 0], "stack": ["stack", 0], "prompts": "a zwx thing\na bell", "seed": 1,
            "seeds_per_prompt": 2, "steps": 1, "guidance": 1.0, "negative_prompt": "", "width": 0, "height": 0,
            "batch_size": 4,
        }),
        "pictures": ("LW_SaveImages", {"filename_prefix": "drawn/zwx", "batch": ["draw", 1]}),
        "plot": ("LW_SaveImages", {"filename_prefix": "loss", "images": ["train", 1]}),
    }  # fmt: skip
    (folder / "workflow.json").write_text(json.dumps(in_api_format(nodes)))
    return folder


@pytest.fixture(scope="module")
def whole(place: Path, runs: Nursery) -> tuple[Path, Ended]:
    """The results of a run that nothing disturbs, and how it went."""
    output = place / "whole"
    ended = runs.run(place / "workflow.json", output, FOLDERS)
    assert ended.status == 0, ended.said
    assert min(ended.operations.values()) > 0
    return output, ended


@pytest.mark.slow
def test_a_few_kills(place: Path, runs: Nursery, whole: tuple[Path, Ended]) -> None:
    kill_often(1 + len(FOLDERS), random.Random(1), place, runs, whole)


@pytest.mark.kills
def test_two_hundred_kills(place: Path, runs: Nursery, whole: tuple[Path, Ended]) -> None:
    assert kill_often(200, random.Random(2), place, runs, whole) == FOLDERS


def kill_often(count: int, rng: random.Random, place: Path, runs: Nursery, whole: tuple[Path, Ended]) -> set[str]:
    """Start a run and kill it until it gets through, then compare; again from the start until it was killed so often.

    Returns:
        Those of ``FOLDERS`` in which a killed run left something half written.
    """
    workflow, output = place / "workflow.json", place / "killed"
    expected, undisturbed = results(whole[0]), whole[1]
    killed, halves = 0, set()
    while killed < count:
        shutil.rmtree(output, ignore_errors=True)
        status = -9
        while status and killed < count:
            ended = runs.run(workflow, output, FOLDERS, moment(killed, rng, undisturbed))
            status = ended.status
            assert status in (0, -9), ended.said
            killed += status == -9
            halves |= {folder for folder in FOLDERS for _ in (output / folder).rglob("*.partial")}
        ended = runs.run(workflow, output, FOLDERS)
        assert ended.status == 0, ended.said
        assert results(output) == expected
    return halves


def moment(number: int, rng: random.Random, undisturbed: Ended) -> Moment:
    """By turns some time, and some operation in each of the folders."""
    folder = ["", *sorted(FOLDERS)][number % (1 + len(FOLDERS))]
    if not folder:
        return Moment(seconds=rng.uniform(0, undisturbed.seconds))
    return Moment(folder, rng.randint(1, undisturbed.operations[folder]))


def results(output: Path) -> dict[str, Any]:
    """Every file with what doesn't depend on the time, by its path."""
    known = [output / "run-store" / name for name in ("code", ".swept")]
    files = [path for path in output.rglob("*") if path.is_file() and not {path, path.parent} & {*known}]
    return {path.relative_to(output).as_posix(): content(path) for path in files}


def content(path: Path) -> Any:
    """What a file holds; of adapters and training states the tensors, of nodes' results only that they are there."""
    from safetensors.torch import load_file

    if path.suffix == ".safetensors":
        return {name: tensor.numpy().tobytes() for name, tensor in load_file(path).items()}
    if path.suffix == ".json" and path.parent.name == "nodes":
        return "a result"
    if path.suffix == ".json" and path.stem.isdecimal():  # what is known of a run
        return {name: value for name, value in json.loads(path.read_bytes()).items() if name not in OF_ONE_CALL}
    return path.read_bytes()
