"""Whatever breaks on the way: nothing is paid twice, nothing is lost, and it is said in words."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hosted_orders import QUICK, Ordering, terms
from hosted_standins import FETCHING, POLLING, STAND_INS, STARTING, UPLOADING, VARIABLES, StandIn, tar
from lora_workbench.engine.core.errors import AdapterError, ConfigError, RemoteError, StorageError, WorkbenchError
from lora_workbench.engine.remote.api import Api
from lora_workbench.engine.remote.jobs import FILE


@pytest.fixture
def starting(provider: str) -> str:
    return STARTING[provider]


def starts(standin: StandIn, starting: str) -> int:
    """Start requests that were sent, served or not; those that only ask for the price don't count."""
    return sum(request.query.get("whatif") != "true" for request in standin.asked(starting))


def fail_start(standin: StandIn, **fault: Any) -> None:
    """Break the next start; at Civitai, the request before it asks for the price in the same place."""
    (name,) = [name for name, kind in STAND_INS.items() if isinstance(standin, kind)]
    if name == "civitai":
        standin.fail(STARTING[name], cut=1.0)
    standin.fail(STARTING[name], **fault)


PASSING = {
    "busy": {"status": 429, "headers": {"Retry-After": "0"}},
    "busy until a date": {"status": 429, "headers": {"Retry-After": "Wed, 21 Oct 2015 07:28:00 GMT"}},
    "overloaded": {"status": 503},
    "broken gateway": {"status": 502, "body": "<html>Bad Gateway</html>"},
    "dropped connection": {"drop": True},
    "cut answer": {"cut": 0.5},
}
"""Faults that pass when asked again."""


BREAKS = [
    *(("poll", fault) for fault in PASSING),
    *((w, f) for w in ("upload", "fetch") for f in ("busy", "cut answer")),
]


@pytest.mark.parametrize(("where", "fault"), BREAKS)
def test_passing_faults_are_waited_out(train: Ordering, standin: StandIn, provider: str, where: str, fault: str):
    place = {"upload": UPLOADING[provider], "poll": POLLING[provider], "fetch": FETCHING}[where]
    standin.fail(place, **PASSING[fault], times=2)
    trained = train()
    assert len(trained.adapter.modules) == 2 and len(standin.jobs) == 1
    assert starts(standin, STARTING[provider]) == 1


def test_a_start_that_was_turned_away_is_sent_again(train: Ordering, standin: StandIn, starting: str):
    fail_start(standin, status=429, headers={"Retry-After": "0"}, times=2)
    train()
    assert len(standin.jobs) == 1 and starts(standin, starting) == 3


LOST = {
    "answer dropped": {"serve": True, "drop": True},
    "answer cut": {"cut": 0.4},
    "fault after serving": {"serve": True, "status": 500, "body": {"detail": "Internal Server Error"}},
    "answer unreadable": {"serve": True, "status": 200, "body": "ok"},
    "gateway timed out": {"serve": True, "status": 504, "body": {}},
    "redirected to its page": {"serve": True, "status": 303, "headers": {"Location": "/page"}, "body": {}},
}
"""Answers to a start request that was served."""


@pytest.mark.parametrize("fault", LOST)
@pytest.mark.parametrize("provider", ["replicate", "civitai"], indirect=True)
def test_a_job_whose_answer_was_lost_is_found(train: Ordering, standin: StandIn, starting: str, fault: str):
    fail_start(standin, **LOST[fault])
    trained = train()
    assert trained.job.id == "job1" and len(standin.jobs) == 1
    assert starts(standin, starting) == 1
    assert "found it: job job1" in train.said


@pytest.mark.parametrize("fault", LOST)
@pytest.mark.parametrize("provider", ["fal"], indirect=True)
def test_a_job_that_cannot_be_seen_is_not_started_twice(train: Ordering, standin: StandIn, starting: str, fault: str):
    fail_start(standin, **LOST[fault])
    for _ in range(2):
        with pytest.raises(RemoteError, match="gave no answer") as told:
            train()
        assert "https://fal.ai/dashboard/requests" in str(told.value)
        assert "isn't started again" in str(told.value)
    assert starts(standin, starting) == 1
    standin.jobs["job1"].polls = 9  # it has ended, so fal lists it
    trained = train()
    assert trained.job.id == "job1" and starts(standin, starting) == 1


