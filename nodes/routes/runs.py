"""The runs of the run store, as the sidebar lists them, and what one in progress is asked for."""

from __future__ import annotations

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


def runs(asked: Asked) -> Answer:
    """The runs that were used last: from ``from`` on, at most ``count``; ``total`` says how many there are."""
    from ...engine.runs.listing import listed_runs

    store = host().run_store()
    first, count = asked.whole("from", 0, 10**6), asked.whole("count", MOST_AT_ONCE, MOST_AT_ONCE)
    listed = listed_runs(store)
    return json_answer({
        "total": len(listed),
        "runs": [_in_short(run, store) for run in listed[first : first + count]],
    })  # fmt: skip


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


def _in_short(run: ListedRun, store: RunStore) -> dict[str, Any]:
    from ...engine.runs.following import run_name

    return {
        "run": run_name(run.lineage, run.steps),
        "name": run.name,
        "number": run.short,
        "base": run.base,
        "family": run.family,
        "dataset": run.dataset,
        "done": run.done,
        "steps": run.steps,
        "progress": run.progress,
        "snapshots": list(run.snapshots),
        "losses": run.losses,
        "ended_early": run.ended_early,
        "verdict": run.verdict.in_short() if run.verdict else "",
        "has_report": store.report(run.lineage, run.steps).is_file(),
        "bytes": run.bytes,
        "used": run.used,
    }


ROUTES = [
    Route("GET", f"{PREFIX}runs", runs),
    Route("GET", f"{PREFIX}runs/report", report),
    Route("POST", f"{PREFIX}runs/stop", stop),
    Route("POST", f"{PREFIX}runs/sample", draw_samples),
    Route("POST", f"{PREFIX}runs/snapshot", save_snapshot),
]
