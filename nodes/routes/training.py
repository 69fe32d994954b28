"""A training run as its panel shows it."""

from __future__ import annotations

from ..host import host
from .table import PREFIX, Answer, Asked, Route, json_answer, missing

_UNKNOWN = "The run store doesn't know this run."
_DAY = "private, max-age=86400"


def training(asked: Asked) -> Answer:
    """What there is to see of a run: what the run store has, and what has been trained here since; status 404 for a run
    that nobody knows."""
    from ...engine.runs.following import of_name, seen
    from ..host.live import live_run

    run = of_name(asked.query.get("run", ""))
    known = seen(host().run_store(), *run) if run else None
    if known is None:
        return missing(_UNKNOWN)
    live = live_run(known["run"])
    if live is not None and live.losses:
        known |= live.after(known)
    return json_answer({**known, "live": live.now() if live else None})


def sample(asked: Asked) -> Answer:
    """A sample picture of a run: ``step``, and the number of its prompt from 1."""
    from ...engine.runs.following import of_name, sample_file

    run = of_name(asked.query.get("run", ""))
    step, number = asked.whole("step", 0, 10**9), asked.whole("number", 1, 10**4)
    path = sample_file(host().run_store(), *run, step, number) if run else None
    if path is None:
        return missing(_UNKNOWN)
    return Answer(path.read_bytes(), "image/webp", headers={"Cache-Control": _DAY})


ROUTES = [Route("GET", f"{PREFIX}training", training), Route("GET", f"{PREFIX}sample", sample)]