@pytest.mark.parametrize("fault", [{"drop": True}, {"status": 500}])
def test_a_start_that_was_not_served_is_not_repeated_by_itself(
    train: Ordering, standin: StandIn, starting: str, provider: str, fault: dict
):
    fail_start(standin, **fault)
    with pytest.raises(RemoteError, match="isn't in its list"):
        train()
    assert starts(standin, starting) == 1 and not standin.jobs
    with pytest.raises(RemoteError, match="isn't in its list"):
        train()
    assert starts(standin, starting) == 1
    train(terms=terms(start="train again"))
    assert len(standin.jobs) == 1


@pytest.mark.parametrize("provider", ["replicate", "civitai"], indirect=True)
def test_later_the_list_counts_as_an_answer(train: Ordering, standin: StandIn, starting: str):
    fail_start(standin, drop=True)
    with pytest.raises(RemoteError, match="15 min 0 s later"):
        train()
    _age(train, 1000)
    assert train().job.id == "job1" and len(standin.jobs) == 1


@pytest.mark.parametrize("provider", ["fal"], indirect=True)
def test_the_list_of_fal_never_counts_as_an_answer(train: Ordering, standin: StandIn, starting: str):
    fail_start(standin, drop=True)
    with pytest.raises(RemoteError, match="which has only jobs that have ended"):
        train()
    _age(train, 100_000)
    with pytest.raises(RemoteError, match="which has only jobs that have ended"):
        train()
    assert starts(standin, starting) == 1


@pytest.mark.parametrize("provider", ["replicate"], indirect=True)
def test_what_nobody_foresaw_leaves_a_doubt(train: Ordering, standin: StandIn, monkeypatch: pytest.MonkeyPatch):
    """Such as too little memory for the answer."""

    def fails(*_: Any) -> None:
        raise MemoryError

    with monkeypatch.context() as patched:
        patched.setattr(Api, "_answer_of_start", fails)
        with pytest.raises(MemoryError):
            train()
    assert train().job.id == "job1" and len(standin.jobs) == 1


@pytest.mark.parametrize("provider", ["replicate", "civitai"], indirect=True)
def test_a_job_whose_answer_was_lost_can_be_canceled(train: Ordering, standin: StandIn):
    standin.lists = False
    fail_start(standin, serve=True, drop=True)
    with pytest.raises(RemoteError, match="gave no answer"):
        train()
    with pytest.raises(RemoteError, match="gave no answer"):
        train.cancel()
    standin.lists = True
    train.cancel()
    assert standin.jobs["job1"].canceled


def test_a_job_that_is_not_known_yet_is_waited_for(train: Ordering, standin: StandIn, provider: str, starting: str):
    standin.fail(POLLING[provider], status=404, times=2)
    assert train().job.id == "job1" and starts(standin, starting) == 1


def test_a_job_that_is_gone_can_be_ordered_again(train: Ordering, standin: StandIn, provider: str, starting: str):
    standin.fail(POLLING[provider], status=401)
    with pytest.raises(RemoteError, match="refuses the token"):
        train()
    _age(train, 1000)
    standin.fail(POLLING[provider], status=404, times=2)
    with pytest.raises(RemoteError, match=r"(?s)Job job1: .* train again by start = train again, or --again"):
        train()
    assert starts(standin, starting) == 1, "it may be a mistake of the provider"
    trained = train(terms=terms(start="train again"))
    assert trained.job.id == "job2" and trained.job.earlier == ("job1",)


def test_a_result_that_is_gone_can_be_ordered_again(train: Ordering, standin: StandIn, starting: str):
    standin.lost = {"job1"}
    for _ in range(2):
        with pytest.raises(RemoteError, match=r"(?s)Job job1: .* train again by start = train again, or --again"):
            train()
    with pytest.raises(RemoteError, match="Job job1"):
        train(terms=terms(start="train again"))
    assert starts(standin, starting) == 1, "it may still come"
    _age(train, 1000)
    assert train(terms=terms(start="train again")).job.id == "job2"


