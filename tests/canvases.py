"""Canvases as front ends of different ages save them, and what becomes of them in API format.

Tests compare the second with ours; a test in a browser compares it with the front end's own.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

Json = dict[str, Any]
TRIGGER = ["sks", "thing", "a {trigger} {class}", "prepend"]
"""Values of LW_TriggerCaptions."""
ENTRANCE, EXIT = -10, -20
MUTED, BYPASSED = 2, 4


class Canvas(NamedTuple):
    data: Json
    prompt: dict[str, tuple[str, Json]]
    """Id -> (class, inputs)."""


def slot(name: str, kind: str, link: int | None = None, *, widget: bool = False) -> Json:
    return {"name": name, "type": kind, "link": link} | ({"widget": {"name": name}} if widget else {})


def node(node_id: int, kind: str, inputs: Sequence[Json] = (), outputs: Sequence[str] = (), values: Any = (),
         mode: int = 0, **more: Any) -> Json:  # fmt: skip
    gives = [{"name": type_, "type": type_, "links": []} for type_ in outputs]
    return {
        "id": node_id, "type": kind, "pos": [0, 0], "size": [200, 100], "flags": {}, "order": 0, "mode": mode,
        "inputs": list(inputs), "outputs": gives, "properties": {}, "widgets_values": values, **more,
    }  # fmt: skip


def load(node_id: int, path: str = "fox", **more: Any) -> Json:
    return node(node_id, "LW_LoadDataset", outputs=["LW_DATASET"], values=[path, "skip"], **more)


def trigger(node_id: int, link: int | None, *inputs: Json, **more: Any) -> Json:
    slots = [slot("dataset", "LW_DATASET", link), *inputs]
    outputs = ["LW_DATASET", "STRING", "STRING"]
    return node(node_id, "LW_TriggerCaptions", slots, outputs, more.pop("values", TRIGGER), **more)


def preview(node_id: int, link: int | None, *inputs: Json, columns: int = 6, **more: Any) -> Json:
    slots = [slot("dataset", "LW_DATASET", link), *inputs]
    return node(node_id, "LW_PreviewDataset", slots, ["IMAGE"], [columns], **more)


def canvas(nodes: list[Json], links: list[list[Any]], **more: Any) -> Json:
    """In format 0.4, with the outputs' lists of links filled in."""
    by_id = {entry["id"]: entry for entry in nodes}
    for link, origin, output, *_ in links:
        if origin in by_id and output < len(by_id[origin]["outputs"]):
            by_id[origin]["outputs"][output]["links"].append(link)
    return {
        "last_node_id": 100, "last_link_id": 100, "nodes": nodes, "links": links, "groups": [], "config": {},
        "extra": {}, "version": 0.4, **more,
    }  # fmt: skip


def subgraph(name: str, nodes: list[Json], links: list[list[Any]], inputs: list[tuple[str, str]],
             outputs: list[tuple[str, str]]) -> Json:  # fmt: skip
    """A definition; links from -10 and to -20 are those of its own inputs and outputs."""
    flat = canvas(nodes, [link for link in links if link[1] != ENTRANCE])

    def own(slots: list[tuple[str, str]], end: int, side: int) -> list[Json]:
        return [
            {"id": f"{name}-{end}-{place}", "name": slot_name, "type": kind,
             "linkIds": [link[0] for link in links if link[side] == end and link[side + 1] == place]}
            for place, (slot_name, kind) in enumerate(slots)
        ]  # fmt: skip

    return {
        "id": name, "name": name.title(), "version": 1, "revision": 0, "config": {}, "groups": [], "extra": {},
        "state": {"lastGroupId": 0, "lastNodeId": 100, "lastLinkId": 100, "lastRerouteId": 0},
        "inputNode": {"id": ENTRANCE, "bounding": [0, 0, 100, 100]},
        "outputNode": {"id": EXIT, "bounding": [500, 0, 100, 100]},
        "inputs": own(inputs, ENTRANCE, 1), "outputs": own(outputs, EXIT, 3), "widgets": [], "nodes": flat["nodes"],
        "links": [dict(zip(LINK, link, strict=True)) for link in links],
    }  # fmt: skip


