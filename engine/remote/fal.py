"""fal: a zip on its storage, a request in its queue, a safetensors file."""

from __future__ import annotations

import re
import time
from collections.abc import Generator, Mapping
from pathlib import Path
from typing import Any

from ..core.errors import ConfigError, DatasetError, RemoteError
from ..core.events import Event, Message
from ..data.dataset import Dataset
from .api import DoubtError, ForbiddenError, MissingError
from .contract import Order, Price, Provider, State, Status, Trainer
from .packing import packed
from .progress import steps_in

_PAGES = 5
"""Of its list, with 100 requests each."""
_STATES: Mapping[str, State] = {"IN_QUEUE": "waiting", "IN_PROGRESS": "running", "COMPLETED": "done"}
_RESULTS = ("diffusers_lora_file", "lora_file")
"""Names that endpoints give the adapter, the usual first."""


class Fal(Provider):
    """Trainings on fal."""

    name = "fal"
    title = "fal"
    hosts = {  # noqa: RUF012
        "jobs": "https://queue.fal.run",
        "files": "https://rest.fal.ai",
        "account": "https://api.fal.ai",
    }
    scheme = "Key"
    variables = ("FAL_KEY",)
    url_variable = "FAL_BASE_URL"
    page = "https://fal.ai/dashboard/requests"
    trainers = {  # noqa: RUF012
        "fal-ai/flux-lora-fast-training": Trainer(
            data="images_data_url", trigger="trigger_word", family="flux1", base="FLUX.1 dev"
        ),
        "fal-ai/turbo-flux-trainer": Trainer(
            data="images_data_url", trigger="trigger_phrase", family="flux1", base="FLUX.1 dev", usd_per_step=0.0024
        ),
        "fal-ai/flux-lora-portrait-trainer": Trainer(
            data="images_data_url", trigger="trigger_phrase", family="flux1", base="FLUX.1 dev"
        ),
        "fal-ai/krea-2-trainer": Trainer(
            data="images_data_url", trigger="trigger_phrase", family="krea2", base="Krea 2", usd_per_step=0.0028,
            least_steps=100,
        ),
        "fal-ai/flux-2-trainer": Trainer(data="image_data_url", base="FLUX.2 dev", rate=5e-5, usd_per_step=0.0064),
        "fal-ai/qwen-image-trainer-v2": Trainer(
            data="image_data_url", family="qwen-image", base="Qwen-Image", rate=5e-4, usd_per_step=0.002,
            least_steps=500,
        ),
        "fal-ai/qwen-image-2512-trainer-v2": Trainer(
            data="image_data_url", family="qwen-image", base="Qwen-Image 2512", usd_per_step=0.00095, least_steps=500
        ),
    }  # fmt: skip
    other = Trainer(data="image_data_url")
    lists_all = False

    @classmethod
    def check(cls, order: Order, dataset: Dataset) -> None:
        if not re.fullmatch(r"[\w.-]+(/[\w.-]+)+", order.trainer):
            raise ConfigError(
                f"{order.trainer} isn't an endpoint of fal.",
                expected=f"owner/name, such as {cls.default_trainer()}",
                hint="copy its name from fal.ai.",
            )
        if dataset.has_pairs and order.trainer in cls.trainers:
            raise DatasetError(
                f"{dataset.name} holds pairs, and {order.trainer} doesn't train an edit model.",
                expected="plain pictures, or an endpoint for edits, such as fal-ai/flux-2-klein-4b-base-trainer/edit",
                hint="name such an endpoint.",
            )

    def price(self, order: Order, pictures: int) -> Generator[Event, None, Price]:
        del pictures
        known = self.trainer(order.trainer)
        steps = max(order.steps, known.least_steps)
        told = yield from self._told_price(order.trainer)
        unit = str(told.get("unit", "")).lower()
        if isinstance(rate := told.get("unit_price"), (int, float)) and "step" in unit:
            per = int(found[0]) if (found := re.search(r"\d+", unit)) else 1
            currency = str(told.get("currency", "USD"))
            words = f"{steps} steps at {rate:g} {currency} for {unit}, as fal tells now."
            return Price(amount=rate * steps / max(per, 1), currency=currency, words=words)
        if known.usd_per_step is not None:
            words = f"{steps} steps at {known.usd_per_step:g} USD, as its page had it in November 2026."
            return Price(amount=known.usd_per_step * steps, currency="USD", words=words)
        each = (
            f"{rate:g} {told.get('currency', 'USD')} for {unit or 'a unit'}"
            if isinstance(rate, (int, float))
            else "nothing"
        )
        return Price(amount=None, words=f"fal tells {each} for {order.trainer}, and not how much a training takes.")

    def _told_price(self, endpoint: str) -> Generator[Event, None, Mapping[str, Any]]:
        try:
            told = yield from self.api.get(self.url("/v1/models/pricing", "account"), endpoint_id=endpoint)
        except (MissingError, ForbiddenError):  # keys may have the right to train alone
            return {}
        prices = told.get("prices") or [{}]
        return next((price for price in prices if price.get("endpoint_id") == endpoint), {})

    def upload(self, order: Order, dataset: Dataset, folder: Path) -> Generator[Event, None, Any]:
        del order
        archive = yield from packed(dataset, folder, "fal")
        yield Message(text=f"sending {archive.stat().st_size / 1e6:.1f} MB to {self.title}")
        place = yield from self.api.asked(
            "POST",
            self.url("/storage/upload/initiate", "files"),
            params={"storage_type": "gcs"},
            json={"file_name": "pictures.zip", "content_type": "application/zip"},
        )
        try:
            target, address = str(place["upload_url"]), str(place["file_url"])
        except (KeyError, TypeError):
            raise RemoteError(
                "fal gives no address to send the pictures to.",
                expected="upload_url and file_url, as its interface had it",
                hint="nothing was started; try again later.",
            ) from None
        headers = {"Content-Type": "application/zip"}
        yield from self.api.uploaded("PUT", target, archive, lambda file: {"content": file, "headers": headers})
        return {"url": address}

    def start(self, order: Order, uploaded: Any, mark: str) -> Generator[Event, None, str]:
        del mark  # the address of the pictures is unique
        known = self.trainer(order.trainer)
        inputs = {known.data: uploaded["url"], "steps": order.steps, **known.inputs}
        inputs |= {known.trigger: order.trigger} if order.trigger and known.trigger else {}
        answer = yield from self.api.started(self.url(f"/{order.trainer}"), {**inputs, **order.settings})
        try:
            return str(answer["request_id"])
        except (KeyError, TypeError):
            raise DoubtError("the answer holds no number of a request") from None

    def find(self, order: Order, uploaded: Any, mark: str, since: float) -> Generator[Event, None, list[str]]:
        del mark
        data = self.trainer(order.trainer).data
        items = yield from self._listed(order, start=_date(since - 3600))
        return [
            str(item["request_id"]) for item in items if (item.get("json_input") or {}).get(data) == uploaded["url"]
        ]

    def status(self, order: Order, job: str) -> Generator[Event, None, Status]:
        try:
            told = yield from self.api.get(self._job(order, job) + "/status", logs="1")
        except MissingError:
            return (yield from self._ended(order, job))
        state = _STATES.get(told.get("status", ""), "running")
        if state == "done" and told.get("error"):
            kind = f" ({told['error_type']})" if told.get("error_type") else ""
            words = self.api.shown(f"{told['error']}{kind}")
            return Status(state="canceled" if "cancel" in words.lower() else "failed", words=words)
        log = "\n".join(str(line.get("message", "")) for line in told.get("logs") or () if isinstance(line, dict))
        place = told.get("queue_position")
        words = f"number {place} in the queue" if state == "waiting" and place is not None else ""
        return Status(state=state, words=words, done=steps_in(log, order.steps), total=order.steps if log else 0)

    def cancel(self, order: Order, job: str) -> Generator[Event, None, None]:
        try:
            yield from self.api.asked("PUT", self._job(order, job) + "/cancel")
        except RemoteError as error:
            if "ALREADY_COMPLETED" not in str(error):
                raise

    def result(self, order: Order, job: str) -> Generator[Event, None, str]:
        """fal keeps results for minutes or an hour, and in its list for as long as the account keeps payloads."""
        try:
            told = yield from self.api.get(self._job(order, job))
        except MissingError:
            told = (yield from self._item(order, job)).get("json_output")
        if not (address := _adapter_in(told)):
            raise MissingError(
                f"fal has no adapter of the request {job} any more.",
                expected=f"an address under {_RESULTS[0]}",
                hint=f"look at {self.page}: if its file is still there, put it into the LoRA folder.",
            )
        return address

    def _ended(self, order: Order, job: str) -> Generator[Event, None, Status]:
        """How a request ended that its queue knows no more, by its list.

        Raises:
            MissingError: the list doesn't have it either.
        """
        if _adapter_in((yield from self._item(order, job)).get("json_output")):
            return Status(state="done")
        raise MissingError(f"fal doesn't know the request {job}.", expected="a request in its queue, or in its list")

    def _item(self, order: Order, job: str) -> Generator[Event, None, Mapping[str, Any]]:
        """A request in its list; empty if it isn't there."""
        items = yield from self._listed(order, request_id=job)
        return next((item for item in items if item.get("request_id") == job), {})

    def _listed(self, order: Order, **filters: str) -> Generator[Event, None, list[Mapping[str, Any]]]:
        """Requests that have ended, with what went in and came out; fal lists no others."""
        found: list[Mapping[str, Any]] = []
        cursor: dict[str, str] = {}
        for _ in range(_PAGES):
            try:
                page = yield from self.api.get(
                    self.url("/v1/models/requests/by-endpoint", "account"),
                    endpoint_id=order.trainer, expand="payloads", limit=100, **filters, **cursor,
                )  # fmt: skip
            except ForbiddenError:  # as for the price
                break
            found += [item for item in page.get("items", ()) if "request_id" in item]
            if not (page.get("has_more") and page.get("next_cursor")):
                break
            cursor = {"cursor": str(page["next_cursor"])}
        return found

    def _job(self, order: Order, job: str) -> str:
        """Jobs are known by owner and application; what follows in an endpoint's name isn't part of it."""
        owner, application = order.trainer.split("/")[:2]
        return self.url(f"/{owner}/{application}/requests/{job}")


def _adapter_in(told: Any) -> str:
    """The address of the adapter among what an endpoint gives; empty if there is none."""
    if not isinstance(told, dict):
        return ""
    files = {name: value["url"] for name, value in told.items() if isinstance(value, dict) and "url" in value}
    named = [files[name] for name in _RESULTS if name in files]
    others = [url for url in files.values() if str(url).split("?")[0].endswith(".safetensors")]
    return str(next(iter(named + others), ""))


def _date(seconds: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))
