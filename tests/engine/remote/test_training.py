"""A hosted training from the data set to the adapter, at stand-ins of all providers."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hosted_orders import Ordering, terms
from hosted_standins import FETCHING, POLLING, STARTING, StandIn, zipped
from lora_workbench.engine.adapters.files import load_adapter
from lora_workbench.engine.core.errors import CaptionError, ConfigError, DatasetError, RemoteError
from lora_workbench.engine.core.events import Event
from lora_workbench.engine.data.dataset import ImageRecord
from lora_workbench.engine.data.loading import load_dataset
from lora_workbench.engine.data.references import Reference
from lora_workbench.engine.remote.terms import NotStartedError
from lora_workbench.engine.runs.inventory import inventory, prune
from lora_workbench.engine.runs.listing import listed_runs
from PIL import Image


def test_an_adapter_comes_back_and_is_kept(train: Ordering, standin: StandIn, provider: str):
    trained = train()
    assert not trained.cached and trained.job.id == "job1" and trained.seconds >= 0
    assert len(trained.adapter.modules) == 2 and trained.adapter.path and trained.adapter.path.is_file()
    assert [job.id for job in standin.jobs.values()] == ["job1"]
    assert steps_of(train) == [500], "after one of two questions"
    assert f"started as job job1 at {standin.title}" in train.said and f"running at {standin.title}" in train.said
    before = len(standin.requests)
    again = train(name="renamed")
    assert again.cached and again.adapter.name == "renamed"
    assert again.adapter.content_hash == trained.adapter.content_hash
    assert len(standin.requests) == before, "nothing is asked, let alone paid, for what is here"


def steps_of(train: Ordering) -> list[int]:
    return [event.done for event in train.counted if event.label.startswith("training at")]


def test_epochs_of_civitai_add_up(open_standin, pictures, store):
    """It estimates how far the epoch is that is trained now."""
    open_standin("civitai", polls=8)
    train = Ordering("civitai", pictures, store)
    train(settings={"epochs": 4})
    assert steps_of(train) == [125, 250, 375, 500, 625, 750, 875]


WAITS = {
    "preparing": ({"estimatedProgressRate": 0.4}, "waiting at Civitai (its base model is being fetched, 40%)"),
    "scheduled": ({"jobs": [{"queuePosition": {"precedingJobs": 7}}]}, "waiting at Civitai (number 7 in the queue)"),
    "unassigned": ({}, "waiting at Civitai"),
}


@pytest.mark.parametrize("state", WAITS)
def test_civitai_tells_what_is_waited_for(open_standin, pictures, store, state: str):
    standin, (told, words) = open_standin("civitai"), WAITS[state]
    standin.fail(POLLING["civitai"], body={"id": "job1", "status": state, "steps": [{"status": state, **told}]})
    train = Ordering("civitai", pictures, store)
    train()
    assert f"fox: {words}\n" in train.said
    assert len(steps_of(train)) == 1, "no step is done while it waits"


def test_the_data_set_goes_out_as_each_provider_wants_it(train: Ordering, standin: StandIn, provider: str):
    train()
    (job,) = standin.jobs.values()
    captions = [record.caption for record in train.dataset]
    if provider == "civitai":
        inputs = job.order["steps"][0]["input"]
        assert inputs["trainingData"]["type"] == "blobs"
        items = inputs["trainingData"]["items"]
        assert [item["caption"] for item in items] == captions
        assert [standin.files[item["air"]] for item in items] == [record.read() for record in train.dataset]
        assert (inputs["engine"], inputs["ecosystem"], inputs["triggerWord"]) == ("ai-toolkit", "sdxl", "zwx")
        return
    (data,) = standin.files.values()
    members = zipped(data)
    assert sorted(members) == sorted([*(f"{n}.png" for n in range(4)), *(f"{n}.txt" for n in range(4))])
    assert [members[f"{n}.txt"].decode() for n in range(4)] == captions
    inputs = job.order["input"] if provider == "replicate" else job.order
    assert inputs["steps"] == 1000 and inputs["trigger_word"] == "zwx"
    if provider == "replicate":
        assert job.order["destination"] == "me/fox" and inputs["autocaption"] is False


def test_it_is_described_like_our_own(train: Ordering, standin: StandIn, provider: str):
    trained = train(settings={"learning_rate": 3e-4, "seed": 7})
    told = load_adapter(trained.adapter.path).metadata
    assert told["modelspec.title"] == "fox" and told["modelspec.trigger_phrase"] == "zwx fox"
    family = {"replicate": "flux1", "fal": "flux1", "civitai": "sdxl"}[provider]
    assert told["lw.family"] == family and told["modelspec.architecture"].endswith("/lora")
    assert json.loads(told["lw.dataset"])[0]["caption"] == "a photo of zwx fox, red"
    assert told["lw.dataset_hash"] == train.dataset.content_hash
    recipe = json.loads(told["lw.recipe"])
    assert (recipe["rank"], recipe["alpha"], recipe["steps"], recipe["learning_rate"]) == (4, 4, 1000, 3e-4)
    assert (told["ss_network_dim"], told["ss_steps"], told["ss_seed"]) == ("4", "1000", "7")
    hosted = json.loads(told["lw.hosted"])
    assert (hosted["provider"], hosted["job"]) == (provider, "job1")
    assert "lw.losses" not in told and "lw.base_hash" not in told, "what isn't known isn't told"
    assert told["software"] == "somebody's trainer" and "workflow" not in told and "lw.companions" not in told


def test_another_order_is_another_training(train: Ordering, standin: StandIn):
    train()
    train(steps=1200)
    train(settings={"network_alpha": 8})
    other = train.dataset.with_captions([f"{record.caption}!" for record in train.dataset])
    Ordering(train.provider, other, train.store)()
    assert len(standin.jobs) == 4


def test_the_price_is_told_before_the_start(train: Ordering, standin: StandIn, provider: str):
    with pytest.raises(NotStartedError) as told:
        train(terms=terms(start="tell the price"))
    price = {"replicate": "tells no price", "fal": "2.00 USD", "civitai": "400.00 Buzz"}[provider]
    assert price in str(told.value) and "4 pictures" in str(told.value)
    assert not standin.jobs and not standin.files, "nothing was sent"
    train()
    assert price in train.said


@pytest.mark.parametrize(("limit", "starts"), [(1.0, ()), (2.0, ("fal",)), (400.0, ("fal", "civitai"))])
def test_a_price_above_the_limit_is_refused(
    train: Ordering, standin: StandIn, provider: str, limit: float, starts: tuple[str, ...]
):
    if provider in starts:
        train(terms=terms(price_limit=limit))
        assert len(standin.jobs) == 1
    else:
        with pytest.raises(RemoteError, match=f"at most {limit:g}, as price_limit says"):
            train(terms=terms(price_limit=limit))
        assert not standin.jobs and not standin.files


def test_without_a_told_price_fal_uses_the_published_one(open_standin, pictures, store):
    open_standin("fal", price=0)
    train = Ordering("fal", pictures, store)
    train(trainer="fal-ai/qwen-image-trainer-v2", steps=200)
    assert "Price: 1.00 USD. 500 steps at 0.002 USD, as its page had it in November 2026." in train.said


def test_without_a_token_it_says_where_to_put_one(train: Ordering, standin: StandIn, provider: str, monkeypatch):
    from hosted_standins import VARIABLES

    monkeypatch.delenv(VARIABLES[provider])
    with pytest.raises(ConfigError, match=f"the environment variable {VARIABLES[provider]}"):
        train()
    assert not standin.requests


def test_captions_are_needed_before_anything_is_sent(pictures, store, standin: StandIn, provider: str):
    bare = pictures.with_captions(["a photo of zwx fox", "", "zwx", "zwx"])
    lost = pictures.with_captions(["a photo of a fox", "zwx", "zwx", "zwx"])
    for dataset, problem in ((bare, "no caption"), (lost, "trigger word 'zwx' is missing")):
        with pytest.raises(CaptionError, match=problem):
            Ordering(provider, dataset, store)()
    assert not standin.requests


def until_polled(events: Iterator[Event], standin: StandIn) -> None:
    """Wait until a job runs, then stop as a user does."""
    while not (standin.jobs and standin.jobs["job1"].polls):
        next(events)
    events.close()  # type: ignore[attr-defined]


def test_a_canceled_job_is_started_again_only_by_a_new_run(train: Ordering, standin: StandIn):
    standin.polls = 50
    events = train.begin()
    until_polled(events, standin)
    assert standin.jobs["job1"].canceled, "an interruption ends what costs"
    standin.polls = 2
    trained = train()
    assert trained.job.id == "job2" and len(standin.jobs) == 2


def test_a_job_may_be_left_running(train: Ordering, standin: StandIn):
    standin.polls = 20
    events = train.begin(terms=terms(cancel_when_closed=False))
    until_polled(events, standin)
    assert not standin.jobs["job1"].canceled
    standin.polls = 2
    assert train().job.id == "job1" and len(standin.jobs) == 1
    assert "which was started before" in train.said


def test_a_job_can_be_canceled_by_its_order(train: Ordering, standin: StandIn):
    standin.polls = 50
    events = train.begin(terms=terms(cancel_when_closed=False))
    until_polled(events, standin)
    train.cancel()
    assert standin.jobs["job1"].canceled
    with pytest.raises(RemoteError, match="No job of this order is running"):
        Ordering(train.provider, train.dataset.with_captions(["zwx"] * 4), train.store).cancel()
    standin.polls = 2
    assert train().job.id == "job2"


def test_whoever_waits_is_told_that_the_job_was_canceled_elsewhere(train: Ordering, standin: StandIn):
    standin.polls = 10_000
    with pytest.raises(RemoteError, match=r"Job job1 at \w+ was canceled, so there is no adapter"):
        for _ in train.begin():
            if standin.jobs and standin.jobs["job1"].polls == 2:
                standin.jobs["job1"].canceled = True


def test_a_stop_request_ends_the_job(train: Ordering, standin: StandIn):
    standin.polls = 10_000
    events = train.begin()
    with pytest.raises(RemoteError, match="was canceled"):
        for _ in events:
            if standin.jobs and standin.jobs["job1"].polls == 2:
                (folder,) = (train.store.root / "runs").iterdir()
                train.store.request(folder.name, "stop").touch()
    assert standin.jobs["job1"].canceled


def test_it_is_listed_among_the_runs_and_never_pruned(train: Ordering, standin: StandIn):
    trained = train()
    (run,) = listed_runs(train.store)
    assert (run.name, run.progress, run.steps) == ("fox", "finished", 1000)
    (item,) = inventory(train.store)
    assert item.kind == "adapter"
    from lora_workbench.engine.runs.inventory import Wish

    assert prune(train.store, Wish(larger_than=0)) == []
    assert trained.adapter.path and trained.adapter.path.exists()


def test_a_damaged_result_is_fetched_again_and_not_paid_again(train: Ordering, standin: StandIn):
    path = train().adapter.path
    assert path
    path.write_bytes(path.read_bytes()[:100])
    trained = train()
    assert not trained.cached and len(standin.jobs) == 1 and len(standin.asked(FETCHING)) == 2
    assert len(standin.asked(STARTING[train.provider])) == (2 if train.provider == "civitai" else 1), "with a whatif"


def test_no_other_host_gets_the_token(train: Ordering, standin: StandIn, open_standin):
    elsewhere = open_standin("fal" if train.provider != "fal" else "civitai")
    elsewhere.adapter = standin.download()
    standin.fail(FETCHING, status=302, headers={"Location": f"{elsewhere.url}/download/weights"})
    trained = train()
    assert len(trained.adapter.modules) == 2
    (request,) = elsewhere.requests
    assert "Authorization" not in request.headers


def test_destination_and_trainer_are_checked_at_once(pictures, store):
    train = Ordering("replicate", pictures, store)
    with pytest.raises(ConfigError, match="a model of yours"):
        train.order(destination="")
    with pytest.raises(ConfigError, match="can't be a trainer"):
        train.order(trainer="ostris/flux dev")
    with pytest.raises(ConfigError, match="hf_token: secrets"):
        train.order(settings={"hf_token": "x"})
    with pytest.raises(ConfigError, match="did you mean fal"):
        Ordering("fall", pictures, store).order()


def test_an_unknown_destination_is_refused_before_the_start(open_standin, pictures, store):
    standin = open_standin("replicate")
    with pytest.raises(ConfigError, match="no model me/cat"):
        Ordering("replicate", pictures, store)(destination="me/cat")
    assert not standin.jobs


def test_civitai_refuses_what_it_has_no_place_for(pictures, store):
    long = pictures.with_captions([f"zwx {'x' * 1100}", "zwx", "zwx", "zwx"])
    with pytest.raises(CaptionError, match="at most 1024"):
        Ordering("civitai", long, store).order()


def test_fal_gets_masks_and_others_say_that_they_leave_them_out(
    train: Ordering, standin: StandIn, provider: str, tmp_path: Path
):
    folder = tmp_path / "fox"
    for path in sorted(folder.glob("*.png")):
        Image.new("L", (32, 24), 200).save(path.with_name(f"{path.stem}_mask.png"))
    masked = replace(load_dataset(folder), trigger=train.dataset.trigger)
    assert all(record.mask for record in masked)
    other = Ordering(train.provider, masked, train.store)
    other()
    if provider == "fal":
        (data,) = standin.files.values()
        assert sorted(name for name in zipped(data) if "_mask." in name) == [f"{n}_mask.jpg" for n in range(4)]
    else:
        assert "mask" in other.said


def reference_of(record: ImageRecord) -> Reference:
    """The picture itself, as before editing."""
    return Reference(
        source=record.source, content_hash=record.content_hash, width=record.width, height=record.height
    )  # fmt: skip


def test_pairs_go_to_trainers_of_edit_models_alone(open_standin, pictures, store):
    standin = open_standin("fal")
    pairs = replace(pictures, records=tuple(replace(record, reference=reference_of(record)) for record in pictures))
    with pytest.raises(DatasetError, match="doesn't train an edit model"):
        Ordering("fal", pairs, store).order()
    Ordering("fal", pairs, store)(trainer="fal-ai/flux-2-klein-4b-base-trainer/edit")
    (data,) = standin.files.values()
    assert {"0_start.png", "0_end.png"} <= zipped(data).keys()


def test_equal_pictures_that_civitai_takes_once_are_named(open_standin, pictures, store, tmp_path: Path):
    standin, folder = open_standin("civitai"), tmp_path / "fox"
    shutil.copy(folder / "0.png", folder / "copy.png")
    (folder / "copy.txt").write_text("another zwx", encoding="utf-8")
    train = Ordering("civitai", replace(load_dataset(folder), trigger=pictures.trigger), store)
    train()
    assert "copy.png equals an earlier picture, and Civitai takes each once." in train.said
    assert len(standin.jobs["job1"].order["steps"][0]["input"]["trainingData"]["items"]) == 4


def test_a_destination_that_is_not_used_is_named(open_standin, pictures, store):
    open_standin("fal")
    train = Ordering("fal", pictures, store)
    train(destination="me/fox")
    assert "destination = me/fox isn't used" in train.said


def test_masks_and_repeats_that_are_left_out_are_told(open_standin, pictures, store):
    open_standin("civitai")
    records = (replace(pictures.records[0], repeats=3), *pictures.records[1:])
    train = Ordering("civitai", replace(pictures, records=records), store)
    train()
    assert "each picture is sent once: 0.png" in train.said
