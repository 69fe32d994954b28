"""The token is nowhere but in the header of requests to the provider: runs with a marked one, and a search."""

from __future__ import annotations

import base64
import copy
import logging
import pickle
import random
import traceback
from pathlib import Path
from typing import Any

import httpx
import pytest
from hosted_orders import QUICK, Ordering
from hosted_standins import FETCHING, POLLING, STAND_INS, STARTING, TOKEN, UPLOADING, StandIn
from lora_workbench.engine.core.errors import ConfigError, WorkbenchError
from lora_workbench.engine.data.dataset import Dataset
from lora_workbench.engine.remote.terms import Terms
from lora_workbench.engine.remote.tokens import Token
from lora_workbench.engine.runs.store import RunStore
from lora_workbench.engine.runs.train import Graph

CALLS = 2
"""Each order is given twice, so that the second call goes on where the first one ended."""
SIGNATURES = ("signature=abc", "sig=abc", "sig=x")
"""Of addresses, which let whoever has them in for a while."""
ECHO = {"detail": f"you sent Key {TOKEN}, Bearer {TOKEN}"}
"""What a careless server says."""
FAULTS: list[dict[str, Any]] = [
    {},
    {"status": 401, "body": ECHO},
    {"status": 403, "body": ECHO},
    {"status": 422, "body": ECHO},
    {"status": 404, "body": ECHO},
    {"status": 429, "body": ECHO, "times": 9},
    {"status": 500, "body": f"<pre>{TOKEN}</pre>", "times": 9},
    {"status": 200, "body": f"not JSON {TOKEN}", "times": 9},
    {"status": 200, "body": ECHO, "times": 9},
    {"status": 302, "headers": {"Location": "/elsewhere"}},
    {"drop": True, "times": 9},
    {"cut": 0.4},
    {"serve": True, "drop": True},
    {"serve": True, "status": 500, "body": ECHO},
]


@pytest.fixture
def log(tmp_path: Path):
    """Everything that any library logs."""
    handler = logging.FileHandler(tmp_path / "everything.log")
    root = logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    yield
    root.setLevel(level)
    root.removeHandler(handler)
    handler.close()


@pytest.mark.parametrize("runs", [40, pytest.param(200, marks=pytest.mark.proofs)])
def test_no_run_shows_it_anywhere(log, open_standin, pictures: Dataset, tmp_path: Path, runs: int):
    chance = random.Random(1)
    said = (tmp_path / "said.txt").open("w", encoding="utf-8")
    standins = {name: open_standin(name, polls=1) for name in STAND_INS}
    outcomes = {"adapter": 0, "error": 0}
    for number in range(runs // CALLS):
        name = chance.choice([*STAND_INS])
        standin = standins[name]
        _break(standin, name, chance)
        train = Ordering(name, pictures, RunStore(tmp_path / "stores" / str(number)))
        quick = Terms(patience=_shortest(), start=chance.choice(["train", "train", "train", "tell the price"]))
        for _ in range(CALLS):
            outcome = _attempt(train, quick, said)
            outcomes[outcome] += 1
        standin.faults.clear()
    said.close()
    assert min(outcomes.values()) > runs / 5 and sum(outcomes.values()) == runs, outcomes
    requests = [request for standin in standins.values() for request in standin.requests]
    assert len(requests) > runs and any(TOKEN in str(request.headers) for request in requests)
    assert any("signature" in request.query for request in requests), "the search would find both"
    logged = (tmp_path / "everything.log").read_text(encoding="utf-8")
    assert "connect_tcp" in logged and not any(signature in logged for signature in SIGNATURES)
    assert _found(tmp_path) == []


def _break(standin: StandIn, name: str, chance: random.Random) -> None:
    where = chance.choice([STARTING[name], POLLING[name], UPLOADING[name], FETCHING, "GET", "POST"])
    if fault := copy.deepcopy(chance.choice(FAULTS)):
        standin.fail(where, **fault)
    if chance.random() < 0.15:
        standin.fail("", status=401, body=ECHO, times=99)


def _shortest():
    from dataclasses import replace

    return replace(QUICK, tries=2, outage=0.0, poll=0.0, looks=(0.0,), first=0.0)


def _attempt(train: Ordering, quick: Terms, said: Any) -> str:
    outcome = "adapter"
    try:
        said.write(f"{train(terms=quick)!r}\n")
    except WorkbenchError as error:
        outcome = "error"
        said.write("".join(traceback.format_exception(error)))
    said.write(f"{train.events!r}\n")
    return outcome


def _found(folder: Path) -> list[str]:
    """Files with the token, in any form that a library might give it."""
    forms = [TOKEN.encode(), base64.b64encode(TOKEN.encode()), TOKEN.encode("utf-16-le"), TOKEN[4:].encode()]
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert len(files) > 40
    return [str(path) for path in files if any(form in path.read_bytes() for form in forms)]


def test_requests_of_others_are_logged(
    caplog: pytest.LogCaptureFixture, open_standin, pictures: Dataset, tmp_path: Path
):
    standin = open_standin("fal")
    with caplog.at_level("INFO"):
        Ordering("fal", pictures, RunStore(tmp_path / "store"))()
        assert "HTTP Request" not in caplog.text
        httpx.get(f"{standin.url}/download/x", trust_env=False)
    assert "HTTP Request: GET" in caplog.text


@pytest.mark.parametrize("place", ["name", "captions", "graph"])
def test_it_is_refused_where_it_would_get_into_files(open_standin, pictures: Dataset, tmp_path: Path, place: str):
    standin = open_standin("fal")
    dataset = pictures.with_captions([f"zwx {TOKEN}"] * 4) if place == "captions" else pictures
    train = Ordering("fal", dataset, RunStore(tmp_path / "store"))
    graph = Graph(prompt={"note": {"text": TOKEN}}) if place == "graph" else None
    with pytest.raises(ConfigError, match=f"stands in the {'order itself' if place == 'name' else place}") as told:
        train(name=TOKEN if place == "name" else "fox", graph=graph)
    assert TOKEN not in str(told.value) and not standin.requests


def test_a_token_shows_itself_to_nothing():
    token = Token(TOKEN, "the environment variable FAL_KEY")
    assert TOKEN not in f"{token!r} {token} {[token]} {vars(type(token))}"
    for way in (pickle.dumps, copy.deepcopy):
        with pytest.raises(TypeError, match="isn't written anywhere"):
            way(token)
    assert token.header("Key") == f"Key {TOKEN}"
    assert token.hidden_in(f"a{TOKEN}b") == "a[token]b"
