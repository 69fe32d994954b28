"""Jobs outlive connections, servers and workers: killed, queued, stopped, asked for twice."""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path
from typing import Any

import psutil
import pytest
from agents_server import (
    UNMEASURED,
    Client,
    Shop,
    done,
    end_worker,
    in_process,
    in_thread,
    jobs_in,
    over_stdio,
    service_in,
    text_of,
    waited,
    worker_of,
)
from lora_workbench.engine.adapters.files import HASH, read_metadata

LONG = {**UNMEASURED, "steps": 12}
"""A training that is under way long enough to be killed."""


def contents(output: Path, name: str) -> str:
    """Changes with each bit of an adapter's tensors."""
    return read_metadata(output / "loras" / f"{name}.safetensors")[HASH]


async def is_training(client: Client, job: str, step: int) -> None:
    """Wait until a training has done some steps."""
    async with asyncio.timeout(300):
        while True:
            facts = (await done(client, "status", job=job)).structured_content
            assert facts["state"] in ("queued", "running"), facts
            if facts["now"].startswith("training") and facts["progress"]["done"] >= step:
                return
            await asyncio.sleep(0.05)


def server_of(output: Path) -> psutil.Process:
    """The server process that serves an output folder."""
    for process in psutil.Process().children(recursive=True):
        words = process.cmdline()
        if "mcp" in words and "--work" not in words and str(output) in words:
            return process
    raise AssertionError("no server")


def test_a_training_that_was_killed_is_there_again_and_ends_with_the_same_bits(shop: Shop, tmp_path: Path) -> None:
    output = tmp_path / "out"
    output.mkdir()

    async def undisturbed() -> None:
        async with in_process(service_in(shop.output)) as client:
            await done(client, "train", **{**LONG, "name": "calm"}, wait_seconds=600)

    async def killed() -> None:
        async with over_stdio(output) as client:
            job = (await done(client, "train", **LONG)).structured_content["job"]
            await is_training(client, job, 3)
            worker = worker_of(output)
            assert worker
            for process in (server_of(output), worker):
                process.kill()
            psutil.wait_procs([worker], 60)

    async def again(job: str) -> dict[str, Any]:
        async with in_process(service_in(output, idle=0.5)) as client:
            return (await done(client, "status", job=job, wait_seconds=600)).structured_content

    try:
        with contextlib.suppress(Exception):  # whatever a client says whose server was killed
            in_thread(killed())
        [job] = jobs_in(output).all()
        assert jobs_in(output).phase(job) == "interrupted"
        facts = in_thread(again(job.id))
        assert facts["state"] == "finished"
        assert 2 <= facts["report"]["resumed_at"] < LONG["steps"]
        waited(lambda: worker_of(output) is None)  # it has nothing to do, and frees its memory
    finally:
        end_worker(output)
    in_thread(undisturbed())
    assert contents(output, "fox") == contents(shop.output, "calm")


def test_trainings_wait_for_each_other_and_neither_ends_with_the_call(shop: Shop) -> None:
    """The first is stopped and keeps its adapter; the call that asked for the second is cancelled."""

    async def both() -> tuple[Any, Any, Any, Any]:
        async with in_process(service_in(shop.output)) as client:
            many = {**UNMEASURED, "steps": 100_000, "seed": 5, "name": "endless"}
            first = (await done(client, "train", **many)).structured_content["job"]
            assert (await done(client, "train", **many)).structured_content["job"] == first
            await is_training(client, first, 3)
            short = {**UNMEASURED, "name": "short", "seed": 6, "wait_seconds": 300}
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(1):
                    await client.call_tool("train", short)
            second = (await done(client, "status")).structured_content["jobs"][0]["job"]
            queued = await done(client, "status", job=second)
            stopped = await done(client, "stop", job=first)
            ended = await done(client, "status", job=second, wait_seconds=300)
            return queued, stopped, ended, await done(client, "runs")

    queued, stopped, ended, runs = in_thread(both())
    assert queued.structured_content["state"] == "queued"
    assert "waiting for 1 job first" in text_of(queued)
    assert stopped.structured_content["state"] == "stopped"
    assert stopped.structured_content["adapters"] == ["endless.safetensors"]
    assert (shop.output / "loras" / "endless.safetensors").is_file()
    assert ended.structured_content["state"] == "finished"
    progress = {run["name"]: run["progress"] for run in runs.structured_content["runs"]}
    assert (progress["endless"], progress["short"]) == ("stopped", "finished")


def test_a_job_that_cant_be_done_says_why(shop: Shop) -> None:
    empty = shop.output.parent / "nothing-in-it"
    empty.mkdir()

    async def failed() -> Any:
        async with in_process(service_in(shop.output, roots=(str(empty.parent),))) as client:
            return await client.call_tool("train", {"folder": str(empty), "name": "none", "wait_seconds": 60})

    result = in_thread(failed())
    assert result.is_error and result.structured_content["state"] == "failed"
    assert "nothing-in-it" in text_of(result) and "Expected" in text_of(result)