LINK = ("id", "origin_id", "origin_slot", "target_id", "target_slot", "type")
STUDIO = "0f2b1a52-7c7f-4f5e-9d39-3b7c1c2d4e01"
OUTER = "0f2b1a52-7c7f-4f5e-9d39-3b7c1c2d4e02"


def studio() -> Json:
    """A subgraph that captions a data set and shows it; its trigger word and columns are widgets of each instance."""
    return subgraph(
        STUDIO,
        [
            trigger(31, 51, slot("trigger_word", "STRING", 52, widget=True)),
            preview(32, 53, slot("columns", "INT", 54, widget=True)),
        ],
        [
            [51, ENTRANCE, 0, 31, 0, "LW_DATASET"],
            [52, ENTRANCE, 1, 31, 1, "STRING"],
            [53, 31, 0, 32, 0, "LW_DATASET"],
            [54, ENTRANCE, 2, 32, 1, "INT"],
            [55, 31, 0, EXIT, 0, "LW_DATASET"],
        ],
        [("dataset", "LW_DATASET"), ("trigger_word", "STRING"), ("columns", "INT")],
        [("LW_DATASET", "LW_DATASET")],
    )


def instance(node_id: int, link: int | None, values: list[Any], kind: str = STUDIO, **more: Any) -> Json:
    slots = [
        slot("dataset", "LW_DATASET", link), slot("trigger_word", "STRING", widget=True),
        slot("columns", "INT", widget=True),
    ]  # fmt: skip
    return node(node_id, kind, slots, ["LW_DATASET"], values, **more)


def loaded(path: str = "fox") -> tuple[str, Json]:
    return "LW_LoadDataset", {"path": path, "on_unreadable": "skip", "uncaptioned": "no caption"}


def captioned(source: str, word: str = "sks", kind: str = "thing") -> tuple[str, Json]:
    inputs = {"trigger_word": word, "class_word": kind, "template": TRIGGER[2], "mode": "prepend", "folders": ""}
    return "LW_TriggerCaptions", {"dataset": [source, 0], **inputs}


def shown(source: str, columns: int = 6) -> tuple[str, Json]:
    return "LW_PreviewDataset", {"dataset": [source, 0], "columns": columns}


def two_instances() -> Canvas:
    nodes = [load(1), instance(2, 1, ["zwx", 3]), instance(3, 2, ["ohwx", 4]), preview(4, 3)]
    links = [[1, 1, 0, 2, 0, "LW_DATASET"], [2, 2, 0, 3, 0, "LW_DATASET"], [3, 3, 0, 4, 0, "LW_DATASET"]]
    return Canvas(
        canvas(nodes, links, definitions={"subgraphs": [studio()]}),
        {
            "1": loaded(),
            "2:31": captioned("1", "zwx"),
            "2:32": shown("2:31", 3),
            "3:31": captioned("2:31", "ohwx"),
            "3:32": shown("3:31", 4),
            "4": shown("3:31"),
        },
    )


def instance_without_values() -> Canvas:
    nodes = [load(1), instance(2, 1, [])]
    data = canvas(nodes, [[1, 1, 0, 2, 0, "LW_DATASET"]], definitions={"subgraphs": [studio()]})
    return Canvas(data, {"1": loaded(), "2:31": captioned("1"), "2:32": shown("2:31")})


def linked_widget_of_an_instance() -> Canvas:
    """A link into an instance wins over the value that it shows."""
    word = node(5, "LW_TriggerWord", [], ["STRING", "STRING", "STRING"], ["zwx", "fox"])
    inner = instance(2, 1, ["unused", 3])
    inner["inputs"][1]["link"] = 2
    links = [[1, 1, 0, 2, 0, "LW_DATASET"], [2, 5, 0, 2, 1, "STRING"]]
    data = canvas([load(1), word, inner], links, definitions={"subgraphs": [studio()]})
    captions = captioned("1")
    captions[1]["trigger_word"] = ["5", 0]
    prompt = {"1": loaded(), "5": ("LW_TriggerWord", {"trigger_word": "zwx", "class_word": "fox"})}
    return Canvas(data, {**prompt, "2:31": captions, "2:32": shown("2:31", 3)})


