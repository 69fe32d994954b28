"""Sweeps, batches and grids as nodes."""

from __future__ import annotations

import json
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from lora_workbench.cli.nodes import registry
from lora_workbench.engine.adapters.files import save_adapter
from lora_workbench.engine.adapters.stack import Stack, StackEntry
from lora_workbench.engine.batches.axes import KINDS
from lora_workbench.engine.core.errors import AdapterError, ConfigError
from lora_workbench.engine.models.registry import load_base
from lora_workbench.headless.executor import Executor, Outcome
from lora_workbench.headless.reading import read_workflow
from lora_workbench.nodes.generation.generate import Generate
from lora_workbench.nodes.generation.generate_batch import GenerateBatch
from lora_workbench.nodes.generation.sweep import AXES, Sweep
from lora_workbench.nodes.host.headless import HeadlessHost
from lora_workbench.nodes.kit.batches import jobs_of
from PIL import Image
from random_adapters import random_adapter
from workspace import in_api_format

SWEEP = {"values": "", "no_adapter": False, "adapter": ""}
STACKS = "fox:0.8\nfox:0.8 + riso:0.6"
BATCH = {
    "prompts": "a fox\na cow", "seed": 0, "seeds_per_prompt": 2, "steps": 1, "guidance": 1.0, "negative_prompt": "",
    "width": 0, "height": 0, "batch_size": 4, "name": "tests/one",
}  # fmt: skip


@pytest.fixture
def adapters(host: HeadlessHost, tiny_sd1: Path) -> list[str]:
    """Files in the host's folder."""
    base = load_base(tiny_sd1, device="cpu")
    for seed, name in enumerate(("fox", "riso")):
        save_adapter(random_adapter(base, name, seed), host.adapter_directory() / f"{name}.safetensors",
                     key_style="kohya", dtype="float32")  # fmt: skip
    return ["fox", "riso"]


def run(host: HeadlessHost, folder: Path, nodes: dict[str, tuple[str, dict[str, Any]]]) -> Outcome:
    (folder / "workflow.json").write_text(json.dumps(in_api_format(nodes)))
    return Executor(registry(), host).run(read_workflow(folder / "workflow.json", registry()))


def labels(sweep: Any, axis: str) -> list[str]:
    return [value.label for one in sweep.axes if one.name == axis for value in one.values]


def test_axes_are_those_of_the_engine():
    assert AXES == KINDS


def test_a_chain_of_sweeps_is_drawn_into_a_folder_and_a_grid(
    host: HeadlessHost, tmp_path: Path, tiny_sd1: Path, adapters: list[str]
):
    nodes = {
        "base": ("LW_LoadBase", {"base": str(tiny_sd1), "device": "cpu", "precision": "fp32"}),
        "which": ("LW_Sweep", {**SWEEP, "axis": "adapters", "values": STACKS, "no_adapter": True}),
        "sizes": ("LW_Sweep", {**SWEEP, "axis": "size", "values": "32x32, 48x32", "jobs": ["which", 0]}),
        "batch": ("LW_GenerateBatch", {**BATCH, "base": ["base", 0], "jobs": ["sizes", 0]}),
        "grid": ("LW_BatchGrid", {"batch": ["batch", 1], "columns": "", "rows": "", "pages": "size"}),
        "saved": ("LW_SaveImages", {"filename_prefix": "grid", "images": ["grid", 0]}),
    }  # fmt: skip
    outcome = run(host, tmp_path, nodes)
    folder = host.output_directory() / "batches/tests/one"
    lines = [json.loads(line) for line in (folder / "manifest.jsonl").read_text("utf-8").splitlines()]
    assert outcome.reports["batch"]["drawn"] == outcome.reports["batch"]["pictures"] == len(lines) == 3 * 2 * 2 * 2
    assert {line["places"][0]["adapters"] for line in lines} == {"no adapter", "fox 0.8", "fox 0.8 + riso 0.6"}
    assert outcome.reports["grid"]["pages"] == 2
    pictures = [Path(path) for path in outcome.images]
    assert len([path for path in pictures if path.parent == folder / "pictures"]) == len(lines)
    assert len([path for path in pictures if path.name.startswith("grid")]) == 2
    nodes["batch"][1]["seeds_per_prompt"] = 3
    again = run(host, tmp_path, nodes)
    assert (again.reports["batch"]["drawn"], again.reports["batch"]["pictures"]) == (12, 36)


def test_other_nodes_run_once_for_each_job(host: HeadlessHost, tmp_path: Path, tiny_sd1: Path, adapters: list[str]):
    """As in ComfyUI: here its part is played by Generate, which gets one prompt, seed and stack at a time."""
    settings = {name: value for name, value in BATCH.items() if name not in ("batch_size", "name")}
    nodes = {
        "base": ("LW_LoadBase", {"base": str(tiny_sd1), "device": "cpu", "precision": "fp32"}),
        "which": ("LW_Sweep", {**SWEEP, "axis": "adapters", "values": STACKS, "no_adapter": True}),
        "sizes": ("LW_Sweep", {**SWEEP, "axis": "steps", "values": "1, 2", "jobs": ["which", 0]}),
        "unroll": ("LW_UnrollJobs", {**settings, "width": 32, "height": 32, "jobs": ["sizes", 0]}),
        "draw": ("LW_Generate", {
            **settings, "batch_size": 1, "base": ["base", 0], "prompts": ["unroll", 0], "seed": ["unroll", 2],
            "seeds_per_prompt": 1, "steps": ["unroll", 3], "stack": ["unroll", 7],
        }),
        "saved": ("LW_SaveImages", {"filename_prefix": ["unroll", 9], "batch": ["draw", 1]}),
        "batch": ("LW_GenerateBatch", {**BATCH, "base": ["base", 0], "jobs": ["sizes", 0], "batch_size": 1}),
    }  # fmt: skip
    outcome = run(host, tmp_path, nodes)
    unrolled = {path for path in map(Path, outcome.images) if path.parent == host.output_directory()}
    batch = set(map(Path, outcome.images)) - unrolled
    assert len(unrolled) == len(batch) == 3 * 2 * 2 * 2
    assert {pixels(path) for path in unrolled} == {pixels(path) for path in batch}
    assert any(path.name.startswith("fox-0.8_steps-2_a-cow_seed-1") for path in unrolled)


