"""Runs a workflow: only what its outputs need, and of that only what changed."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

from ..engine.core.errors import StorageError, WorkbenchError
from ..engine.core.hashing import value_hash
from ..engine.core.resources import PROJECT_ROOT
from .code_identity import ProjectCode
from .io import ComfyNode, Hidden, HiddenHolder, NodeOutput
from .lists import Values, calls, joined, merged_ui
from .running import RunHost, running
from .store import ResultStore, StoredResult
from .validation import validate
from .workflow import Link, Registry, Workflow, WorkflowNode


class NodeError(Exception):
    """A node failed. The cause is chained.

    Args:
        node: the one that failed.
        error: what it raised.
    """

    def __init__(self, node: WorkflowNode, error: Exception) -> None:
        text = str(error) if isinstance(error, (WorkbenchError, OSError)) else f"{type(error).__name__}: {error}"
        super().__init__(f"{node.label}: {text}")


@dataclass
class Outcome:
    """What a run has produced so far."""

    adapters: list[str] = field(default_factory=list)
    """Full paths."""
    images: list[str] = field(default_factory=list)
    """Full paths; previews don't count."""
    reports: dict[str, Any] = field(default_factory=dict)
    """Node id -> the node's report, as JSON values; ``cached`` is true if it is from an earlier run."""
    cached_nodes: int = 0
    """Nodes that were needed but didn't have to run."""
    notes: list[str] = field(default_factory=list)
    """What of the workflow isn't used, or was read in another way than it is written."""


