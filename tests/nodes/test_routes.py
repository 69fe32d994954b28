"""What every route keeps to."""

from __future__ import annotations

import json
from pathlib import Path

import lora_workbench
import pytest
from lora_workbench.engine.core.errors import DatasetError
from lora_workbench.nodes.host.headless import HeadlessHost
from lora_workbench.nodes.routes import ROUTES
from lora_workbench.nodes.routes.table import PREFIX, Asked, Route, json_answer

DOCUMENT = Path(lora_workbench.__file__).parent / "docs" / "routes.md"


def test_each_has_an_address_of_its_own_and_a_row_in_the_document() -> None:
    names = [f"{route.method} {route.path.removeprefix(PREFIX)}" for route in ROUTES]
    assert len(set(names)) == len(names)
    assert all(route.path.startswith(PREFIX) for route in ROUTES)
    text = DOCUMENT.read_text(encoding="utf-8")
    assert [name for name in names if f"`{name}`" not in text] == []


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{route.method} {route.path}")
def test_nonsense_is_answered_without_an_exception(route: Route, host: HeadlessHost) -> None:
    del host
    for asked in (
        Asked(),
        Asked({"name": "../../etc/passwd", "run": "../x", "token": "\0", "from": "-1", "count": "x"}),
    ):
        assert route.answer(asked).status < 500
    odd = Asked(body={"rows": 7, "node": [], "name": None, "settings": {}, "note": 3, "run": "../x"})
    assert route.answer(odd).status < 500


def test_errors_say_what_to_do() -> None:
    def act(asked: Asked) -> None:
        raise DatasetError("no", expected="yes", hint="try")

    answer = Route("GET", f"{PREFIX}x", act).answer(Asked())  # type: ignore[arg-type]
    told = json.loads(answer.content)["error"]
    assert (answer.status, told["got"], told["expected"], told["hint"]) == (400, "no", "yes", "try")


def test_whole_numbers_are_bounded() -> None:
    asked = Asked({"a": "7", "b": "900", "c": "-3", "d": "1e9", "e": "٣"})
    assert [asked.whole(name, 5, 200) for name in "abcdef"] == [7, 200, 5, 5, 5, 5]
    assert json_answer({"a": 1}).content == b'{"a": 1}'
