"""The runs of the run store, as the sidebar lists them, and what one in progress is asked for."""

from __future__ import annotations

import math
from functools import partial
from typing import TYPE_CHECKING, Any

from ..host import host
from .table import MOST_AT_ONCE, PREFIX, Answer, Asked, Route, json_answer, missing

if TYPE_CHECKING:
    from ...engine.runs.listing import ListedRun
    from ...engine.runs.store import RunStore, Wanted

_REPORT_POLICY = (
    "sandbox allow-scripts; default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'"
)
"""A report is a page of its own that can't reach ComfyUI; which script it runs, it says itself."""
_UNKNOWN = "The run store doesn't have this."
_POINTS = 64
"""Of a run's loss curve, at most."""


def runs(asked: Asked) -> Answer:
    """The runs that were used last: from ``from`` on, at most ``count``; ``total`` says how many there are. With
    ``run``, that one alone."""
    from ...engine.runs.following import of_name, run_name
    from ...engine.runs.listing import listed_runs

    store, wanted = host().run_store(), asked.query.get("run", "")
    first, count = asked.whole("from", 0, 10**6), asked.whole("count", MOST_AT_ONCE, MOST_AT_ONCE)
    if wanted:
        known = of_name(wanted)
        listed = listed_runs(store, known[0]) if known else []
        listed = [run for run in listed if run_name(run.lineage, run.steps) == wanted]
    else:
        listed = listed_runs(store)
    return json_answer({
        "total": len(listed),
        "runs": [_in_short(run, store) for run in listed[first : first + count]],
    })  # fmt: skip


def graph(asked: Asked) -> Answer:
    """The graph that trained a run last: its ``workflow`` for the canvas, and its ``prompt``; neither for a run that is
    known without one, which is no error: pages would have it on their consoles."""
    from ...engine.runs.following import of_name
    from ...engine.runs.graphs import kept_graph
    from ...engine.vault.values import parsed

    run = of_name(asked.query.get("run", ""))
    kept = kept_graph(host().run_store(), *run) if run else None
    told = {name: parsed(text) for name, text in vars(kept).items() if text} if kept else {}
    return json_answer({name: value for name, value in told.items() if isinstance(value, dict) and value})


def report(asked: Asked) -> Answer:
    """The HTML report of a run, as it was shown last."""
    from ...engine.runs.following import of_name

    run = of_name(asked.query.get("run", ""))
    path = host().run_store().report(*run) if run else None
    if path is None or not path.is_file():
        return missing(_UNKNOWN)
    return Answer(path.read_bytes(), "text/html", headers={"Content-Security-Policy": _REPORT_POLICY})


def request(wanted: Wanted, answer: str, asked: Asked) -> Answer:
    """Ask the process that trains a run, this one or another, for something after its current step; the answer is 0 if
    none does."""
    from ...engine.runs.following import of_name
    from ...engine.runs.requests import ask

    run = of_name(str(asked.body.get("run", "")))
    return json_answer({answer: int(run is not None and ask(host().run_store(), *run, wanted))})


stop = partial(request, "stop", "stopping")
draw_samples = partial(request, "sample", "asked")
save_snapshot = partial(request, "snapshot", "asked")


def _losses(run: ListedRun, name: str, store: RunStore) -> list[float]:
    """The loss of each step, of a training in this process up to now."""
    from ...engine.runs.listing import trained_of
    from ..host.live import live_run

    losses = trained_of(store, run.lineage, run.steps).get("losses", [])
    live = live_run(name) if run.progress == "running" else None
    return losses[: live.first - 1] + live.losses if live else losses


def _in_short(run: ListedRun, store: RunStore) -> dict[str, Any]:
    from ...engine.adapters.metadata import thinned
    from ...engine.runs.following import run_name

    name = run_name(run.lineage, run.steps)
    losses = _losses(run, name, store)
    return {
        "run": name,
        "name": run.name,
        "number": run.short,
        "base": run.base,
        "family": run.family,
        "dataset": run.dataset,
        "done": max(run.done, len(losses)),
        "steps": run.steps,
        "progress": run.progress,
        "snapshots": list(run.snapshots),
        "losses": run.losses,
        "curve": [[step, loss] for step, loss in thinned(losses, _POINTS) if math.isfinite(loss)],
        "best": run.verdict.best if run.verdict else None,
        "ended_early": run.ended_early,
        "verdict": run.verdict.in_short() if run.verdict else "",
        "has_report": store.report(run.lineage, run.steps).is_file(),
        "bytes": run.bytes,
        "used": run.used,
    }


ROUTES = [
    Route("GET", f"{PREFIX}runs", runs),
    Route("GET", f"{PREFIX}runs/graph", graph),
    Route("GET", f"{PREFIX}runs/report", report),
    Route("POST", f"{PREFIX}runs/stop", stop),
    Route("POST", f"{PREFIX}runs/sample", draw_samples),
    Route("POST", f"{PREFIX}runs/snapshot", save_snapshot),
]
