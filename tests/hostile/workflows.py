"""Workflows that are damaged, odd or meant to do harm, by name."""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Iterator
from typing import Any

from canvases import CANVASES

MUTATIONS = 9
"""Of each canvas."""
ODD_VALUES: tuple[Any, ...] = (
    None, True, -1, 0, 2**63, 1e308, float("nan"), float("inf"), "", "x" * 70_000, "\ud800", "\x00", "../../x", "~\x00",
    [], {}, [[]], [None], {"": {}}, [0] * 5000, "LW_LoadDataset", -10, -20, "workflow>x", "#1", "1:1:1",
)  # fmt: skip


def workflows() -> dict[str, bytes]:
    """The contents of all files."""
    found = dict(_handmade())
    for make in CANVASES:
        data = make().data
        for seed in range(MUTATIONS):
            changed = mutated(data, random.Random(f"{make.__name__} {seed}"))
            found[f"{make.__name__} with change {seed}"] = json.dumps(changed).encode()
    return found


def mutated(data: Any, rng: random.Random) -> Any:
    """A copy of a canvas in which up to three values are odd, missing or twice there."""
    changed = copy.deepcopy(data)
    for _ in range(rng.randrange(1, 4)):
        holder, key = rng.choice(list(_places(changed)))
        fate = rng.randrange(4)
        if fate == 0:
            del holder[key]
        elif fate == 1 and isinstance(holder, list):
            holder.append(copy.deepcopy(holder[key]))
        else:
            holder[key] = copy.deepcopy(rng.choice(ODD_VALUES))
    return changed


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every holder and key below a value."""
    inside = (
        list(value.items()) if isinstance(value, dict) else list(enumerate(value)) if isinstance(value, list) else []
    )
    for key, part in list(inside):
        yield value, key
        yield from _places(part)


def _handmade() -> Iterator[tuple[str, bytes]]:
    node = {"class_type": "LW_LoadDataset", "inputs": {"path": "fox", "on_unreadable": "skip"}}
    shown = {"class_type": "LW_PreviewDataset", "inputs": {"dataset": ["1", 0], "columns": 6}}

    def api(**nodes: Any) -> bytes:
        return json.dumps({"1": node, "2": shown} | nodes).encode()

    def with_path(path: Any) -> bytes:
        return api(**{"1": {**node, "inputs": {**node["inputs"], "path": path}}})

    for number, path in enumerate(
        ("", "~", "~\0", "\0", "/", "..", "../" * 60, "x" * 300, "a/" * 3000, "/dev/zero", "/proc/self/mem", "con",
         "\ud800", "file:///etc", "$HOME", "%2e%2e", 7, None, True, [], {}, ["1", 0], ["2", 0], ["9", 0], ["1", -1],
         ["1", 10**30], ["1", "0"], ["1"], float("nan"))
    ):  # fmt: skip
        yield f"path {number}", with_path(path)
    yield from {
        "nothing": b"", "a blank": b" ", "null": b"null", "a number": b"7", "a string": b'"x"', "a list": b"[]",
        "an object": b"{}", "a mark alone": b"\xef\xbb\xbf", "UTF-16 of odd length": b"\xff\xfe{", "zeros": bytes(5000),
        "half": b'{"1": {', "deep lists": b"[" * 100_000, "deep objects": b'{"a":' * 100_000, "a zip": b"PK\x03\x04",
        "deep prompts": b'{"prompt":' * 500 + b"{}" + b"}" * 500, "long digits": b'{"1": ' + b"9" * 6000 + b"}",
        "a picture without a workflow": b"\x89PNG\r\n\x1a\n" + bytes(50), "surrogates": b'{"\\ud800": "\\udfff"}',
        "an adapter of 2^60 bytes": (2**60).to_bytes(8, "little") + b"{}", "twice a node": b'{"1": {}, "1": {}}',
        "nodes of null": b'{"nodes": null, "links": null}', "nodes of numbers": b'{"nodes": [1, 2], "links": [3]}',
        "definitions of a list": b'{"nodes": [], "links": [], "definitions": [1]}', "infinity": b'{"1": Infinity}',
    }.items()  # fmt: skip
    yield "itself", api(**{"1": {**node, "inputs": {"path": ["1", 0], "on_unreadable": "skip"}}})
    yield "a circle", api(**{"1": {"class_type": "LW_EditCaptions", "inputs": {"dataset": ["1", 0]}}})
    yield "an id of 100,000 letters", json.dumps({"x" * 100_000: node, "2": shown}).encode()
    yield "a class of another type", api(**{"3": {"class_type": 7, "inputs": {}}})
    yield "a class of 100,000 letters", api(**{"3": {"class_type": "L" * 100_000, "inputs": {}}})
    yield "inputs of another type", api(**{"3": {"class_type": "LW_PreviewDataset", "inputs": [1]}})
    yield "many nodes", json.dumps({str(n): node for n in range(20_000)} | {"x": shown}).encode()
    yield "columns of 2^70", api(**{"2": {**shown, "inputs": {"dataset": ["1", 0], "columns": 2**70}}})
