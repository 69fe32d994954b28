"""Tools for jobs: how one is, and stopping it."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from ..engine.core.words import counted, duration
from . import arguments
from .backend import Result
from .jobs import ENDED, Job, State
from .service import Answer
from .tool import READS, Hints, Tool

if TYPE_CHECKING:
    from .service import Service, Tell

_LISTED = 20
"""Jobs that status lists, the newest first."""
_STOPPED_WITHIN = 60.0
"""Seconds that stop waits for the job to end."""
_NEXT = {
    "queued": "Call status with this job and wait_seconds to wait for it.",
    "running": "Call status with this job and wait_seconds to wait for it, or stop to end it.",
    "interrupted": "It goes on by itself from where it was.",
    "failed": "Correct what is named above and ask again; what was made so far is kept.",
    "cancelled": "What it had made is kept: the same call goes on from there.",
}


def job_tools(service: Service) -> Iterator[Tool]:
    job = arguments.text("Id of the job, such as 0007-train-fox.", most=200)
    yield Tool(
        name="status", title="How jobs are", hints=READS,
        description="Tells how a job is, with its pictures or its adapter when it has ended; without a job, lists the "
        "jobs. Jobs go on when a connection or this server ends, and are done one after the other.",
        schema=arguments.an_object({
            "job": {**job, "default": ""},
            "wait_seconds": arguments.whole("How long to wait for its end.", 0, 3600, default=0),
        }),
        act=lambda given, tell: _status(service, given, tell),
    )  # fmt: skip
    yield Tool(
        name="stop", title="Stop a job", hints=Hints(read_only=False, destructive=True),
        description="Stops a job. A training stops after its current step and keeps its adapter as it is; asking for "
        "the same training again trains on from there. Pictures that were drawn are kept.",
        schema=arguments.an_object({"job": {**job, "minLength": 1}}, ["job"]),
        act=lambda given, tell: _stop(service, given, tell),
    )  # fmt: skip


async def _status(service: Service, given: Mapping[str, Any], tell: Tell) -> Answer:
    if not given["job"].strip():
        return _listed(service)
    job = service.jobs.find(given["job"])
    await service.wait(job, given["wait_seconds"], tell, is_ended_with_call=False)
    return answer_of(service, job)


async def _stop(service: Service, given: Mapping[str, Any], tell: Tell) -> Answer:
    job = service.jobs.find(given["job"])
    if job.state().phase not in ENDED:
        job.ask_to_stop()
        await service.wait(job, _STOPPED_WITHIN, tell, is_ended_with_call=False)
    return answer_of(service, job)


def answer_of(service: Service, job: Job) -> Answer:
    """What is told of a job: where it is, and what it has made."""
    state, result = job.state(), job.result()
    phase, words = service.phase_in_words(job)
    facts = {"job": job.id, "state": phase, "now": words, **_facts(state, result)}
    lines = [f"Job {job.id}: {phase}" + (f" ({words})." if phase not in ENDED else _took(state) + ".")]
    lines += [state.problem] if state.problem else []
    lines += _made(result)
    if phase in _NEXT:
        lines.append(_NEXT[phase])
    return Answer(text="\n".join(lines), facts=facts, pictures=result.pictures, is_error=phase == "failed")


def _took(state: State) -> str:
    return f" after {duration(state.ended - state.began)}" if state.began and state.ended else ""


def _made(result: Result) -> Iterator[str]:
    """The result in words, a line each."""
    for name in result.adapters:
        yield f"adapter: {name}"
    verdict = result.report.get("verdict")
    if isinstance(verdict, dict):
        yield f"verdict: best is step {verdict['best']}; " + " ".join(verdict.get("reasons", ()))
        yield f"the adapter is as it was after step {result.report.get('step')} of {result.report.get('steps')}"
    if result.pictures:
        yield counted(len(result.pictures), "picture") + ":"
    for picture in result.pictures:
        seed = f" (seed {picture.seed})" if picture.seed is not None else ""
        yield f"- {picture.path}{seed}"
    yield from (f"note: {note}" for note in result.notes)


def _facts(state: State, result: Result) -> dict[str, Any]:
    pictures = [{"path": one.path, "prompt": one.prompt, "seed": one.seed} for one in result.pictures]
    progress = {"done": state.done, "total": state.total} if state.total else None
    return {
        "progress": progress, "pictures": pictures, "adapters": list(result.adapters), "report": dict(result.report),
        "notes": list(result.notes), "problem": state.problem,
    }  # fmt: skip


def _listed(service: Service) -> Answer:
    jobs = service.jobs.all()
    shown = [(job, *service.phase_in_words(job)) for job in jobs[: -_LISTED - 1 : -1]]
    lines = [f"{job.id}: {phase}" + (f", {words}" if words != phase else "") for job, phase, words in shown]
    facts = [{"job": job.id, "state": phase, "now": words, "asked": _asked(job)} for job, phase, words in shown]
    more = f"{len(jobs) - len(shown)} older ones aren't listed." if len(jobs) > len(shown) else ""
    return Answer(text="\n".join(filter(None, [*lines, more])) or "No job was asked for yet.", facts={"jobs": facts})


def _asked(job: Job) -> str:
    """When it was asked for."""
    try:
        return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(job.folder.joinpath("request.json").stat().st_mtime))
    except OSError:
        return ""
