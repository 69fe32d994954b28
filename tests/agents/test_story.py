"""An agent with the official client trains, reads card and verdict, and draws what it would draw by hand."""

from __future__ import annotations

import asyncio
import base64
import io
import json
from pathlib import Path

import mcp_types as types
import pytest
from agents_server import (
    Shop,
    done,
    images_of,
    in_process,
    in_thread,
    links_of,
    over_stdio,
    path_of,
    refused,
    service_in,
    text_of,
)
from lora_workbench.agents.workflows import workflow_tool
from lora_workbench.cli.main import main
from lora_workbench.cli.nodes import registry
from PIL import Image

SCENE = "an emoji of a fox on a teal background"


def pixels(path: Path) -> bytes:
    with Image.open(path) as image:
        return image.convert("RGB").tobytes()


def by_hand(output: Path) -> dict[str, bytes]:
    """What ``lora-workbench generate`` draws of the same scene: file name -> content."""
    prompts = [f"ohwx fox, {SCENE}"]
    file = output.parent / "hand.toml"
    file.write_text(
        f'name = "hand"\noutput = {json.dumps(str(output))}\n[base]\ndevice = "cpu"\n[pictures]\nsteps = 25\n'
        f'prompts = {json.dumps(prompts)}\nseed = 3\nseeds_per_prompt = 2\nbatch_size = 2\nstack = "fox:0.9"\n'
        "guidance = 3.0\n"
    )
    assert main(["generate", str(file)]) == 0
    return {path.name: path.read_bytes() for path in (output / "batches" / "hand" / "pictures").iterdir()}


def test_a_training_gives_an_adapter_with_verdict_and_preview(shop: Shop) -> None:
    result, facts = shop.training, shop.training.structured_content
    assert facts["state"] == "finished" and facts["adapters"] == ["fox.safetensors"]
    assert facts["report"]["verdict"]["best"] == facts["report"]["step"]
    assert "verdict: best is step" in text_of(result)
    assert (shop.output / "loras" / "fox.safetensors").is_file()
    [preview] = images_of(result)
    with Image.open(io.BytesIO(base64.b64decode(preview.data))) as image:
        assert image.size == (64, 64)


def test_pictures_are_those_that_are_drawn_by_hand(shop: Shop) -> None:
    async def drawing() -> types.CallToolResult:
        async with over_stdio(shop.output) as client:
            tools = {tool.name: tool for tool in (await client.list_tools()).tools}
            assert tools["draw_fox"].annotations == types.ToolAnnotations(
                title="Draw with fox", read_only_hint=False, destructive_hint=False, idempotent_hint=True,
                open_world_hint=False,
            )  # fmt: skip
            assert "'ohwx fox'" in (tools["draw_fox"].description or "")
            card, preview = (await client.read_resource("adapter://fox")).contents
            assert isinstance(card, types.TextResourceContents) and isinstance(preview, types.BlobResourceContents)
            told = json.loads(card.text)
            assert (told["triggers"], told["base"], told["tool"]) == (["ohwx fox"], "demo_base", "draw_fox")
            assert told["verdict"].startswith("Best: step")
            assert preview.mime_type == "image/png"
            verdict = await done(client, "verdict", run="fox")
            assert verdict.structured_content["best"] == shop.training.structured_content["report"]["step"]
            return await done(client, "draw_fox", scene=SCENE, count=2, seed=3, weight=0.9)

    result, drawn = in_thread(drawing()), {}
    assert [picture["seed"] for picture in result.structured_content["pictures"]] == [3, 4]
    for shown, link in zip(images_of(result), links_of(result), strict=True):
        drawn[path_of(link).name] = path_of(link).read_bytes()
        with Image.open(io.BytesIO(base64.b64decode(shown.data))) as image:
            assert image.convert("RGB").tobytes() == pixels(path_of(link))
    assert len(drawn) == 2
    assert drawn == by_hand(shop.output)


