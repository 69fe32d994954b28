"""A training that is stopped in a running ComfyUI, from the shell or by the front end: its graph goes on; queueing it
again trains on."""

from __future__ import annotations

from collections.abc import Callable
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest
from comfyui_graphs import demo_training
from comfyui_server import Server
from lora_workbench.cli import main as cli
from workspace import in_api_format

pytestmark = [pytest.mark.comfyui, pytest.mark.slow]

STEPS, ASKED_AT = 60, 4
ROUTE = "/lora_workbench/stop"
"""Where the front end asks for it."""


def by_the_shell(server: Server, name: str) -> None:
    assert cli.main(["runs", "stop", name, "--root", str(server.store)]) == 0


def by_the_front_end(server: Server, name: str) -> None:
    assert server.post(ROUTE, {"node": "train"}) == {"stopping": 1}


@pytest.mark.parametrize("stop", [by_the_shell, by_the_front_end])
def test_a_stopped_training_is_run_again_and_a_finished_one_is_not(
    server: Server, stop: Callable[[Server, str], None]
) -> None:
    name, seed = f"stopped {stop.__name__}", 31 + (stop is by_the_shell)
    graph = demo_training(steps=STEPS, seed=seed, name=name, snapshot_every=2) | in_api_format({
        "pick": ("LW_PickSnapshot", {"snapshots": ["train", 4], "by": "last", "step": 1}),
        "file": ("LW_SaveAdapter", {"adapter": ["pick", 0], "filename": f"picked {name}", "dtype": "float32"}),
    })  # fmt: skip
    with server.listening() as client:
        number = server.queue(graph, client.name)
        client.wait_for_step("train", ASKED_AT, STEPS)
        stop(server, name)
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


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        (b'{"node": "train"}', {"Content-Type": "application/json"}, 409),
        (b'["train"]', {"Content-Type": "application/json"}, 409),
        (b'{"node": null}', {"Content-Type": "text/plain"}, 415),
        (b'{"node": null}', {"Content-Type": "application/json", "Origin": "http://elsewhere.example"}, 403),
    ],
    ids=["not the node that runs", "no object", "a form of another page", "another origin"],
)
def test_other_requests_are_refused(server: Server, body: bytes, headers: dict[str, str], status: int) -> None:
    with pytest.raises(HTTPError) as refused:
        urlopen(Request(f"{server.url}{ROUTE}", body, headers))
    assert refused.value.code == status