def promoted_as_front_ends_did_before_1_40() -> Canvas:
    promoted = [["31", "class_word"], ["32", "columns"], ["31", "trigger_word"]]
    inner = instance(2, 1, ["fox", 2, "zwx"], properties={"proxyWidgets": promoted})
    data = canvas([load(1), inner], [[1, 1, 0, 2, 0, "LW_DATASET"]], definitions={"subgraphs": [studio()]})
    return Canvas(data, {"1": loaded(), "2:31": captioned("1", "zwx", "fox"), "2:32": shown("2:31", 2)})


def nested() -> Canvas:
    """An instance in an instance; the value of the inner widget shows on the outer one."""
    middle = instance(41, 61, ["inner", 5])
    middle["inputs"][1]["link"] = 62
    around = subgraph(
        OUTER,
        [middle, preview(42, 63)],
        [
            [61, ENTRANCE, 0, 41, 0, "LW_DATASET"],
            [62, ENTRANCE, 1, 41, 1, "STRING"],
            [63, 41, 0, 42, 0, "LW_DATASET"],
            [64, 41, 0, EXIT, 0, "LW_DATASET"],
        ],
        [("dataset", "LW_DATASET"), ("word", "STRING")],
        [("LW_DATASET", "LW_DATASET")],
    )
    slots = [slot("dataset", "LW_DATASET", 1), slot("word", "STRING", widget=True)]
    nodes = [load(1), node(2, OUTER, slots, ["LW_DATASET"], ["zwx"]), preview(3, 2)]
    links = [[1, 1, 0, 2, 0, "LW_DATASET"], [2, 2, 0, 3, 0, "LW_DATASET"]]
    return Canvas(
        canvas(nodes, links, definitions={"subgraphs": [around, studio()]}),
        {
            "1": loaded(),
            "2:41:31": captioned("1", "zwx"),
            "2:41:32": shown("2:41:31", 5),
            "2:42": shown("2:41:31"),
            "3": shown("2:41:31"),
        },
    )


def bypassed_instance() -> Canvas:
    nodes = [load(1), instance(2, 1, ["zwx", 3], mode=BYPASSED), preview(3, 2)]
    links = [[1, 1, 0, 2, 0, "LW_DATASET"], [2, 2, 0, 3, 0, "LW_DATASET"]]
    data = canvas(nodes, links, definitions={"subgraphs": [studio()]})
    return Canvas(data, {"1": loaded(), "3": shown("1")})


def muted_instance() -> Canvas:
    nodes = [load(1), instance(2, 1, ["zwx", 3], mode=MUTED), preview(3, 1)]
    links = [[1, 1, 0, 2, 0, "LW_DATASET"], [2, 1, 0, 3, 0, "LW_DATASET"]]
    nodes[2]["inputs"][0]["link"] = 2
    data = canvas(nodes, links, definitions={"subgraphs": [studio()]})
    return Canvas(data, {"1": loaded(), "3": shown("1")})


def bypassed_by_type() -> Canvas:
    """A training bypassed gives no adapter, and captions bypassed give the data set and a text."""
    word = node(5, "LW_TriggerWord", [], ["STRING", "STRING", "STRING"], ["zwx", "fox"])
    captions = trigger(2, 1, slot("trigger_word", "STRING", 2, widget=True), mode=BYPASSED)
    edited = node(6, "LW_TriggerCaptions", [
        slot("dataset", "LW_DATASET", 3), slot("class_word", "STRING", 4, widget=True),
    ], ["LW_DATASET", "STRING", "STRING"], TRIGGER)  # fmt: skip
    links = [
        [1, 1, 0, 2, 0, "LW_DATASET"],
        [2, 5, 1, 2, 1, "STRING"],
        [3, 2, 0, 6, 0, "LW_DATASET"],
        [4, 2, 1, 6, 2, "STRING"],
        [5, 6, 0, 7, 0, "LW_DATASET"],
    ]
    last = captioned("1")
    last[1]["class_word"] = ["5", 1]
    prompt = {"1": loaded(), "5": ("LW_TriggerWord", {"trigger_word": "zwx", "class_word": "fox"})}
    data = canvas([load(1), word, captions, edited, preview(7, 5)], links)
    return Canvas(data, {**prompt, "6": last, "7": shown("6")})


def muted_source_of_a_widget() -> Canvas:
    word = node(5, "LW_TriggerWord", [], ["STRING", "STRING", "STRING"], ["zwx", "fox"], mode=MUTED)
    captions = trigger(2, 1, slot("trigger_word", "STRING", 2, widget=True))
    links = [[1, 1, 0, 2, 0, "LW_DATASET"], [2, 5, 0, 2, 1, "STRING"]]
    return Canvas(canvas([load(1), word, captions], links), {"1": loaded(), "2": captioned("1")})


