"""A batch that is killed at random moments and queued again ends with the bits of one that nothing disturbs: nothing
twice, nothing missing."""

from __future__ import annotations

import json
import random
import shutil
import sys
from pathlib import Path

import pytest
from lora_workbench.engine.adapters.files import save_adapter
from lora_workbench.engine.models.registry import load_base
from nursery import Ended, Moment, Nursery, nursery
from random_adapters import random_adapter
from tiny import save_tiny_sd1
from workspace import in_api_format

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has neither fork nor SIGKILL")

FOLDER = "batches/killed"
FOLDERS = (f"{FOLDER}/pictures", f"{FOLDER}/.batch", FOLDER)
PICTURES = 3 * 2 * 3


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a base model, adapters and a workflow that sweeps them."""
    folder = tmp_path_factory.mktemp("kills")
    base = load_base(save_tiny_sd1(folder / "base"), device="cpu", precision="fp32")
    for seed, name in enumerate(("fox", "riso")):
        save_adapter(random_adapter(base, name, seed, text=bool(seed)), folder / f"{name}.safetensors",
                     key_style="kohya", dtype="float32")  # fmt: skip
    nodes = {
        "base": ("LW_LoadBase", {"base": "base", "device": "cpu", "precision": "fp32"}),
        "which": ("LW_Sweep", {
            "axis": "adapters", "values": "fox:0.8\nfox:0.8 + riso", "no_adapter": True, "adapter": "",
        }),
        "batch": ("LW_GenerateBatch", {
            "base": ["base", 0], "prompts": "a fox\na cow", "seed": 0, "seeds_per_prompt": 3, "steps": 2,
            "guidance": 2.0, "negative_prompt": "", "width": 0, "height": 0, "batch_size": 4, "name": "killed",
            "jobs": ["which", 0],
        }),
    }  # fmt: skip
    (folder / "workflow.json").write_text(json.dumps(in_api_format(nodes)))
    return folder


@pytest.fixture(scope="module")
def whole(place: Path) -> tuple[dict[str, bytes], Ended]:
    """The files of a batch that nothing disturbs, and how it went."""
    with nursery(FOLDERS) as runs:
        ended = runs.run(place / "workflow.json", place / "whole")
    assert ended.status == 0, ended.said
    return saved(place / "whole"), ended


def saved(output: Path) -> dict[str, bytes]:
    """Every file of the batch but those that only a batch in progress needs."""
    files = [path for path in (output / FOLDER).rglob("*") if path.is_file() and ".batch" not in path.parts]
    return {path.relative_to(output).as_posix(): path.read_bytes() for path in files}


def kill_often(count: int, seed: int, place: Path, whole: tuple[dict[str, bytes], Ended]) -> None:
    """Run the batch and kill it until it gets through, then compare; from the start until it was killed so often."""
    rng, killed, (expected, undisturbed) = random.Random(seed), 0, whole
    with nursery(FOLDERS) as runs:
        while killed < count:
            output = place / f"killed-{seed}"
            shutil.rmtree(output, ignore_errors=True)
            while (
                killed < count and (ended := runs.run(place / "workflow.json", output, moment(rng, undisturbed))).status
            ):
                assert ended.status == -9, ended.said
                killed += 1
            finish(runs, place, output)
            assert saved(output) == expected


def moment(rng: random.Random, undisturbed: Ended) -> Moment:
    """Some time, or some operation in one of the folders."""
    folder = rng.choice(["", *FOLDERS])
    if not folder:
        return Moment(seconds=rng.uniform(0, undisturbed.seconds))
    return Moment(folder, rng.randint(1, undisturbed.operations[folder]))


def finish(runs: Nursery, place: Path, output: Path) -> None:
    """What is there already isn't written again."""
    pictures = output / FOLDER / "pictures"
    there = {path: path.stat().st_mtime_ns for path in pictures.glob("[!.]*.png")}
    ended = runs.run(place / "workflow.json", output)
    assert ended.status == 0, ended.said
    assert {path: path.stat().st_mtime_ns for path in there} == there
    lines = [json.loads(line) for line in (output / FOLDER / "manifest.jsonl").read_text("utf-8").splitlines()]
    assert len(lines) == len({line["key"] for line in lines}) == len(list(pictures.iterdir())) == PICTURES


@pytest.mark.slow
def test_a_few_kills(place: Path, whole: tuple[dict[str, bytes], Ended]) -> None:
    assert len([name for name in whole[0] if name.endswith(".png")]) == PICTURES
    kill_often(3, 1, place, whole)


@pytest.mark.kills
def test_twenty_kills(place: Path, whole: tuple[dict[str, bytes], Ended]) -> None:
    kill_often(20, 2, place, whole)
