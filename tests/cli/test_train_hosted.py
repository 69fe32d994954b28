"""``lora-workbench train --on``: the price first, then the adapter, at a stand-in."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hosted_adapters import small_adapter
from hosted_standins import FalStandIn
from lora_workbench.cli.main import main
from lora_workbench.engine.adapters.files import load_adapter
from PIL import Image


@pytest.fixture
def standin(monkeypatch: pytest.MonkeyPatch) -> Iterator[FalStandIn]:
    with FalStandIn(small_adapter(), polls=1).in_reach(monkeypatch) as standin:
        yield standin


@pytest.fixture
def command(tmp_path: Path) -> list[str]:
    folder = tmp_path / "fox"
    folder.mkdir()
    for number in range(4):
        Image.new("RGB", (32, 32), (60 * number, 90, 90)).save(folder / f"{number}.png")
    file = tmp_path / "run.toml"
    file.write_text(
        'name = "fox"\n[dataset]\npath = "fox"\n[trigger]\nword = "zwx"\nclass_word = "fox"\n[recipe]\nsteps = 500\n'
        '[hosted]\ninputs = ["learning_rate = 0.0004"]\n',
        encoding="utf-8",
    )
    return ["train", str(file), "--on", "fal", "--output", str(tmp_path / "out"), "--json"]


def told(capsys: pytest.CaptureFixture[str]) -> dict:
    return json.loads(capsys.readouterr().out.splitlines()[-1])


def test_it_tells_the_price_then_trains_then_has_it(standin, command, capsys: pytest.CaptureFixture[str]):
    assert main(command) == 0
    assert "Price: 1.00 USD. 500 steps at 0.002 USD for step, as fal tells now." in told(capsys)["reports"]["price"]
    assert not standin.jobs and not standin.files
    assert main([*command, "--yes"]) == 0
    result = told(capsys)
    assert result["reports"]["train"]["job"] == "job1" and result["cached_nodes"] == 0
    (path,) = result["adapters"]
    assert load_adapter(path).trigger == "zwx fox"
    assert standin.jobs["job1"].order | {"images_data_url": ""} == {
        "images_data_url": "", "steps": 500, "trigger_word": "zwx", "learning_rate": 0.0004,
    }  # fmt: skip
    assert main(command) == 0
    assert told(capsys)["cached_nodes"] == 1 and len(standin.jobs) == 1, "what is here needs no consent"


def test_a_person_is_told_how_to_go_on(standin, command, capsys: pytest.CaptureFixture[str]):
    assert main(command[:-1]) == 0
    out = capsys.readouterr().out
    assert "Nothing was sent or started." in out and "Add --yes to have it trained." in out


def test_what_is_not_used_is_named(standin, command, capsys: pytest.CaptureFixture[str]):
    more = ("recipe.rank=32", "recipe.learning_rate=0.001", "seed=3", "base.precision=fp16", "buckets.step=64")
    assert main([*command, *(part for value in more for part in ("--set", value))]) == 0
    said = capsys.readouterr().err
    assert "doesn't use seed, [base], [buckets], [recipe] rank, learning_rate. Its own inputs stand in [hosted]" in said
    assert main(command) == 0
    assert "doesn't use" not in capsys.readouterr().err


def test_a_limit_in_the_file_holds(standin, command, capsys: pytest.CaptureFixture[str]):
    assert main([*command, "--yes", "--set", "hosted.price_limit=0.5"]) == 1
    assert "at most 0.5, as price_limit says" in told(capsys)["error"]
    assert not standin.jobs


def test_a_secret_in_the_file_is_refused(standin, command, capsys: pytest.CaptureFixture[str]):
    assert main([*command, "--yes", "--set", 'hosted.inputs=["hf_token = abcdef"]']) == 1
    error = told(capsys)["error"]
    assert "hf_token: secrets" in error and "abcdef" not in error
    assert main([*command, "--yes", "--set", f'hosted.inputs=["note = {standin.token}"]']) == 1
    error = told(capsys)["error"]
    assert "stands in the order itself" in error and standin.token not in error
    assert not standin.requests


def test_an_interrupted_wait_leaves_the_job_which_can_be_canceled(standin, command, capsys: pytest.CaptureFixture[str]):
    standin.polls = 10_000
    process = subprocess.Popen(
        [sys.executable, "-m", "lora_workbench", *command, "--yes"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )  # fmt: skip
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and not (standin.jobs and standin.jobs["job1"].polls):
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    out, error = process.communicate(timeout=60)
    assert process.returncode == 1 and "A job that was started goes on there" in error
    assert standin.token not in out + error
    assert not standin.jobs["job1"].canceled
    assert main([*command, "--cancel"]) == 0
    assert told(capsys)["reports"]["canceled"] == {"job": "job1"} and standin.jobs["job1"].canceled