def test_progress_is_told_and_the_same_call_draws_nothing_twice(shop: Shop) -> None:
    told: list[tuple[float, str | None]] = []

    async def tell(progress: float, total: float | None, message: str | None) -> None:
        del total
        told.append((progress, message))

    async def calls() -> tuple[types.CallToolResult, types.CallToolResult]:
        async with in_process(service_in(shop.output)) as client:
            call = {"scene": "a fox", "count": 3, "seed": 11, "size": "64x64", "steps": 12}
            call["adapters"] = [{"name": "fox", "weight": 0.5}]
            first = await client.call_tool("draw", call, progress_callback=tell)
            return first, await client.call_tool("draw", call)

    first, second = in_thread(calls())
    assert first.structured_content["report"]["drawn_now"] == 3
    assert second.structured_content["report"]["drawn_now"] == 0
    assert [path_of(link) for link in links_of(first)] == [path_of(link) for link in links_of(second)]
    assert any("drawing fox 0.5" in (message or "") for _, message in told)
    numbers = [number for number, _ in told]
    assert numbers == sorted(numbers)


def test_a_cancelled_call_ends_its_drawing(shop: Shop) -> None:
    async def cancelled() -> types.CallToolResult:
        async with in_process(service_in(shop.output)) as client:
            begun = asyncio.Event()

            async def tell(progress: float, total: float | None, message: str | None) -> None:
                del progress, total
                if "drawing" in (message or ""):
                    begun.set()

            call = {"scene": "a fox at night", "count": 16, "steps": 200, "seed": 50}
            task = asyncio.create_task(client.call_tool("draw", call, progress_callback=tell))
            await asyncio.wait_for(begun.wait(), 60)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            job = (await done(client, "status")).structured_content["jobs"][0]["job"]
            return await done(client, "status", job=job, wait_seconds=30)

    assert in_thread(cancelled()).structured_content["state"] == "cancelled"


def test_a_saved_stack_and_a_workflow_are_tools(shop: Shop) -> None:
    presets = shop.output / "stack_presets"
    presets.mkdir(exist_ok=True)
    (presets / "Two foxes.json").write_text(json.dumps({"rows": "on | fox | 0.4\noff | fox | 0.9"}))
    (presets / "damaged.json").write_text("{")
    graph = {
        "1": {"class_type": "LW_LoadBase", "inputs": {"base": "demo_base", "device": "cpu", "precision": "fp32"}},
        "2": {"class_type": "LW_Generate", "inputs": {
            "base": ["1", 0], "prompts": "a fox", "seed": 1, "seeds_per_prompt": 1, "steps": 2, "guidance": 1.0,
            "negative_prompt": "", "width": 0, "height": 0, "batch_size": 1}},
        "3": {"class_type": "LW_SaveImages", "inputs": {"filename_prefix": "drawn", "batch": ["2", 1]}},
    }  # fmt: skip
    workflow = shop.output.parent / "one-picture.json"
    workflow.write_text(json.dumps(graph))

    async def calls() -> list[types.CallToolResult]:
        offered = workflow_tool(workflow, registry())
        async with in_process(service_in(shop.output, [offered])) as client:
            tools = {tool.name: tool for tool in (await client.list_tools()).tools}
            assert {"draw_stack_two_foxes", "run_one_picture"} < tools.keys()
            assert "draw_stack_damaged" not in tools
            steps = tools["run_one_picture"].input_schema["properties"]["steps"]
            assert (steps["type"], steps["minimum"], steps["default"]) == ("integer", 1, 2)
            problem = await refused(client, "run_one_picture", steps=0, step=3)
            assert "steps: got 0, expected a whole number from 1" in problem and "did you mean steps?" in problem
            stacked = await done(client, "draw_stack_two_foxes", scene="a fox", seed=2)
            ran = await done(client, "run_one_picture", prompts="a rocket", set={"LW_Generate.seed": 5})
            return [stacked, ran]

    stacked, ran = in_thread(calls())
    assert stacked.structured_content["report"]["stack"] == ["fox 0.4: ohwx fox"]
    [link] = links_of(ran)
    with Image.open(path_of(link)) as image:
        assert json.loads(image.info["lora_workbench"])["prompt"] == "a rocket"
