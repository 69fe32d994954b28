"""Workflows that are broken, odd or made to do harm: an error in words, and nothing written outside.

Each is run by the command line with our real nodes. None asks for a training, so each ends at once.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from canvases import CANVASES, Canvas, canvas, instance, load, node, preview, slot, studio, subgraph
from hostile.mutations import mutations
from lora_workbench.cli import main as cli
from workspace import plain_pictures

DONE, FAILED, REFUSED = 0, 1, 2
Json = dict[str, Any]


def shown(**changes: Any) -> Json:
    """A data set that is previewed, with other inputs, each named ``node__input``."""
    graph: Json = {
        "a": {"class_type": "LW_LoadDataset", "inputs": {"path": "pictures", "on_unreadable": "skip"}},
        "b": {"class_type": "LW_PreviewDataset", "inputs": {"dataset": ["a", 0], "columns": 6}},
    }
    for address, value in changes.items():
        name, input_name = address.split("__")
        graph[name]["inputs"][input_name] = value
    return graph


def of_canvas(**changes: Any) -> Json:
    """A canvas with the same two nodes, with other parts."""
    nodes = [load(1, "pictures"), preview(2, 1)]
    return {**canvas(nodes, [[1, 1, 0, 2, 0, "LW_DATASET"]]), **changes}


def with_node(place: int, **changes: Any) -> Json:
    data = of_canvas()
    data["nodes"][place] |= changes
    return data


def deep(levels: int, opened: str = "[", closed: str = "]") -> str:
    return opened * levels + "1" + closed * levels


def self_containing() -> Json:
    inner = studio()
    inner["nodes"].append(instance(33, None, [], kind=inner["id"]))
    return canvas([load(1, "pictures"), instance(2, None, [])], [], definitions={"subgraphs": [inner]})


def chain_of_subgraphs(levels: int, copies: int = 1) -> Json:
    """Each subgraph holds ``copies`` of the next one."""
    definitions = [
        subgraph(f"s{level}", [node(n, f"s{level + 1}") for n in range(copies)], [], [], []) for level in range(levels)
    ]
    definitions.append(subgraph(f"s{levels}", [load(1, "pictures")], [], [], []))
    return canvas([node(1, "s0")], [], definitions={"subgraphs": definitions})


def reroutes(count: int, *, circle: bool = False) -> Json:
    nodes = [load(1, "pictures"), preview(2, count)]
    nodes += [node(n + 3, "Reroute", [slot("", "*", n)], ["*"]) for n in range(count)]
    links = [[0, 1, 0, 3, 0, "*"], *([n + 1, n + 3, 0, n + 4, 0, "*"] for n in range(count))]
    if circle:
        links[0] = [0, count + 2, 0, 3, 0, "*"]
    return canvas(nodes, links)


WRONG: list[Any] = [None, True, 0, -1, 1e308, "text", "\x00", "\ud800", [], [[]], [None], {}, {"a": {}}, "9" * 300]
"""Values where something else is expected."""

REFUSED_TEXTS = {
    "nothing": "", "spaces": "  \n", "a number": "7", "a text": '"x"', "null": "null", "a list": "[]",
    "an object": "{}",
    "half an object": '{"nodes": [', "a comment": '{"a": 1} // b', "single quotes": "{'nodes': []}", "zeros": "\0" * 99,
    "many brackets": deep(100_000), "many objects": deep(50_000, '{"a":', "}"), "201 levels": deep(201),
    "a deep widget": json.dumps(shown()).replace("6", deep(300)), "a web page": "<!DOCTYPE html><html></html>",
    "a number of 5000 digits": json.dumps(shown()).replace("6", "9" * 5000),
    "infinity": json.dumps(shown(b__columns=1e999)),
    "not a number": json.dumps(shown(b__columns=float("nan"))), "an id twice": '{"1": {"class_type": "T"}, "1": {}}',
    "a key twice": json.dumps(shown())[:-1] + ', "a": {"class_type": "LW_LoadDataset"}}', "a picture's prompt": "a fox",
    "an archive": "PK\x03\x04 and more", "yaml": "nodes:\n  - id: 1\n",
}  # fmt: skip

REFUSED_GRAPHS: dict[str, Any] = {
    "no class": {"1": {"inputs": {}}}, "a class that is a number": {"1": {"class_type": 5}},
    "inputs that are a list": {"1": {"class_type": "LW_LoadDataset", "inputs": []}},
    "a node that is a text": {**shown(), "c": "text"}, "an unknown node": {"1": {"class_type": "LW_Nothing"}},
    "a class of 100000 characters": {"1": {"class_type": "LW_" + "x" * 100_000}},
    "a missing source": shown(b__dataset=["gone", 0]), "an output too many": shown(b__dataset=["a", 5]),
    "a negative output": shown(b__dataset=["a", -1]), "an output of 300 digits": shown(b__dataset=["a", 10**300]),
    "a source of another type": shown(b__dataset=["b", 0]), "a circle": shown(a__path=["b", 0]),
    "a node that needs itself": shown(b__columns=["b", 0]), "a huge number": shown(b__columns=10**300),
    "a float beyond floats": shown(b__columns=1e308), "a wrapped link": shown(b__dataset={"__value__": ["a", 0]}),
    "no output": {"a": shown()["a"]}, "wrappers without end": {"prompt": {"prompt": {"prompt": {"prompt": {}}}}},
    "a history of nothing": {"id": {"prompt": []}}, "a history of numbers": {"id": {"prompt": [1, 2, 3]}},
    "20000 unknown nodes": {str(n): {"class_type": "LW_Nothing"} for n in range(20_000)},
    "a circle of 5000": {str(n): {"class_type": "LW_TriggerCaptions", "inputs": {"dataset": [str((n + 1) % 5000), 0]}}
                         for n in range(5000)} | {"b": shown(b__dataset=["7", 0])["b"]},
    "nodes that are an object": {"nodes": {}}, "nodes that are null": {"nodes": [None]},
    "a node without a type": with_node(0, type=None), "a node of type 5": with_node(0, type=5),
    "two nodes of one id": with_node(0, id=2), "an id that is a list": with_node(0, id=[1]),
    "an id that is a switch": with_node(0, id=True), "inputs that are a text": with_node(1, inputs="dataset"),
    "an input that is a number": with_node(1, inputs=[5]), "outputs that are a text": with_node(0, outputs="x"),
    "links that are a text": of_canvas(links="1"), "definitions that are a list": of_canvas(definitions=[1]),
    "definitions that are a text": of_canvas(definitions="x"),
    "definitions that are a number": of_canvas(definitions=5),
    "subgraphs that are an object": of_canvas(definitions={"subgraphs": {"a": 1}}),
    "a subgraph that is a number": of_canvas(definitions={"subgraphs": [1]}),
    "a subgraph without an id": of_canvas(definitions={"subgraphs": [{"nodes": []}]}),
    "a subgraph with an id that is a list": of_canvas(definitions={"subgraphs": [{"id": [], "nodes": []}]}),
    "a subgraph whose nodes are a text": of_canvas(definitions={"subgraphs": [{"id": "s", "nodes": "x"}]}),
    "a subgraph whose inputs are a number": of_canvas(definitions={"subgraphs": [{"id": "s", "inputs": 5}]}),
    "a subgraph that contains itself": self_containing(), "1001 nested subgraphs": chain_of_subgraphs(1001),
    "a million nodes in subgraphs": chain_of_subgraphs(6, 10), "10 to the 60th nodes": chain_of_subgraphs(20, 1000),
    "a group that isn't there": {**of_canvas(), "extra": {"groupNodes": {}},
                                 "nodes": [node(1, "workflow>gone")]},
    "a group that is a text": {**of_canvas(), "extra": {"groupNodes": {"g": "x"}}, "nodes": [node(1, "workflow>g")]},
    "a group of a group": {**of_canvas(), "extra": {"groupNodes": {"g": {"nodes": [{"type": "workflow>g"}]}}},
                           "nodes": [node(1, "workflow/g")]},
    "a group whose links lead nowhere": {**of_canvas(), "nodes": [node(1, "workflow/g")],
                                         "extra": {"groupNodes": {"g": {"nodes": [], "links": [[5, 0, 6, 0]]}}}},
    "reroutes in a circle": reroutes(5, circle=True), "only notes": canvas([node(1, "Note")], []),
    "everything muted": canvas([load(1, mode=2), preview(2, None, mode=2)], []),
    "100001 nodes": {"nodes": [{"id": n, "type": "X"} for n in range(100_001)]},
    "a name of 300 characters": shown(a__path="x" * 300), "a path of 9000 characters": shown(a__path="x/" * 4500),
    "a zero character after the home folder": shown(a__path="~\0"), "a zero character": shown(a__path="\0"),
    "half an emoji as path": shown(a__path="\ud83e"), "a path out": shown(a__path="../../etc"),
    "a device": shown(a__path="/dev/zero"), "an unknown user": shown(a__path="~nobody-here/x"),
    "terminal sequences": shown(a__path="\x1b[2J\x1b]0;x\x07"), "an unknown choice": shown(a__on_unreadable="explode"),
}  # fmt: skip

DONE_GRAPHS: dict[str, Any] = {
    "1.0 for 1": shown(b__columns=3.0), "a number as text": shown(b__columns="3"),
    "an input too many": shown(b__speak_and_recognition=[False, True]),
    "a foreign node beside": {**shown(), "k": {"class_type": "KSampler", "inputs": {"x": ["a", 0]}}},
    "a title that is a number": {**shown(), "a": {**shown()["a"], "_meta": {"title": 5}}},
    "a title of half an emoji": {**shown(), "a": {**shown()["a"], "_meta": {"title": "\ud83e"}}},
    "a title with terminal sequences": {**shown(), "b": {**shown()["b"], "_meta": {"title": "\x1b[2J"}}},
    "links that are null": of_canvas(links=[None, [1, 1, 0, 2, 0, "X"], [], [1], "x", 5, {"id": 3}]),
    "links as a mapping": of_canvas(links={"1": {"id": 1, "origin_id": 1, "origin_slot": 0, "target_id": 2,
                                                 "target_slot": 0}}),
    "links with texts for numbers": of_canvas(links=[["1", "1", "0", "2", "0", "X"]]),
    "a node that is an id in text": with_node(0, id="1"), "an id that is 1.0": with_node(0, id=1.0),
    "properties that are a list": with_node(0, properties=[]), "a mode that is a text": with_node(0, mode="x"),
    "values that are a number": with_node(1, widgets_values=5),
    "values that are null": with_node(1, widgets_values=None),
    "nested values": with_node(1, widgets_values=[6, [[[]]], {"a": {}}]), "extra that is a list": of_canvas(extra=[]),
    "5000 reroutes": reroutes(5_000), "999 nested subgraphs beside": {
        **chain_of_subgraphs(999), "nodes": [*of_canvas()["nodes"], node(9, "s0")], "links": of_canvas()["links"]},
    "no version": {"nodes": of_canvas()["nodes"], "links": of_canvas()["links"]},
    "proxies that are nonsense": canvas(
        [load(1, "pictures"), preview(3, 2),
         instance(2, 1, ["a"], properties={"proxyWidgets": [5, [], ["x"], [1, 2]]})],
        [[1, 1, 0, 2, 0, "X"], [2, 2, 0, 3, 0, "X"]], definitions={"subgraphs": [studio()]}),
}  # fmt: skip


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Callable[..., Any]:
    """Runs a file; gives the exit status and the JSON line, after checking what holds for every file."""
    inside = tmp_path / "inside"
    inside.mkdir()
    plain_pictures(inside / "pictures")
    monkeypatch.chdir(inside)

    def command(content: str | bytes, name: str = "workflow.json") -> tuple[int, Json]:
        path = inside / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        before = everything(tmp_path)
        status = cli.main(["run", str(path), "--output", str(inside / "out"), "--json"])
        out, errors = capfd.readouterr()
        assert len(out.splitlines()) == 1
        result = json.loads(out)
        assert {"status", "seconds", "adapters", "images", "reports", "cached_nodes"} <= result.keys()
        assert (result["status"] == "ok") == (status == DONE)
        assert "Traceback" not in errors
        assert not [c for c in errors + out if not c.isprintable() and c not in "\r\n\t"]
        new = {p for p in everything(tmp_path) - before if not p.is_relative_to(inside / "out")}
        assert not new
        return status, result

    return command


def everything(folder: Path) -> set[Path]:
    return set(folder.rglob("*"))


@pytest.mark.parametrize("name", REFUSED_TEXTS)
def test_what_is_no_workflow_is_refused_in_words(name: str, run) -> None:
    status, result = run(REFUSED_TEXTS[name])
    assert status == REFUSED
    assert "What to do: " in result["error"]


@pytest.mark.parametrize("name", REFUSED_GRAPHS)
def test_broken_graphs_are_refused_in_words(name: str, run) -> None:
    status, result = run(json.dumps(REFUSED_GRAPHS[name]))
    assert status == REFUSED
    assert "What to do: " in result["error"]
    assert len(result["error"]) < 300_000


@pytest.mark.parametrize("name", DONE_GRAPHS)
def test_odd_graphs_run(name: str, run) -> None:
    status, result = run(json.dumps(DONE_GRAPHS[name]))
    assert status == DONE, result["error"]


@pytest.mark.parametrize("place", range(len(WRONG)))
@pytest.mark.parametrize("address", ["a__path", "a__on_unreadable", "b__columns", "b__dataset"])
def test_any_value_in_any_input_ends_in_words(address: str, place: int, run) -> None:
    status, result = run(json.dumps(shown(**{address: WRONG[place]})))
    assert status == REFUSED
    assert result["error"]


@pytest.mark.parametrize("make", CANVASES, ids=lambda make: make.__name__)
def test_canvases_with_odd_values_end_in_words(make: Callable[[], Canvas], run) -> None:
    plain_pictures(Path("fox"))
    for mutant in islice(mutations(make().data, seed=9), 9):
        status, result = run(json.dumps(mutant))
        assert status == DONE or result["error"]


BOMBS = {
    "20 MB of brackets": "b'[' + b'[],' * (6 * 2**20) + b'[]]'",
    "20 MB of objects": "b'[' + b'{\"\":0},' * (29 * 2**20 // 10) + b'{}]'",
    "20 MB of nodes": "b'{\"nodes\":[' + b','.join(b'{\"id\":%d,\"type\":\"X\"}' % n for n in range(90000)) + b']}'",
    "30 MB of spaces": "b' ' * (30 * 2**20)",
    "UTF-16": "json.dumps({'nodes': [{'id': 1, 'type': 'x' * (9 * 2**20)}]}).encode('utf-16')",
}
MEASURED = """
import json
from hostile.looking import most_memory
from lora_workbench.cli.main import main
open("bomb.json", "wb").write({content})
status = main(["run", "bomb.json", "--output", "out", "--json"])
print(json.dumps([status, int(most_memory()) / 2**20]))
"""


@pytest.mark.parametrize("name", BOMBS)
def test_large_files_take_bounded_memory(name: str, tmp_path: Path) -> None:
    code = MEASURED.replace("{content}", BOMBS[name])
    environment = {"PYTHONPATH": ":".join(sys.path), "PATH": ""}
    told = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120,
        check=True,
    )  # fmt: skip
    status, gigabytes = json.loads(told.stdout.splitlines()[-1])
    assert status == REFUSED
    assert gigabytes < 1.5
    assert "Traceback" not in told.stderr
