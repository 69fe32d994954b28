"""A graph in a running ComfyUI, from its queue to its end."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from ...engine.core.events import Event, Message
from ...engine.core.hashing import value_hash
from ..backend import Ended
from .listening import Listener
from .problems import failed, refused
from .server import AwayError, Graph, Server, ServerError, State
from .telling import Teller

if TYPE_CHECKING:
    from ..backend import Watch

STOP_ROUTE = "/lora_workbench/stop"


@dataclass(frozen=True, kw_only=True)
class Patience:
    """How long to wait for a server, in seconds, but for ``starts``."""

    tick: float = 0.5
    """Between two signs of life to whoever watches."""
    look: float = 2.0
    """Between two looks at queue and history."""
    away: float = 180.0
    """For which a server that has begun with a graph may be out of reach, as while it is started again."""
    starts: int = 3
    """Times that a graph is queued: a server that lost it may have died of it."""


class StoppedEarlyError(Exception):
    """A graph was to stop with what it has, and hadn't begun."""


def run_graph(
    server: Server,
    graph: Graph,
    watch: Watch,
    *,
    more: Mapping[str, Any] | None = None,
    stops: str = "",
    patience: Patience | None = None,
) -> Mapping[str, Any]:
    """Run a graph to its end, and give its outputs: node id -> what the node shows.

    A graph that an earlier process of the same job has queued is followed; one that a server lost is queued again.

    Args:
        server: where.
        graph: in API format.
        watch: is told of progress; an ``Ended`` that it raises cancels the graph there.
        more: ``extra_data`` of the graph.
        stops: the node that trains, which is asked to stop with its adapter if the watch wants that.
        patience: how long to wait.

    Raises:
        StoppedEarlyError: it was to stop, and hadn't begun.
        AwayError: the server can't be reached.
        WorkbenchError: it refuses the graph, or a node fails.
    """
    job = _Job(server, graph, watch, more or {}, stops, patience or Patience())
    try:
        return job.run()
    except Ended as ended:
        if not ended.goes_on:
            job.cancel()
        raise
    finally:
        job.close()


class _Job:
    """One graph."""

    def __init__(
        self, server: Server, graph: Graph, watch: Watch, more: Mapping[str, Any], stops: str, patience: Patience
    ) -> None:
        self._server, self._graph, self._watch, self._patience = server, graph, watch, patience
        self._more, self._stops = more, stops
        self._key = f"graph {value_hash(graph)[:16]}"
        known = watch.remembered.get(self._key, {})
        self._number, self._client = str(known.get("number", "")), str(known.get("client", uuid4().hex))
        self._listener = Listener(server.url, self._client)
        self._teller = Teller(self._number, graph)
        self._starts = 0
        self._known_losses = 0
        """Lost connections after which the server had the graph still."""
        self._away_since: float | None = None

    def close(self) -> None:
        self._listener.close()

    def run(self) -> Mapping[str, Any]:
        if not self._number or self._was_cut_off():
            self._queue()
        while True:
            for event in self._heard():
                self._watch.show(event)
            self._watch.show(Event())
            state, entry = self._looked()
            if self._stops and self._watch.stop_wanted():
                self._stop(state)
            if state == "ended":
                if problem := failed(entry, self._graph):
                    raise problem
                return entry.get("outputs") or {}

    def _was_cut_off(self) -> bool:
        """Whether the graph of an earlier process was ended there, as that process was; a failure would have been the
        end of the job."""
        with contextlib.suppress(AwayError):  # waited for, as after a restart of everything
            state, entry = self._server.state(self._number)
            return state == "ended" and failed(entry, self._graph) is not None
        return False

    def cancel(self) -> None:
        """Take it out of the queue, or end it if it runs."""
        if not self._number:
            return
        with contextlib.suppress(ServerError):
            self._server.remove(self._number)
            if self._server.state(self._number)[0] == "running":
                self._server.interrupt(self._number)

    def _queue(self) -> None:
        """Put it into the queue, by a number that is kept first, so that it isn't lost with this process."""
        self._number = str(uuid4())
        self._teller = Teller(self._number, self._graph)
        self._starts += 1
        self._listener.connect()
        self._watch.remember(**{self._key: {"number": self._number, "client": self._client}})
        refusal = self._server.queue(self._graph, self._number, self._client, self._more)
        if refusal is not None:
            self.cancel()
            raise refused(refusal, self._graph)

    def _heard(self) -> Iterator[Event]:
        """What is told until it is time to look what became of the graph."""
        end = time.monotonic() + self._patience.look
        lost = self._listener.losses
        while time.monotonic() < end and not self._teller.has_ended and self._listener.losses == lost:
            for told in self._listener.heard(self._patience.tick):
                yield from self._teller.events(told)
                if self._teller.has_ended:
                    return
            yield Event()

    def _looked(self) -> tuple[State, Mapping[str, Any]]:
        """Where the graph is now; it is queued again if the server has lost it."""
        try:
            state, entry = self._server.state(self._number)
            if state == "unknown":
                self._queue_again()
                return "pending", {}
        except AwayError as error:
            self._bear(error)
            return "unknown", {}
        if self._away_since is not None:
            self._watch.show(Message(text=f"ComfyUI at {self._server.url} is back."))
        self._away_since, self._known_losses = None, self._listener.losses
        return state, entry

    def _bear(self, error: AwayError) -> None:
        """Wait for a server that is away, for a while.

        Raises:
            AwayError: it has been away for too long.
        """
        now = time.monotonic()
        if self._away_since is None:
            self._away_since = now
            self._watch.show(Message(text=f"ComfyUI at {self._server.url} is away; waiting for it."))
        if now - self._away_since >= self._patience.away:
            raise AwayError(
                f"ComfyUI at {self._server.url} went away in the middle of the job: {error.got}",
                expected=f"that it comes back within {self._patience.away:.0f} s",
                hint="let the user start it again and look into its log; the same request then goes on with what is "
                "kept.",
            ) from error

    def _queue_again(self) -> None:
        """After the server was started anew, or somebody removed the graph from its queue.

        Raises:
            ServerError: somebody removed it, or it was lost too often.
        """
        restarted = self._away_since is not None or self._listener.losses > self._known_losses or not self._starts
        if not restarted and not self._teller.has_ended:
            raise ServerError(
                "The job was removed from ComfyUI's queue.",
                expected="nobody to remove it there",
                hint="ask the user; then send the same request again.",
            )
        if self._starts >= self._patience.starts:
            raise ServerError(
                f"ComfyUI has lost the job {self._starts} times.",
                expected="a ComfyUI that goes on running",
                hint="let the user look into its log: it may end for lack of memory.",
            )
        self._watch.show(Message(text="ComfyUI has lost the job; it is queued again."))
        self._queue()

    def _stop(self, state: State) -> None:
        """Have the training stop with its adapter, once it trains.

        Raises:
            StoppedEarlyError: it hadn't begun, and won't.
        """
        if state == "pending":
            self._server.remove(self._number)
            if self._server.state(self._number)[0] == "unknown":
                raise StoppedEarlyError
        elif state == "running":
            with contextlib.suppress(ServerError):  # another node runs now, or it has just ended
                self._server.post(STOP_ROUTE, {"node": self._stops})