def reroutes_and_a_primitive() -> Canvas:
    number = node(5, "PrimitiveNode", [], ["INT"], [9, "fixed"])
    number["outputs"][0]["widget"] = {"name": "columns"}
    nodes = [
        load(1), node(2, "Reroute", [slot("", "*", 1)], ["LW_DATASET"]),
        node(3, "Reroute", [slot("", "*", 2)], ["LW_DATASET"]), number,
        preview(4, 3, slot("columns", "INT", 4, widget=True), columns=9), node(8, "Note", values=["text"]),
        node(9, "MarkdownNote", values=["text"]),
    ]  # fmt: skip
    links = [
        [1, 1, 0, 2, 0, "LW_DATASET"],
        [2, 2, 0, 3, 0, "LW_DATASET"],
        [3, 3, 0, 4, 0, "LW_DATASET"],
        [4, 5, 0, 4, 1, "INT"],
    ]
    return Canvas(canvas(nodes, links), {"1": loaded(), "4": shown("1", 9)})


def straight_through() -> Canvas:
    """A subgraph that leads an input to a node and to its own widget in two places: the first one's value counts."""
    definition = subgraph(
        STUDIO,
        [
            preview(31, 51, slot("columns", "INT", 53, widget=True), columns=7),
            preview(32, 52, slot("columns", "INT", 54, widget=True), columns=8),
        ],
        [
            [51, ENTRANCE, 0, 31, 0, "LW_DATASET"],
            [52, ENTRANCE, 0, 32, 0, "LW_DATASET"],
            [54, ENTRANCE, 1, 32, 1, "INT"],
            [53, ENTRANCE, 1, 31, 1, "INT"],
            [55, 31, 0, EXIT, 0, "IMAGE"],
        ],
        [("dataset", "LW_DATASET"), ("columns", "INT")],
        [("IMAGE", "IMAGE")],
    )
    slots = [slot("dataset", "LW_DATASET", 1), slot("columns", "INT", widget=True)]
    data = canvas(
        [load(1), node(2, STUDIO, slots, ["IMAGE"], [])],
        [[1, 1, 0, 2, 0, "LW_DATASET"]],
        definitions={"subgraphs": [definition]},
    )
    return Canvas(data, {"1": loaded(), "2:31": shown("1", 8), "2:32": shown("1", 8)})


def left_out_inputs() -> Canvas:
    """Queued workflows hold only those widgets' inputs that are linked, so that places shift."""
    word = node(5, "LW_TriggerWord", [], ["STRING", "STRING", "STRING"], ["zwx", "fox"])
    captions = trigger(2, 1, slot("template", "STRING", 2, widget=True))
    links = [[1, 1, 0, 2, 0, "LW_DATASET"], [2, 5, 2, 2, 1, "STRING"]]
    last = captioned("1")
    last[1]["template"] = ["5", 2]
    prompt = {"1": loaded(), "5": ("LW_TriggerWord", {"trigger_word": "zwx", "class_word": "fox"})}
    return Canvas(canvas([load(1), word, captions], links), {**prompt, "2": last})


def links_that_disagree() -> Canvas:
    """The input's own link counts: here link 1 says that it ends elsewhere, and link 2 ends where nothing knows it."""
    nodes = [load(1), load(2, "cat"), preview(3, 1), preview(4, 3)]
    links = [[1, 1, 0, 4, 0, "LW_DATASET"], [2, 2, 0, 3, 0, "LW_DATASET"], [3, 2, 0, 4, 0, "LW_DATASET"]]
    return Canvas(
        canvas(nodes, links), {"1": loaded(), "2": loaded("cat"), "3": shown("1"), "4": shown("2")}
    )  # fmt: skip


def format_1() -> Canvas:
    """Links are objects, and reroutes are part of the links."""
    data, prompt = two_instances()
    links = [dict(zip(LINK, link, strict=True)) for link in data["links"]]
    links[0]["parentId"] = 1
    reroutes = [{"id": 1, "pos": [5, 5], "linkIds": [1]}]
    state = {"lastGroupId": 0, "lastNodeId": 100, "lastLinkId": 100, "lastRerouteId": 1}
    return Canvas({**data, "version": 1, "links": links, "reroutes": reroutes, "state": state}, prompt)