class Executor:
    """Runs workflows, and keeps results in memory and in the host's run store.

    A node's result is valid while its signature stays the same: its class and the code that it computes with, its
    constants, its ``fingerprint_inputs``, and the signatures of the nodes that it is linked to.

    Args:
        registry: the known nodes.
        host: provides folders, progress and interruption.
    """

    def __init__(self, registry: Registry, host: RunHost) -> None:
        self._registry = registry
        self._host = host
        self._store = ResultStore(host.store_root() / "nodes")
        self._code = ProjectCode(PROJECT_ROOT, kept=host.store_root() / "code" / "sources.json")
        self._memory: dict[str, Sequence[Values]] = {}
        """Signature -> the values of each output."""
        self._unfinished: dict[str, StoredResult] = {}
        """Signature -> result that counts for the current run alone, as a training was stopped."""
        self.outcome = Outcome()
        """Of the current or last run, even if it failed."""

    def run(self, workflow: Workflow) -> Outcome:
        """Validate and run a workflow.

        Raises:
            WorkflowError: the workflow can't be run; nothing was started.
            NodeError: a node failed; earlier results are kept.
            Interrupted: the user asked to stop.
        """
        with running(self._host):
            return self._run(workflow)

    def _run(self, workflow: Workflow) -> Outcome:
        self.outcome = Outcome(notes=list(workflow.notes))
        self._unfinished.clear()
        needed = validate(workflow, self._registry)
        signatures = self._sign(needed)
        waiting = self._changed(needed, signatures)
        self.outcome.cached_nodes = len(needed) - len(waiting)
        ran: set[str] = set()
        try:
            for position, node in enumerate(waiting, 1):
                self._host.check_interruption()
                title = node.title or self._registry[node.class_type].GET_SCHEMA().display_name
                self._host.progress.begin(f"[{position}/{len(waiting)}] {title or node.class_type}")
                if self._run_node(node, workflow, signatures):
                    ran.add(node.id)
                else:
                    self.outcome.cached_nodes += 1
        finally:
            self._host.progress.clear()
            self._collect(needed, signatures, ran)
        self._store.prune()
        return self.outcome

    def _sign(self, needed: Iterable[WorkflowNode]) -> dict[str, str]:
        """Node id -> signature."""
        signatures: dict[str, str] = {}
        for node in needed:
            cls = self._registry[node.class_type]
            schema = cls.GET_SCHEMA()
            by_itself = schema.not_idempotent or Hidden.unique_id in schema.hidden
            links = {name: [signatures[link.node], link.output] for name, link in node.links.items()}
            code, outside = self._code_of(cls), fingerprint(node, cls)
            signatures[node.id] = value_hash(
                code, node.class_type, node.constants, links, outside, by_itself and node.id
            )
        self._code.keep()
        return signatures

    def _code_of(self, cls: type[ComfyNode]) -> str:
        """What a class of ours computes with; nothing is known of others."""
        package = __name__.removesuffix("headless.executor")
        return self._code.identity(cls.__module__.removeprefix(package)) if cls.__module__.startswith(package) else ""

    def _changed(self, needed: Sequence[WorkflowNode], signatures: Mapping[str, str]) -> list[WorkflowNode]:
        """The nodes that must run: outputs without a stored result, and what they need that isn't kept anywhere."""
        must = set()
        for node in reversed(needed):
            is_output = self._registry[node.class_type].GET_SCHEMA().is_output_node
            if is_output and self._stored(signatures[node.id]) is None:
                must.add(node.id)
            if node.id in must:
                must |= {link.node for link in node.links.values() if not self._holds(link, signatures)}
        return [node for node in needed if node.id in must]

    def _holds(self, link: Link, signatures: Mapping[str, str]) -> bool:
        signature = signatures[link.node]
        stored = self._stored(signature)
        return stored is not None and (signature in self._memory or stored.holds(link.output))

    def _run_node(self, node: WorkflowNode, workflow: Workflow, signatures: Mapping[str, str]) -> bool:
        """Run a node unless another one of the same signature just did; returns whether it ran."""
        signature = signatures[node.id]
        if signature in self._memory and self._stored(signature) is not None:
            return False
        cls, links = self._registry[node.class_type], node.links.values()
        schema, own = cls.GET_SCHEMA(), _with_hidden(cls, node, workflow)
        inputs = {
            name: self._values(value, signatures) if isinstance(value, Link) else [value]
            for name, value in node.inputs.items()
        }
        try:
            results = [self._called(own, arguments) for arguments in calls(schema, inputs)]
            ui, values = merged_ui(results), joined(schema, results)
            self._memory[signature] = values
            if ui.get("lw_unfinished") or any(signatures[link.node] in self._unfinished for link in links):
                self._unfinished[signature] = StoredResult(dict(ui), files=(), plain={})
                return True
            self._store.save(
                signature,
                ui=ui,
                files=self._files(ui),
                values={slot: own[0] for slot, own in enumerate(values) if len(own) == 1},
                types=[o.io_type for o in schema.outputs],
            )
        except Exception as error:
            raise NodeError(node, error) from error
        return True

    def _stored(self, signature: str) -> StoredResult | None:
        return self._unfinished.get(signature) or self._store.load(signature)

    def _called(self, cls: type[ComfyNode], arguments: Mapping[str, Any]) -> NodeOutput:
        self._host.check_interruption()
        return _normal(cls.execute(**arguments))

    def _values(self, link: Link, signatures: Mapping[str, str]) -> Values:
        signature = signatures[link.node]
        if signature in self._memory:
            return self._memory[signature][link.output]
        stored = self._store.load(signature)
        if stored is None:
            raise StorageError(f"The result of node {link.node} was removed during the run.", hint="run it again.")
        return [stored.value(link.output)]

    def _files(self, ui: Mapping[str, Any]) -> list[Path]:
        return [*(path for path, _ in self._pictures(ui)), *(path for path, _ in self._other_files(ui))]

    def _pictures(self, ui: Mapping[str, Any]) -> list[tuple[Path, str]]:
        """Pictures that a node saved, each with the kind of its folder."""
        roots = {"output": self._host.output_directory(), "temp": self._host.temp_directory()}
        return [
            (roots[p["type"]] / p.get("subfolder", "") / p["filename"], p["type"])
            for p in ui.get("images", [])
            if p["type"] in roots
        ]

    def _other_files(self, ui: Mapping[str, Any]) -> list[tuple[Path, str]]:
        """Other files that a node saved, each with its kind."""
        return [(self._host.output_directory() / f["path"], f["kind"]) for f in ui.get("lw_files", [])]

    def _collect(self, needed: Iterable[WorkflowNode], signatures: Mapping[str, str], ran: set[str]) -> None:
        """Collect reports and files of all needed nodes, from this run and earlier ones."""
        images: dict[str, None] = {}
        adapters: dict[str, None] = {}
        for node in needed:
            stored = self._stored(signatures[node.id])
            if stored is None:
                continue
            self._store.mark_used(signatures[node.id])
            for report in stored.ui.get("lw_report", []):
                self.outcome.reports[node.id] = report if node.id in ran else {**report, "cached": True}
            images |= dict.fromkeys(str(path) for path, kind in self._pictures(stored.ui) if kind == "output")
            adapters |= dict.fromkeys(str(path) for path, kind in self._other_files(stored.ui) if kind == "adapter")
        self.outcome.images, self.outcome.adapters = list(images), list(adapters)


def fingerprint(node: WorkflowNode, cls: type[ComfyNode]) -> str:
    """What a node depends on outside the graph; a value that never recurs if it fails to say or says NaN."""
    if cls.fingerprint_inputs.__func__ is ComfyNode.fingerprint_inputs.__func__:  # type: ignore[attr-defined]
        return ""
    given = {name: None if isinstance(value, Link) else value for name, value in node.inputs.items()}
    try:
        value = cls.fingerprint_inputs(**given)
    except Exception:  # the node says what is wrong when it runs
        return uuid4().hex
    return uuid4().hex if isinstance(value, float) and math.isnan(value) else repr(value)


def _with_hidden(cls: type[ComfyNode], node: WorkflowNode, workflow: Workflow) -> type[ComfyNode]:
    """A subclass that carries this node's hidden values; the class itself stays as it is."""
    wanted = cls.GET_SCHEMA().hidden
    hidden = HiddenHolder(
        unique_id=node.id if Hidden.unique_id in wanted else None,
        prompt=workflow.prompt() if Hidden.prompt in wanted else None,
        extra_pnginfo={"workflow": workflow.graph} if Hidden.extra_pnginfo in wanted and workflow.graph else None,
    )
    return type(cls.__name__, (cls,), {"hidden": hidden})


def _normal(returned: Any) -> NodeOutput:
    if isinstance(returned, NodeOutput):
        return returned
    return NodeOutput(*(returned if isinstance(returned, tuple) else ()))