def test_a_result_that_is_there_is_taken_also_by_train_again(train: Ordering, standin: StandIn, starting: str):
    standin.fail(FETCHING, status=503, times=5)
    with pytest.raises(RemoteError, match="paid for and kept there"):
        train()
    _age(train, 1000)
    assert train(terms=terms(start="train again")).job.id == "job1" and starts(standin, starting) == 1


@pytest.mark.parametrize("provider", ["fal"], indirect=True)
def test_a_request_that_the_queue_of_fal_forgot_is_in_its_list(train: Ordering, standin: StandIn, provider: str):
    standin.fail(POLLING[provider], status=401)
    with pytest.raises(RemoteError):
        train()
    _age(train, 1000)
    standin.jobs["job1"].polls = 9
    standin.fail(POLLING[provider], status=404, times=9)
    assert train().job.id == "job1" and len(standin.jobs) == 1


@pytest.mark.parametrize("provider", ["fal"], indirect=True)
def test_a_key_of_fal_may_have_the_right_to_train_alone(train: Ordering, standin: StandIn):
    standin.fail("GET /v1/models/", status=403, body={"detail": "admin scope"}, times=99)
    train(trainer="fal-ai/turbo-flux-trainer")
    assert "Price: 2.40 USD. 1000 steps at 0.0024 USD, as its page had it" in train.said


def _age(train: Ordering, seconds: float) -> None:
    """As if the start had been asked for longer ago."""
    (path,) = (train.store.root / "runs").glob(f"*/{FILE}")
    job = json.loads(path.read_text())
    path.write_text(json.dumps(job | {"asked_at": job["asked_at"] - seconds}))


def test_a_refused_token_is_told_without_it(train: Ordering, standin: StandIn):
    standin.token = "another-token"
    with pytest.raises(RemoteError, match="refuses the token") as told:
        train()
    assert "tok-marked" not in str(told.value) and "[token]" in str(told.value)
    assert "environment variable" in str(told.value) and not standin.jobs
    standin.token = "tok-marked-5e3c1f-secret"
    train()
    assert len(standin.jobs) == 1


def test_a_token_that_is_revoked_meanwhile_loses_nothing(train: Ordering, standin: StandIn, provider: str):
    standin.fail(POLLING[provider], status=401, times=1)
    with pytest.raises(RemoteError, match="refuses the token"):
        train()
    assert train().job.id == "job1" and len(standin.jobs) == 1


def test_a_refused_order_says_what_is_wrong(train: Ordering, standin: StandIn, provider: str):
    fail_start(standin, status=422, body={"detail": [{"loc": ["body", "steps"], "msg": "too many", "type": "x"}]})
    with pytest.raises(RemoteError, match=r"status 422\): body.steps: too many"):
        train()
    train()
    assert len(standin.jobs) == 1, "what was refused left no doubt"


def test_an_empty_account_is_told(train: Ordering, standin: StandIn):
    fail_start(standin, status=402, body={"title": "Insufficient credit"})
    with pytest.raises(RemoteError, match="wants payment first: Insufficient credit"):
        train()
    assert not standin.jobs


def test_a_job_that_fails_is_told_and_not_started_again_by_itself(train: Ordering, standin: StandIn, starting: str):
    events = train.begin()
    with pytest.raises(RemoteError, match=r"Job job1 at \w+ failed: CUDA out of memory"):
        for _ in events:
            if "job1" in standin.jobs:
                standin.jobs["job1"].failed = "CUDA out of memory"
    with pytest.raises(RemoteError, match="CUDA out of memory"):
        train()
    assert starts(standin, starting) == 1
    trained = train(terms=terms(start="train again"))
    assert trained.job.id == "job2" and trained.job.earlier == ("job1",)
    assert len(standin.asked(UPLOADING[train.provider])) == (4 if train.provider == "civitai" else 1), "sent once"


