"""The token is nowhere but in the header of requests to the provider: 200 runs with a marked one, and a search."""

from __future__ import annotations

import base64
import copy
import logging
import pickle
import random
import traceback
from pathlib import Path
from typing import Any

import pytest
from hosted_orders import QUICK, Ordering
from hosted_standins import FETCHING, POLLING, STAND_INS, STARTING, TOKEN, UPLOADING, StandIn
from lora_workbench.engine.core.errors import WorkbenchError
from lora_workbench.engine.data.dataset import Dataset
from lora_workbench.engine.remote.terms import Terms
from lora_workbench.engine.remote.tokens import Token
from lora_workbench.engine.runs.store import RunStore

ORDERS, CALLS = 100, 2
"""Each order is given twice, so that the second call goes on where the first one ended."""
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


@pytest.mark.slow
def test_200_runs_show_it_nowhere(log, open_standin, pictures: Dataset, tmp_path: Path):
    chance = random.Random(1)
    said = (tmp_path / "said.txt").open("w", encoding="utf-8")
    standins = {name: open_standin(name, polls=1) for name in STAND_INS}
    outcomes = {"adapter": 0, "error": 0}
    for number in range(ORDERS):
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
    assert outcomes["adapter"] > 40 and outcomes["error"] > 40 and sum(outcomes.values()) == 200, outcomes
    assert sum(len(standin.requests) for standin in standins.values()) > 200
    assert "HTTP Request" in (tmp_path / "everything.log").read_text(encoding="utf-8")
    assert any(TOKEN in str(request.headers) for standin in standins.values() for request in standin.requests), (
        "the search would find it"
    )
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
    assert len(files) > 100
    return [str(path) for path in files if any(form in path.read_bytes() for form in forms)]


def test_a_token_shows_itself_to_nothing():
    token = Token(TOKEN, "the environment variable FAL_KEY")
    assert TOKEN not in f"{token!r} {token} {[token]} {vars(type(token))}"
    for way in (pickle.dumps, copy.deepcopy):
        with pytest.raises(TypeError, match="isn't written anywhere"):
            way(token)
    assert token.header("Key") == f"Key {TOKEN}"
    assert token.hidden_in(f"a{TOKEN}b") == "a[token]b"
