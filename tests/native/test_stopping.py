"""A training that is stopped from the shell in a running ComfyUI: its graph goes on; queueing it again trains on."""

from __future__ import annotations

import pytest
from comfyui_graphs import demo_training
from comfyui_server import Server
from lora_workbench.cli import main as cli
from workspace import in_api_format

pytestmark = [pytest.mark.comfyui, pytest.mark.slow]

STEPS, ASKED_AT = 60, 4


def test_a_stopped_training_is_run_again_and_a_finished_one_is_not(
    server: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    graph = demo_training(steps=STEPS, seed=31, name="stopped fox", snapshot_every=2) | in_api_format({
        "pick": ("LW_PickSnapshot", {"snapshots": ["train", 4], "by": "last", "step": 1}),
        "file": ("LW_SaveAdapter", {"adapter": ["pick", 0], "filename": "picked fox", "dtype": "float32"}),
    })  # fmt: skip
    with server.listening() as client:
        number = server.queue(graph, client.name)
        client.wait_for_step("train", ASKED_AT, STEPS)
        assert cli.main(["runs", "stop", "stopped fox", "--root", str(server.store)]) == 0
        assert client.wait_for_end() == "execution_success"
    stopped = server.ended(number)
    done = stopped.report("train")["steps"]
    assert stopped.report("train")["stopped"] and ASKED_AT <= done < STEPS
    assert stopped.report("pick")["step"] == done and stopped.report("file")["written"]
    again = server.run(graph)
    assert not {"train", "pick", "file"} & again.cached
    assert (again.report("train")["resumed_at"], again.report("train")["steps"]) == (done, STEPS)
    assert again.report("pick")["steps"][:2] == [2, 4] and again.report("pick")["step"] == STEPS
    assert {"train", "pick", "file"} <= server.run(graph).cached
    assert "stops after its current step" in capsys.readouterr().out