def test_a_half_download_goes_on_where_it_stopped(train: Ordering, standin: StandIn):
    standin.fail(FETCHING, cut=0.5)
    train()
    first, second = standin.asked(FETCHING)
    assert "Range" not in first.headers
    assert second.headers["Range"] == f"bytes={len(standin.download()) // 2}-"


def test_a_server_that_cannot_go_on_sends_it_all_again(train: Ordering, standin: StandIn):
    standin.resumes = False
    standin.fail(FETCHING, cut=0.5, times=2)
    assert len(train().adapter.modules) == 2


def test_a_download_that_never_ends_well_is_tried_by_the_next_run(train: Ordering, standin: StandIn, starting: str):
    standin.fail(FETCHING, status=503, times=5)
    with pytest.raises(RemoteError, match="paid for and kept there"):
        train()
    assert train().job.id == "job1" and starts(standin, starting) == 1


@pytest.mark.parametrize(
    ("came", "problem"),
    [
        (b"<html>expired</html>" * 40, "safetensors"),
        (tar({"weights.pt": b"\x80\x02pickle"}), "holds no adapter, but weights.pt"),
        (tar({"lora.safetensors": b"\x00" * 600}), "safetensors"),
    ],
    ids=["a page", "a pickle", "zeros"],
)
def test_what_is_no_adapter_is_refused_and_fetched_again_later(
    train: Ordering, standin: StandIn, came: bytes, problem: str, monkeypatch: pytest.MonkeyPatch
):
    with monkeypatch.context() as patched:
        patched.setattr(standin, "download", lambda: came)
        with pytest.raises(AdapterError, match=problem):
            train()
    assert train().job.id == "job1" and len(standin.jobs) == 1


def test_an_outage_while_it_trains_is_waited_out(train: Ordering, standin: StandIn, provider: str):
    standin.fail(POLLING[provider], status=503, times=12)
    train()
    assert "Still waiting." in train.said and len(standin.jobs) == 1


def test_after_a_long_outage_the_next_run_goes_on(train: Ordering, standin: StandIn, provider: str, starting: str):
    standin.fail(POLLING[provider], drop=True, times=100)
    with pytest.raises(RemoteError, match=r"can't be reached|what was started goes on"):
        train(terms=terms(patience=replace(QUICK, outage=0.0, tries=2)))
    standin.faults.clear()
    assert train().job.id == "job1" and starts(standin, starting) == 1


def test_a_provider_out_of_reach_is_told(train: Ordering, standin: StandIn, monkeypatch: pytest.MonkeyPatch):
    closed = "http://127.0.0.1:9"
    with pytest.raises(RemoteError, match="can't be reached"):
        train(terms=terms(base_url=closed))
    assert not list((train.store.root / "runs").glob(f"*/{FILE}")), "nothing is in doubt"


@pytest.mark.parametrize("provider", ["civitai"], indirect=True)
def test_pictures_that_moderation_refuses_are_named(train: Ordering, standin: StandIn):
    standin.fail(
        r"POST /v2/consumer/blobs", status=201, serve=True, body={"id": "b", "blockedReason": "siteRestricted"}
    )
    with pytest.raises(RemoteError, match=r"doesn't take 0\.png: siteRestricted"):
        train()
    assert not standin.jobs


@pytest.mark.parametrize("provider", ["fal"], indirect=True)
def test_a_result_that_fal_keeps_no_longer_is_in_its_list(train: Ordering, standin: StandIn):
    standin.fail(r"GET .*/requests/\w+$", status=404, times=9)
    assert train().job.id == "job1"
    assert standin.asked("by-endpoint")


def test_a_damaged_note_of_the_job_is_no_reason_to_pay(train: Ordering, standin: StandIn, provider: str):
    standin.fail(POLLING[provider], status=401)
    with pytest.raises(RemoteError):
        train()
    (path,) = (train.store.root / "runs").glob(f"*/{FILE}")
    path.write_text("{")
    with pytest.raises(StorageError, match="whether this training was ordered"):
        train()
    assert len(standin.jobs) == 1