def group_node(separator: str = ">", word_link: int | None = None) -> Canvas:
    """A trigger and its preview as one node, with the trigger word converted to an input."""
    inner = [
        trigger(21, None, slot("trigger_word", "STRING", widget=True)) | {"index": 0},
        preview(22, None) | {"index": 1},
    ]
    group = {"nodes": inner, "links": [[0, 0, 1, 0, 21, "LW_DATASET"]], "external": [[0, 0, "LW_DATASET"]]}
    word = node(5, "LW_TriggerWord", [], ["STRING", "STRING", "STRING"], ["zwx", "fox"])
    slots = [slot("dataset", "LW_DATASET", 1), slot("trigger_word", "STRING", word_link, widget=True)]
    outputs = ["LW_DATASET", "STRING", "STRING", "IMAGE"]
    values = ["dog", "a {class}", "append", "", 4, "sks"]
    links = [[1, 1, 0, 2, 0, "LW_DATASET"], [3, 2, 0, 3, 0, "LW_DATASET"]]
    links += [[word_link, 5, 0, 2, 1, "STRING"]] if word_link else []
    data = canvas(
        [load(1), word, node(2, f"workflow{separator}Caption", slots, outputs, values), preview(3, 3)],
        links,
        extra={"groupNodes": {"Caption": group}},
    )
    captions = captioned("1", kind="dog")
    captions[1].update(template="a {class}", mode="append")
    if word_link:
        captions[1]["trigger_word"] = ["5", 0]
    prompt = {"1": loaded(), "5": ("LW_TriggerWord", {"trigger_word": "zwx", "class_word": "fox"})}
    return Canvas(data, {**prompt, "2:0": captions, "2:1": shown("2:0", 4), "3": shown("2:0")})


def older_group_node() -> Canvas:
    return group_node("/")


def group_node_with_a_linked_widget() -> Canvas:
    return group_node(word_link=2)


def group_with_a_seed() -> Canvas:
    """A seed has a value more, for what happens to it after each run; two equal names get a prefix."""
    edit = ["", "", False, "", "", "", "", True, 1, 7, "randomize", "", ""]
    slots = [slot("dataset", "LW_DATASET")]
    outputs = ["LW_DATASET", "STRING", "STRING"]
    inner = [
        node(21, "LW_EditCaptions", slots, outputs, edit, title="First") | {"index": 0},
        node(22, "LW_EditCaptions", slots, outputs, edit, title="Second") | {"index": 1},
    ]
    group = {"nodes": inner, "links": [[0, 0, 1, 0, 21, "LW_DATASET"]], "external": []}
    first = ["a", "b", False, "", "", "", "", True, 1, 11, "fixed", "", ""]
    second = ["c", "d", True, "", "", "", "", False, 2, 12, "increment", "x", ";"]
    data = canvas(
        [load(1), node(2, "workflow>Edit", [slot("dataset", "LW_DATASET", 1)], outputs, [*first, *second])],
        [[1, 1, 0, 2, 0, "LW_DATASET"]],
        extra={"groupNodes": {"Edit": group}},
    )
    names = ["find", "replace_with", "regex", "remove", "add", "prefix", "suffix", "shuffle", "keep", "seed"]

    def edited(source: str, values: list[Any]) -> tuple[str, Json]:
        named = dict(zip(names, values, strict=False))
        return "LW_EditCaptions", {"dataset": [source, 0], **named, "overrides": values[-2], "separator": values[-1]}

    return Canvas(data, {"1": loaded(), "2:0": edited("1", first), "2:1": edited("2:0", second)})


CANVASES = [
    two_instances, instance_without_values, linked_widget_of_an_instance, promoted_as_front_ends_did_before_1_40,
    nested, bypassed_instance, muted_instance, bypassed_by_type, muted_source_of_a_widget, reroutes_and_a_primitive,
    straight_through, left_out_inputs, links_that_disagree, format_1, group_node, older_group_node, group_with_a_seed,
]  # fmt: skip
OLD_CANVASES = [group_node_with_a_linked_widget]
"""Those that front ends had another view of when they could still make them: newer ones lose this link."""
