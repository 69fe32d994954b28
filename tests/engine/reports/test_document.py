"""The report is one HTML file that holds all of it, escapes every text and fetches nothing."""

from __future__ import annotations

import base64
import hashlib
import json
import math
import re
from dataclasses import replace
from functools import cache
from html.parser import HTMLParser

import pytest
from lora_workbench.engine.reports.charts import MOST_POINTS, Line, chart
from lora_workbench.engine.reports.document import document
from lora_workbench.engine.reports.page import (
    Group,
    Measure,
    Picture,
    Pictures,
    RunPage,
    Sample,
    Samples,
    SampleStep,
    Setting,
    Verdict,
)
from lora_workbench.engine.reports.samples import shown_steps
from PIL import Image, ImageDraw

HOSTILE = "</title></pre></script><script>alert('1')</script><img src=x onerror=\"alert(2)\"> &amp; \x1b[31m \u202e"
VOID = {"meta", "img", "input", "br", "link"}


class Parsed(HTMLParser):
    """What a page is made of; fails where elements aren't closed in the order in which they were opened."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert not self._open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert len({name for name, _ in attrs}) == len(attrs)
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]

    def classes(self) -> set[str]:
        return {name for _, attributes in self.elements for name in (attributes.get("class") or "").split()}

    @property
    def text(self) -> str:
        return " ".join(self.texts)


@cache
def painted(seed: int, side: int) -> Image.Image:
    """Something as detailed as a photograph."""
    sheet = Image.effect_noise((side, side), 40).convert("RGB")
    draw = ImageDraw.Draw(sheet)
    for n in range(40):
        x, y = (seed * 37 + n * 53) % side, (seed * 91 + n * 29) % side
        draw.ellipse((x, y, x + side // 5, y + side // 7), fill=(n * 6 % 256, seed * 40 % 256, 200 - n))
    return sheet.resize((side // 2, side // 2)).resize((side, side))


def page(**changes: object) -> RunPage:
    """A run with everything, of 16 pictures."""
    losses = [(float(step), 0.2 - 0.0003 * step + 0.03 * math.sin(step)) for step in range(1, 301)]
    samples = [
        SampleStep(step=step, samples=[Sample(prompt="a zwx fox", image=painted(step, 512))] * 3)
        for step in range(50, 301, 50)
    ]
    pictures = [Picture(name=f"{n}.png", caption="zwx fox", image=painted(n, 400)) for n in range(16)]
    values: dict[str, object] = {
        "title": "fox",
        "steps": 300,
        "seconds": 90.0,
        "trigger": "zwx fox",
        "losses": losses,
        "parts": {"subject": losses, "prior": losses},
        "learning_rates": [(step, 1e-4) for step, _ in losses],
        "verdict": Verdict(text="Best: step 200.", reasons=["It repeats 3.png from 250 on."]),
        "picked": 200,
        "measures": [Measure(name="Held-out loss", points=[(100, 0.2), (200, 0.1), (300, 0.3)], better="lower")],
        "samples": Samples(steps=samples),
        "pictures": Pictures(name="foxes", shown=pictures, count=16),
        "recipe": [Group(title="Adapter", settings=[Setting(name="rank", value="8", instead_of="default 16")])],
        "reason": "Sixteen pictures of a subject.",
        "notes": ["A warm-up longer than the run has no effect."],
        "facts": {"Device": "cpu, float32"},
        "hashes": {"Adapter": "a" * 64},
        "graph": json.dumps({"nodes": [{"type": "LW_TrainLoRA"}]}),
    }
    return RunPage(**{**values, **changes})  # type: ignore[arg-type]


def small(**changes: object) -> RunPage:
    """The same with tiny pictures, which is faster."""
    picture = Image.new("RGB", (8, 8))
    samples = Samples(steps=[SampleStep(step=s, samples=[Sample(prompt="a", image=picture)]) for s in (100, 200, 300)])
    pictures = Pictures(name="foxes", shown=[Picture(name="1.png", caption="zwx fox", image=picture)], count=1)
    return page(**{"samples": samples, "pictures": pictures, **changes})


@pytest.fixture(scope="module")
def whole() -> str:
    return document(page())


def test_everything_is_on_the_page(whole: str) -> None:
    parsed = Parsed(whole)
    for told in ("300 steps", "1 min 30 s", "Best: step 200.", "It repeats 3.png", "Held-out loss", "Lower is better",
                 "16 pictures", "default 16", "warm-up", "cpu, float32", "a" * 64, "LW_TrainLoRA"):  # fmt: skip
        assert told in parsed.text, told
    assert len(parsed.all("img")) == 16 + 18
    assert {"Loss", "Parts of the loss", "Learning rate", "Held-out loss"} <= set(parsed.texts)


def test_sixteen_pictures_stay_below_a_megabyte(whole: str) -> None:
    assert 100_000 < len(whole.encode()) < 1_000_000


def test_equal_runs_give_equal_pages() -> None:
    assert document(small()) == document(small())


def test_nothing_is_fetched(whole: str) -> None:
    parsed = Parsed(whole)
    for _, attributes in parsed.elements:
        for name in ("src", "href", "srcset", "action", "data", "poster", "xlink:href"):
            assert (attributes.get(name) or "data:").startswith("data:")
        assert not [name for name in attributes if name.startswith("on")]
    assert "http:" not in whole and "https:" not in whole and "url(" not in whole and "@import" not in whole


def test_browsers_are_told_to_fetch_nothing_and_to_run_only_its_script(whole: str) -> None:
    [policy] = [meta for meta in Parsed(whole).all("meta") if meta.get("http-equiv") == "Content-Security-Policy"]
    [script] = re.findall(r"<script>(.*?)</script>", whole, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    rules = dict(rule.split(" ", 1) for rule in (policy["content"] or "").split("; "))
    assert rules["default-src"] == "'none'" and rules["img-src"] == "data:"
    assert rules["script-src"] == f"'sha256-{digest}'"
    assert whole.index("Content-Security-Policy") < whole.index("<style>")


def test_every_text_is_escaped() -> None:
    picture = Image.new("RGB", (8, 8))
    settings = [Setting(name=HOSTILE, value=HOSTILE, source=HOSTILE)]
    hostile = page(
        title=HOSTILE, subtitle=HOSTILE, trigger=HOSTILE, reason=HOSTILE, notes=[HOSTILE], facts={HOSTILE: HOSTILE},
        verdict=Verdict(text=HOSTILE, reasons=[HOSTILE]), hashes={HOSTILE: HOSTILE},
        graph=json.dumps({"note": HOSTILE}), recipe=[Group(title=HOSTILE, settings=settings)],
        measures=[Measure(name=HOSTILE, points=[(1, 1.0)], about=HOSTILE)],
        parts={HOSTILE: [(1.0, 1.0)], "prior": [(1.0, 1.0)]},
        samples=Samples(steps=[SampleStep(step=1, samples=[Sample(prompt=HOSTILE, image=picture)])]),
        pictures=Pictures(
            name=HOSTILE, count=2, note=HOSTILE,
            shown=[Picture(name=HOSTILE, caption=HOSTILE, marks=[HOSTILE], image=picture), Picture(name=HOSTILE)],
        ),
    )  # fmt: skip
    text = document(hostile)
    parsed = Parsed(text)
    assert len(parsed.all("script")) == 1 and len(parsed.all("img")) == 2
    assert not [name for _, attributes in parsed.elements for name in attributes if name.startswith("on")]
    assert "\x1b" not in text and "\u202e" not in text
    assert parsed.text.count("alert(2)") > 20


def test_what_is_missing_is_left_out() -> None:
    bare = Parsed(document(RunPage(title="fox", steps=3)))
    assert not bare.all("section") and not bare.all("svg") and not bare.all("img")
    assert "3 steps" in bare.text and " in " not in bare.text and "loss" not in bare.text
    for name, empty, told in (
        ("verdict", None, "Verdict"), ("measures", (), "Snapshots"), ("samples", None, "Sample pictures"),
        ("pictures", None, "Data set"), ("recipe", (), "Recipe"), ("notes", (), "Notes"), ("graph", "", "Graph"),
    ):  # fmt: skip
        assert told in Parsed(document(small())).texts
        assert told not in Parsed(document(small(**{name: empty}))).texts


def test_without_a_script_all_sample_pictures_are_shown() -> None:
    parsed = Parsed(document(small(picked=200)))
    frames = [attributes for _, attributes in parsed.elements if attributes.get("class") == "frame"]
    assert [frame["data-label"] for frame in frames] == ["100", "200 (picked)", "300"]
    assert not [frame for frame in frames if "hidden" in frame]
    [slider] = parsed.all("input")
    assert (slider["min"], slider["max"], slider["value"]) == ("0", "2", "1"), "it begins at the step that was picked"
    assert "hidden" in next(attributes for _, attributes in parsed.elements if attributes.get("class") == "slider")


def test_pictures_of_one_step_need_no_slider() -> None:
    one = small().samples
    assert one is not None
    assert not Parsed(document(small(samples=replace(one, steps=one.steps[:1])))).all("input")


def test_curves_tell_what_they_show() -> None:
    parsed = Parsed(chart("Loss", "It falls.", [Line([(1, 0.5), (2, 0.25)], "smooth")], marked=2))
    [outer, _] = parsed.all("svg")
    labels = (outer["aria-labelledby"] or "").split()
    assert outer["role"] == "img" and labels == [parsed.all("title")[0]["id"], parsed.all("desc")[0]["id"]]
    assert parsed.texts[:2] == ["Loss", "It falls."]
    assert [line for line in parsed.all("line") if line["class"] == "mark"]


@pytest.mark.parametrize("values", [[], [math.nan], [0.5], [0.0, 0.0], [math.nan, 0.5, math.inf, 0.25], [1e-9, -1e9]])
def test_any_values_make_a_curve(values: list[float]) -> None:
    drawn = chart("Loss", "", [Line(list(enumerate(values, 1)), "raw")])
    Parsed(drawn)
    assert bool(drawn) == any(map(math.isfinite, values))
    assert "nan" not in drawn and "inf" not in drawn


def test_long_curves_are_thinned() -> None:
    drawn = chart("Loss", "", [Line([(float(n), n % 7) for n in range(1, 100_001)], "raw")])
    [line] = Parsed(drawn).all("path")
    assert (line["d"] or "").count("L") < MOST_POINTS and "100000" in drawn


def test_of_many_steps_the_first_and_the_last_are_shown() -> None:
    assert shown_steps([1, 2, 3], 5) == [1, 2, 3]
    shown = shown_steps(list(range(10, 1010, 10)), 24)
    assert len(shown) == len(set(shown)) == 24 and (shown[0], shown[-1]) == (10, 1000)
