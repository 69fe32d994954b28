"""A batch as prompts in ComfyUI's API format: somebody's own graph, once for each picture, with plain inputs."""

from __future__ import annotations

import copy
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..adapters.adapter import Adapter
from ..core.errors import WorkflowError
from ..core.hashing import value_hash
from .jobs import Job

Graph = dict[str, dict[str, Any]]
"""Node id -> ``class_type`` and ``inputs``, of which links are ``[node id, output]``."""
Address = tuple[str, str]
"""Node id and input."""
FileOf = Callable[[Adapter], str]
"""The name by which ComfyUI's loaders find an adapter's file."""

_SAMPLER = {"steps", "cfg", "positive", "negative", "latent_image"}
_LOADER = {"lora_name", "strength_model", "model"}


@dataclass(frozen=True)
class Item:
    """One picture."""

    name: str
    """For files."""
    graph: Graph
    values: Mapping[str, Any]
    """What of the job went into the graph: field of the job -> value."""
    adapters: tuple[tuple[str, float, float], ...]
    """File, weight and text encoder's weight of each."""


def items(graph: Graph, jobs: Sequence[Job], given: Collection[str], file_of: FileOf) -> list[Item]:
    """The graph for each job, those alike once.

    Args:
        graph: in API format, with one sampler and, if jobs have adapters, one loader of a LoRA, in whose place as many
            are put as a job has. Without any adapter in the batch it stays as it is.
        jobs: what to draw.
        given: fields of jobs that are put into the graph; others stay as they are there.
        file_of: names adapters.

    Raises:
        WorkflowError: the graph has no place for something that is given.
    """
    places = _Places(graph)
    addresses = {name: places.of(name) for name in sorted(given)}
    found: dict[str, Item] = {}
    has_adapters = any(job.stack.active() for job in jobs)
    for job in jobs:
        made, values = copy.deepcopy(graph), {name: getattr(job, name) for name in addresses}
        for name, (node, entry) in addresses.items():
            made[node]["inputs"][entry] = values[name]
        adapters = [(file_of(e.adapter), e.weight, e.text_encoder_weight) for e in job.stack.active()]
        made = places.with_adapters(made, adapters) if has_adapters else made
        key = value_hash(made)
        for node in places.savers:
            made[node]["inputs"]["filename_prefix"] = job.file_name
        found.setdefault(key, Item(job.file_name, made, values, tuple(adapters)))
    return list(found.values())