def test_an_interruption_that_cannot_end_the_job_says_so(train: Ordering, standin: StandIn):
    standin.polls = 10_000
    events = train.begin()
    while not (standin.jobs and standin.jobs["job1"].polls):
        next(events)
    standin.fail(r"(PUT|POST) ", status=500, times=9)
    with pytest.raises(RemoteError, match="couldn't be canceled, so it may go on and cost"):
        events.close()  # type: ignore[attr-defined]
    standin.faults.clear()
    standin.polls = 1
    assert train().job.id == "job1", "its result is taken after all"


TRAINING = """
import sys
from pathlib import Path
from hosted_orders import QUICK, Ordering
from lora_workbench.engine.data.loading import load_dataset
from lora_workbench.engine.runs.store import RunStore
provider, pictures, store = sys.argv[1:4]
train = Ordering(provider, load_dataset(Path(pictures)), RunStore(Path(store)))
for event in train.begin():
    print("alive", flush=True)
"""


KILLS = [("replicate", "upload"), ("replicate", "start"), ("fal", "start"), ("civitai", "poll"), ("fal", "fetch")]
"""One of each kind; at a start, where the provider lists the job and where it doesn't."""


@pytest.mark.parametrize(("provider", "when"), KILLS, indirect=["provider"])
def test_a_killed_process_is_taken_over(
    train: Ordering, standin: StandIn, provider: str, starting: str, when: str, tmp_path: Path
):
    """A process of its own is killed in the middle, as by a crash; the next one goes on."""
    standin.polls = 10_000 if when == "poll" else 2
    hung = _hang(standin, {"upload": UPLOADING[provider], "start": starting, "fetch": FETCHING}.get(when, "never"))
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(Path(__file__).parents[2]), *sys.path])}
    command = [sys.executable, "-c", TRAINING, provider, str(tmp_path / "fox"), str(train.store.root)]
    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and not (hung() if when != "poll" else _polled(standin, provider)):
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    standin.polls, before = 2, len(standin.jobs)
    other = Ordering(provider, replace(train.dataset, trigger=None), train.store)
    if provider == "fal" and when == "start":
        with pytest.raises(RemoteError, match="isn't started again"):
            other()
        standin.jobs["job1"].polls = 9
    trained = other()
    assert trained.job.id == "job1" and len(standin.jobs) == 1
    assert before == (0 if when == "upload" else 1)


def _polled(standin: StandIn, provider: str) -> bool:
    return bool(standin.asked(POLLING[provider]))


def _hang(standin: StandIn, where: str) -> Callable[[], bool]:
    """Make the stand-in serve a request and keep its answer back; gives whether it has come to that."""
    serve, came = standin.handle, []

    def slow(request):
        answer = serve(request)
        if re.search(where, f"{request.method} {request.path}") and request.query.get("whatif") != "true" and not came:
            came.append(True)
            time.sleep(1.0)
        return answer

    standin.handle = slow  # type: ignore[method-assign]
    return lambda: bool(came)


@pytest.mark.parametrize("provider", ["replicate"], indirect=True)
def test_two_processes_order_one_job(train: Ordering, standin: StandIn, tmp_path: Path, provider: str):
    standin.polls = 3
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(Path(__file__).parents[2]), *sys.path])}
    command = [sys.executable, "-c", TRAINING, provider, str(tmp_path / "fox"), str(train.store.root)]
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)
    while not standin.requests:
        time.sleep(0.01)
    other = Ordering(provider, replace(train.dataset, trigger=None), train.store)
    assert other().job.id == "job1"
    assert process.wait(timeout=120) == 0
    assert len(standin.jobs) == 1


@pytest.mark.parametrize("value", ["", "  ", "two words", "line\nbreak", "ü"])
def test_what_cannot_be_a_token_is_refused_without_showing_it(
    train: Ordering, standin: StandIn, provider: str, value: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv(VARIABLES[provider], value)
    with pytest.raises(ConfigError) as told:
        train()
    assert not value.strip() or value not in str(told.value)
    assert isinstance(told.value, WorkbenchError) and not standin.requests