def pixels(path: Path) -> bytes:
    with Image.open(path) as picture:
        return picture.tobytes()


def test_a_sweep_of_each_adapter_of_a_stack_begins_without(adapters: list[str], tiny_sd1: Path):
    base = load_base(tiny_sd1, device="cpu")
    stack = Stack(tuple(StackEntry(random_adapter(base, name, 1)) for name in adapters))
    alone = Sweep.execute(axis="adapters", **{**SWEEP, "no_adapter": True}, stack=stack).args[0]
    assert labels(alone, "adapters") == ["no adapter", "fox", "riso"]
    whole = Sweep.execute(axis="stack", **{**SWEEP, "values": "riso:0.5"}, stack=stack, stack_2=stack.alone(0)).args[0]
    assert labels(whole, "stack") == ["fox + riso", "fox", "riso 0.5"]


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"axis": "seed", "values": "a"}, "'a' can't be read"),
        ({"axis": "seed", "values": "-3"}, "seed got -3"),
        ({"axis": "size", "values": "100x64"}, "size got 100"),
        ({"axis": "weight", "values": "0-1 (5)"}, "[5] behind a range"),
        ({"axis": "adapters"}, "has no values"),
        ({"axis": "snapshot"}, "has no values"),
        ({"axis": "steps", "values": "1", "adapter": "fox"}, "which it doesn't use"),
        ({"axis": "prompt", "values": " "}, "has no values"),
        ({"axis": "wieght", "values": "1"}, "did you mean weight?"),
        ({"axis": "replace in prompt", "values": "red"}, "expected" ),
    ],
)  # fmt: skip
def test_what_a_sweep_refuses(host: HeadlessHost, given: dict[str, Any], told: str):
    with pytest.raises(ConfigError) as refused:
        Sweep.execute(**{**SWEEP, **given})
    assert told.casefold() in str(refused.value).casefold()


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"negative_prompt": "blur"}, "no effect with guidance 1"),
        ({"negative_prompt": "blur", "guidance": 3.0}, ""),
        ({"guidance": 1.0}, ""),
    ],
)
def test_a_negative_prompt_in_vain_is_told(
    host: HeadlessHost, progress: StringIO, tiny_sd1: Path, given: dict[str, Any], told: str
):
    base = load_base(tiny_sd1, device="cpu")
    common = {**BATCH, "prompts": "a fox", "seeds_per_prompt": 1, "width": 32, "height": 32, **given}
    GenerateBatch.execute(base=base, **common)
    Generate.execute(base=base, **{name: value for name, value in common.items() if name != "name"})
    said = [line for line in progress.getvalue().splitlines() if "negative_prompt" in line]
    assert [told in line for line in said] == ([True, True] if told else [])
    jobs = Sweep.execute(**{**SWEEP, "axis": "negative prompt", "values": "blur\nnoise"}).args[0]
    _, notes = jobs_of(jobs, None, "a fox", 0, 1, negative_prompt=given.get("negative_prompt", ""))
    assert bool(notes) == ("negative_prompt" in given)


@pytest.mark.parametrize(
    ("axis", "values"), [("replace in prompt", "红，绿、蓝"), ("steps", "1，2, 3"), ("size", "32x32，48x32、64x32")]
)
def test_values_are_parted_at_commas_of_all_scripts(host: HeadlessHost, axis: str, values: str):
    assert len(labels(Sweep.execute(**{**SWEEP, "axis": axis, "values": values}).args[0], axis)) == 3


def test_words_are_replaced_along_several_axes(host: HeadlessHost):
    jobs = None
    for values in ("happy, sad", "waving, asleep, at rest", "red, blue"):
        jobs = Sweep.execute(**{**SWEEP, "axis": "replace in prompt", "values": values}, jobs=jobs).args[0]
    assert jobs.names == ["replace in prompt", "replace in prompt 2", "replace in prompt 3"]
    made, _ = jobs_of(jobs, None, "a happy robot, waving, in red", 0, 1, negative_prompt="")
    assert len({job.prompt for job in made}) == len(made) == 12
    assert made[-1].prompt == "a sad robot, at rest, in blue"
    assert made[-1].places["replace in prompt 2"] == "at rest"
    assert made[-1].words.startswith("sad · at rest · blue")


def test_a_file_that_isn_t_there_is_named(host: HeadlessHost):
    with pytest.raises(AdapterError, match="wolf"):
        Sweep.execute(**{**SWEEP, "axis": "adapters", "values": "wolf:0.5"})
