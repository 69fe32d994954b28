"""What there is in a running ComfyUI: adapters, base models, saved stacks and trainings, by our routes there."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple
from urllib.parse import quote

from ...engine.evaluation.verdict import Verdict
from ...engine.runs.listing import of_one_lineage
from ...engine.vault.card import Card
from .bases import Bases
from .problems import lacks_us
from .server import NotThereError, Server, ServerError

_ROUTES = "/lora_workbench"
_AT_ONCE = 200
"""What one answer lists at most."""
_PRESETS = "lora_workbench/stack_presets"
"""As in ``js/stack/server.mjs``."""
_SUFFIX = ".json"


class _Run(NamedTuple):
    """A run as our route tells of it."""

    name: str
    lineage: str
    short: str
    told: dict[str, Any]


class ComfyCatalog:
    """The :class:`~..backend.Catalog` of a running ComfyUI.

    Args:
        server: such as ``http://127.0.0.1:8188``, or one that is shared.
        bases: as for :class:`.Bases`.

    Raises:
        ConfigError: it isn't an address, or the package that talks to it is missing.
    """

    def __init__(self, server: str | Server, bases: Sequence[str] = ()) -> None:
        self._server = Server(server) if isinstance(server, str) else server
        self._bases = Bases(self._server, bases)
        self._known: tuple[object, list[Card]] = (None, [])
        """What the vault said of its state when its cards were fetched, and the cards."""

    def cards(self) -> list[Card]:
        try:
            told = self._get("vault", count=0)
        except ServerError:
            self._known = None, []  # one that was started anew counts anew
            raise
        state = None if told["reading"] else (told["version"], told["total"])
        if state is None or state != self._known[0]:
            self._known = state, [_card(told) for told in self._listed("vault", "cards", whole=1)]
        return self._known[1]

    def card(self, name: str) -> Card | None:
        try:
            return _card(self._get("vault/card", name=name, whole=1))
        except NotThereError:
            return None

    def preview(self, name: str) -> bytes | None:
        try:
            return self._server.content(f"{_ROUTES}/vault/preview", name=name)
        except NotThereError:
            return None

    def bases(self) -> Mapping[str, str]:
        return {name: base.family for name, base in self._bases.all().items()}

    def pin(self, name: str, pinned: bool) -> None:
        """Pin an adapter that is listed, or take its pin off.

        Raises:
            ServerError: the server can't be reached, or has no such adapter.
        """
        self._server.post(f"{_ROUTES}/vault/pin", {"name": name, "pinned": pinned})

    def presets(self) -> Mapping[str, str]:
        found = {}
        for file in self._preset_files():
            path = quote(f"{_PRESETS}/{file}", safe="")
            try:
                told = self._server.get(f"/userdata/{path}")
            except NotThereError:
                continue
            rows = told.get("rows") if isinstance(told, dict) else None
            if isinstance(rows, str) and rows.strip():
                found[file.removesuffix(_SUFFIX)] = rows.strip()
        return found

    def runs(self) -> list[dict[str, Any]]:
        return [_in_short(told) for told in self._listed("runs", "runs")]

    def verdict(self, name: str) -> Mapping[str, Any] | None:
        found = self._runs_called(name)
        told = next((run for run in found if run["verdict"]), None)
        if told is None:
            return None
        facts = self._get("training", run=told["run"])["verdict"] or {"best": told["best"]}
        words = str(Verdict(**{**facts, "reasons": tuple(facts.get("reasons", ()))}))
        return {**_in_short(told), "words": words, **facts}

    def _runs_called(self, name: str) -> list[dict[str, Any]]:
        """The runs of one lineage, by their name or the begin of their number.

        Raises:
            ConfigError: there is none, or there are several lineages.
        """
        listed = self._listed("runs", "runs")
        runs = [_Run(told["name"], told["run"].rpartition("-")[0], told["number"], told) for told in listed]
        where, hint = f"in ComfyUI at {self._server.url}", "list the runs for their names."
        return [run.told for run in of_one_lineage(runs, name, where=where, hint=hint)]

    def _preset_files(self) -> list[str]:
        try:
            names = self._server.get("/userdata", dir=_PRESETS)
        except NotThereError:  # none was saved yet
            return []
        return sorted(name for name in names if isinstance(name, str) and name.endswith(_SUFFIX))

    def _listed(self, route: str, part: str, **query: Any) -> Iterator[dict[str, Any]]:
        """All entries of a route that gives them in parts."""
        first = 0
        while True:
            told = self._get(route, **{"from": first, "count": _AT_ONCE}, **query)
            yield from told[part]
            first += len(told[part])
            if not told[part] or first >= told["total"]:
                return

    def _get(self, route: str, **query: Any) -> Any:
        """What a route of ours gives.

        Raises:
            NotThereError: what is asked for isn't there.
            ServerError: ComfyUI can't be reached, or has no such route.
        """
        try:
            return self._server.get(f"{_ROUTES}/{route}", **query)
        except NotThereError as error:
            if "name" in query or "run" in query:
                raise
            raise lacks_us("it has no LoRA Workbench, or an older one") from error


def _card(told: Mapping[str, Any]) -> Card:
    """
    Raises:
        ServerError: the server's LoRA Workbench is of another version.
    """
    try:
        return Card.from_json(json.dumps(told["whole"]))
    except (KeyError, ValueError) as error:
        raise lacks_us("its LoRA Workbench is of another version") from error


def _in_short(told: Mapping[str, Any]) -> dict[str, Any]:
    names = ("name", "number", "base", "dataset", "done", "steps", "progress", "verdict", "snapshots")
    return {name: told[name] for name in names}