class _Places:
    """Where a graph has what a batch varies, found by the names of inputs, so that nodes of others count too."""

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        nodes = list(graph.values()) if isinstance(graph, dict) else []
        if not nodes or not all(isinstance(n, dict) and isinstance(n.get("inputs"), dict) for n in nodes):
            raise WorkflowError(
                "The workflow isn't in API format.", expected="a JSON object of nodes with class_type and inputs",
                hint="save it in ComfyUI by File, Export (API).",
            )  # fmt: skip
        self._sampler = self._only(_SAMPLER, "sampler")
        self.savers = self._with({"filename_prefix"})

    def of(self, name: str) -> Address:
        """Where a field of a job goes.

        Raises:
            WorkflowError: nowhere, or there is a link.
        """
        inputs = self._graph[self._sampler]["inputs"]
        if name in ("steps", "guidance"):
            return self._constant((self._sampler, "cfg" if name == "guidance" else name))
        if name == "seed":
            return self._constant((self._sampler, "seed" if "seed" in inputs else "noise_seed"))
        if name in ("width", "height"):
            return self._constant(self._upstream("latent_image", {name}, name))
        source = {"prompt": "positive", "negative_prompt": "negative"}[name]
        return self._constant(self._upstream(source, {"text"}, "text"))

    def with_adapters(self, graph: Graph, adapters: Sequence[tuple[str, float, float]]) -> Graph:
        """The graph with a loader for each adapter in place of its own; without any, what it loaded onto is used.

        Raises:
            WorkflowError: the graph has no loader, or several.
        """
        loader = self._only(_LOADER, "LoRA loader")
        node, last = graph[loader], {0: graph[loader]["inputs"]["model"], 1: graph[loader]["inputs"].get("clip")}
        made = {name: other for name, other in graph.items() if name != loader}
        for number, (file, weight, text_encoder_weight) in enumerate(adapters, 1):
            name = loader if number == len(adapters) else _free(f"{loader}_{number}", graph)
            chosen = {"lora_name": file, "strength_model": weight, "model": last[0]}
            if "clip" in node["inputs"]:
                chosen |= {"strength_clip": text_encoder_weight, "clip": last[1]}
            made[name] = {**node, "inputs": {**node["inputs"], **chosen}}
            last = {0: [name, 0], 1: [name, 1]}
        return made if adapters else _rewired(made, loader, last)

    def _with(self, names: set[str]) -> list[str]:
        return [name for name, node in self._graph.items() if names <= node["inputs"].keys()]

    def _only(self, names: set[str], what: str) -> str:
        found = self._with(names)
        if len(found) != 1:
            told = ", ".join(found) or "none"
            raise WorkflowError(
                f"The workflow has {len(found)} nodes that could be the {what}: {told}.",
                expected=f"one node with the inputs {', '.join(sorted(names))}",
                hint=f"export a graph with a single {what}.",
            )
        return found[0]

    def _upstream(self, start: str, names: set[str], entry: str) -> Address:
        """The nearest node with these inputs behind an input of the sampler."""
        waiting, seen = [self._graph[self._sampler]["inputs"][start]], set[str]()
        while waiting:
            link = waiting.pop(0)
            if not _is_link(link) or link[0] in seen or link[0] not in self._graph:
                continue
            seen.add(link[0])
            inputs = self._graph[link[0]]["inputs"]
            if names <= inputs.keys():
                return link[0], entry
            waiting += inputs.values()
        raise WorkflowError(
            f"Nothing behind {start} of node {self._sampler} has an input {entry}.",
            expected=f"a node with {entry}",
            hint="leave it out of the batch, or use a graph with such a node.",
        )

    def _constant(self, address: Address) -> Address:
        node, entry = address
        if _is_link(self._graph[node]["inputs"].get(entry)):
            raise WorkflowError(
                f"The input {entry} of node {node} is a link.",
                expected="a plain value, which the batch replaces",
                hint="disconnect it in the graph, then export again.",
            )
        return address


def _rewired(graph: Graph, old: str, new: Mapping[int, Any]) -> Graph:
    """The graph with links to another node in place of those to ``old``."""
    return {
        name: {
            **node,
            "inputs": {k: new[v[1]] if _is_link(v) and v[0] == old else v for k, v in node["inputs"].items()},
        }
        for name, node in graph.items()
    }


def _is_link(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 2 and isinstance(value[0], str) and isinstance(value[1], int)


def _free(name: str, graph: Mapping[str, Any]) -> str:
    while name in graph:
        name += "_"
    return name


def foreach_params(made: Sequence[Item]) -> list[dict[str, Any]] | None:
    """What differs between items: the param-sets of ``comfy workflow foreach``, whose recipe declares just these.

    ``None`` if one has several adapters, of which a recipe would have as many loaders as the graph that it was made of.
    """
    if any(len(one.adapters) > 1 for one in made):
        return None
    known = next((name for one in made for name, _, _ in one.adapters), "")
    rows = []
    for one in made:
        name, weight, text_encoder_weight = one.adapters[0] if one.adapters else (known, 0.0, 0.0)
        loaded = {"lora_name": name, "strength_model": weight, "strength_clip": text_encoder_weight}
        rows.append({**one.values, **(loaded if known else {})})
    names = [name for name in rows[0] if len({row[name] for row in rows}) > 1]
    return [{name: row[name] for name in names} for row in rows]
