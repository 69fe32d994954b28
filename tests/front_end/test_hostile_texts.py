"""Texts of others never become markup: thirty payloads in every place that shows file names, captions or metadata."""

from __future__ import annotations

import json
import shutil
from base64 import b64decode
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from conftest import DRAWN_EITHER_WAY
from lora_workbench.engine.adapters.adapter import Adapter
from lora_workbench.engine.adapters.files import save_adapter
from lora_workbench.engine.adapters.kinds import LowRank
from lora_workbench.engine.data.loading import load_dataset
from lora_workbench.nodes.kit.galleries import gallery
from PIL import Image

if TYPE_CHECKING:
    from playwright.sync_api import Page, Route
    from standin import Standin

pytestmark = pytest.mark.pages

HIT = "window.lwHit=1"
PAYLOADS = (
    f"<script>{HIT}</script>", f"<img src=x onerror={HIT}>", f"<svg onload={HIT}>", f"<svg/onload={HIT}>",
    f"<b onmouseover={HIT}>b</b>", f"<a href=javascript:{HIT}>a</a>", f"javascript:{HIT}", f"JaVaScRiPt:{HIT}",
    f"\"><script>{HIT}</script>", f"'><img src=x onerror={HIT}>", f"\" onfocus={HIT} autofocus=\"",
    f"' onclick={HIT} '",
    f"`onload={HIT}`", f"</textarea><script>{HIT}</script>", f"</style><script>{HIT}</script>",
    f"</title><img src=x onerror={HIT}>", "<iframe srcdoc='<script>parent.lwHit=1</script>'>",
    "<iframe src=javascript:parent.lwHit=1>", f"<object data=javascript:{HIT}>", f"<embed src=javascript:{HIT}>",
    f"<details open ontoggle={HIT}>", f"<video><source onerror={HIT}>", f"<input autofocus onfocus={HIT}>",
    f"<math><mi xlink:href=javascript:{HIT}>m", f"<style>@import 'javascript:{HIT}'</style>", f"<body onload={HIT}>",
    f"<form><button formaction=javascript:{HIT}>b", "{{constructor.constructor('window.lwHit=1')()}}",
    f"${{{HIT}}}", f"&lt;img src=x onerror={HIT}&gt;", f"[a](javascript:{HIT})", f"![a](x\" onerror=\"{HIT})",
)  # fmt: skip
FILES = [payload.replace("/", "∕").replace("\\", "∖")[:80] for payload in PAYLOADS]
"""As names of files, which have no slash."""

PIXEL = b64decode("R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7")
MARKUP = """() => {
    const ours = document.querySelectorAll("[class*=lw-], .lw")
    const all = new Set([...ours].flatMap(one => [one, ...one.querySelectorAll("*")]))
    const wrong = one => /^(script|iframe|object|embed|style|video|math|form|b|a)$/i.test(one.localName)
        && /lwHit/.test(one.outerHTML) && !OWN(one)
    const OWN = one => ["b", "form"].includes(one.localName) && !one.querySelector("script, img, iframe, svg")
    const handled = one => [...one.attributes].some(({name, value}) =>
        name.startsWith("on") || (/^(href|src|action|formaction|data)$/.test(name) && /^\\s*javascript:/i.test(value)))
    return {
        hit: window.lwHit ?? 0,
        wrong: [...all].filter(one => wrong(one) || handled(one)).map(one => one.outerHTML.slice(0, 200)),
        shown: [...ours].filter(one => one.innerHTML.includes("lwHit")).length,
    }
}"""
VALUES = """() => [...document.querySelectorAll("[class*=lw-] :is(input, textarea)")]
    .some(one => one.value.includes("lwHit"))"""


def assert_only_text(page: Page, *, fields: bool = False) -> None:
    """Payloads are on the page, as text, or in fields, and none has become an element or has run."""
    page.wait_for_timeout(300)
    found = page.evaluate(MARKUP)
    assert found["hit"] == 0
    assert found["wrong"] == []
    assert found["shown"] or (fields and page.evaluate(VALUES))


@pytest.fixture(scope="module")
def hostile_adapters(standin: Standin) -> list[str]:
    """Adapters whose names, trigger phrases and descriptions are payloads."""
    import torch

    update = LowRank(down=torch.ones(2, 4), up=torch.ones(4, 2), alpha=2.0)
    modules = {"denoiser.mid_block.attentions.0.proj_in": update}
    names = []
    for name, payload in zip(FILES, PAYLOADS, strict=True):
        metadata = {"lw.triggers": json.dumps([payload.replace("|", " ")]), "ss_output_name": payload}
        metadata["ss_sd_model_name"] = payload
        adapter = Adapter(name=payload, family="sd1", modules=modules, metadata=metadata)
        path = standin.host.adapter_directory() / "hostile" / f"{name}.safetensors"
        save_adapter(adapter, path, key_style="kohya")
        names.append(f"hostile/{path.name}")
    return names


def test_rows_of_a_stack(lasting: Page, hostile_adapters: list[str]) -> None:
    usable = [name for name in hostile_adapters if "|" not in name]
    rows = "\n".join([*(f"on | {name} | 0.5" for name in usable), *(f"# {payload}" for payload in PAYLOADS)])
    prompt = {"1": {"class_type": "LW_Stack", "inputs": {"rows": rows}}}
    lasting.evaluate("async prompt => { await app.loadApiJson(prompt, 'hostile') }", prompt)
    editor = lasting.locator(".lw-stack")
    editor.locator(".lw-row:has(.lw-line)").nth(len(usable) - 1).wait_for(state="attached")
    lasting.wait_for_load_state("networkidle")
    assert_only_text(lasting)
    editor.get_by_role("button", name="Add an adapter").press("Enter")
    lasting.get_by_role("combobox", name="Search", exact=True).press_sequentially("lwHit")
    picker = lasting.locator(".lw-picker")
    picker.get_by_text(f"{len(hostile_adapters)} adapters").wait_for()
    for part in range(5):
        picker.locator(".lw-virtual").evaluate("(own, part) => own.scrollTop = own.scrollHeight * part / 5", part)
        assert_only_text(lasting)
    lasting.keyboard.press("Escape")
    for number in range(0, len(usable), 6):
        row = editor.locator(".lw-row:has(.lw-line)").nth(number)
        row.locator(".lw-handle").press("Shift+F10")
        lasting.locator(".lw-popover").get_by_role("button", name="Inspect", exact=True).press("Enter")
        lasting.locator(".lw-popover .lw-card").wait_for()
        assert_only_text(lasting)
        lasting.keyboard.press("Escape")
        row.locator(".lw-handle").press("Shift+F10")
        lasting.locator(".lw-popover").get_by_role("button", name="Open in the vault", exact=True).press("Enter")
        lasting.locator(".lw-vault .lw-card").first.wait_for()
        assert_only_text(lasting)
    lasting.evaluate("() => app.extensionManager.sidebarTab.toggleSidebarTab('lora-workbench-vault')")


AMOUNT = {
    "total_weight": 3.0, "effective_total": 2.5, "breaks": True, "suggested_factor": 0.64, "limit": 2.0, "best": 1.6,
}  # fmt: skip


@DRAWN_EITHER_WAY
def test_what_rows_amount_to(lasting: Page) -> None:
    """Names and families that the server tells."""
    described = [{"line": at, "name": own, "family": own, "phrases": [own], "blocks": [own]}
                 for at, own in enumerate(PAYLOADS, 1)]  # fmt: skip

    def describe(route: Route) -> None:
        route.fulfill(json={"text": "", "rows": described, "problems": list(PAYLOADS)})

    def amount(route: Route) -> None:
        route.fulfill(json=AMOUNT | {"unmeasured": list(PAYLOADS)})

    lasting.route("**/lora_workbench/rows", describe)
    lasting.route("**/lora_workbench/rows/amount", amount)
    rows = "\n".join(f"on | {number} | 0.5" for number in range(len(PAYLOADS)))
    prompt = {"1": {"class_type": "LW_Stack", "inputs": {"rows": rows}}}
    lasting.evaluate("async prompt => { await app.loadApiJson(prompt, 'amount') }", prompt)
    lasting.locator(".lw-amount .lw-warning").nth(2).wait_for()
    assert_only_text(lasting)
    lasting.unroute("**/lora_workbench/rows")
    lasting.unroute("**/lora_workbench/rows/amount")


def poisoned(value: Any, names: frozenset[str], payload: Callable[[], str], name: str = "") -> Any:
    """The value with payloads for texts below these names."""
    if isinstance(value, dict):
        return {key: poisoned(one, names, payload, key) for key, one in value.items()}
    if isinstance(value, list):
        return [poisoned(one, names, payload, name) for one in value]
    return payload() if isinstance(value, str) and name in names else value


RUN = {
    "run": "0123456789abcdef-2", "name": "", "number": "", "base": "", "family": "", "dataset": "", "done": 1,
    "steps": 2, "progress": "finished", "snapshots": [], "losses": [1.0, 0.5], "ended_early": "", "verdict": "",
    "has_report": True, "bytes": 1, "used": 1, "curve": [[1, 1.0], [2, 0.5]], "best": 1,
}  # fmt: skip
IN_RUNS = frozenset({"name", "number", "base", "family", "dataset", "verdict", "ended_early", "progress"})


@DRAWN_EITHER_WAY
def test_runs(lasting: Page) -> None:
    runs = [
        poisoned({**RUN, "run": f"{number:016x}-2"}, IN_RUNS, lambda payload=payload: payload)
        for number, payload in enumerate(PAYLOADS)
    ]

    def answer(route: Route) -> None:
        route.fulfill(json={"total": len(runs), "runs": runs})

    lasting.route("**/lora_workbench/runs", answer)
    tabs = lasting.evaluate("() => app.extensionManager.getSidebarTabs().map(tab => tab.id)")
    [tab] = [one for one in tabs if "run" in one.lower() and ("lora" in one.lower() or "lw" in one.lower())]
    lasting.evaluate("id => app.extensionManager.sidebarTab.toggleSidebarTab(id)", tab)
    lasting.locator(".lw-run").nth(len(PAYLOADS) - 1).wait_for()
    assert_only_text(lasting)
    lasting.evaluate("id => app.extensionManager.sidebarTab.toggleSidebarTab(id)", tab)


@DRAWN_EITHER_WAY
def test_the_vault(lasting: Page, hostile_adapters: list[str]) -> None:
    show = "() => app.extensionManager.sidebarTab.toggleSidebarTab('lora-workbench-vault')"
    lasting.evaluate(show)
    tab = lasting.locator(".lw-vault")
    tab.get_by_label("Search adapters").fill("hostile")
    tab.get_by_text(f"{len(hostile_adapters)} adapters").wait_for()
    for part in range(5):
        tab.locator(".lw-virtual").evaluate("(own, part) => own.scrollTop = own.scrollHeight * part / 5", part)
        assert_only_text(lasting)
    tab.get_by_role("button", name="Base").click()
    lasting.get_by_role("menu", name="Base").get_by_role("menuitemradio").nth(len(PAYLOADS) // 2).wait_for()
    assert_only_text(lasting)
    lasting.keyboard.press("Enter")
    tab.get_by_role("button", name="Clear the filters").wait_for()
    assert_only_text(lasting)
    tab.get_by_role("button", name="Clear the filters").click()
    lasting.evaluate(show)


@DRAWN_EITHER_WAY
def test_pictures_to_choose_a_preview_from(lasting: Page, standin: Standin, hostile_adapters: list[str]) -> None:
    samples = [{"run": "0123456789abcdef-2", "step": 1, "number": 1, "prompt": payload} for payload in PAYLOADS]
    lasting.route("**/lora_workbench/vault/pictures?*", lambda route: route.fulfill(json={"samples": samples}))
    lasting.route("**/lora_workbench/sample?*", lambda route: route.fulfill(body=PIXEL, content_type="image/gif"))
    images = [{"filename": f"{name}.png", "subfolder": "", "type": "output"} for name in FILES]
    for name in FILES:
        Image.new("RGB", (8, 8)).save(standin.folder / "output" / f"{name}.png")
    standin.play([("executed", {"node": "9", "display_node": "9", "output": {"images": images}})], "hostile")
    lasting.evaluate("() => app.extensionManager.sidebarTab.toggleSidebarTab('lora-workbench-vault')")
    tab = lasting.locator(".lw-vault")
    tab.get_by_label("Search adapters").fill("hostile")
    tab.get_by_text(f"{len(hostile_adapters)} adapters").wait_for()
    tab.get_by_role("button", name="Choose the preview").first.click()
    lasting.locator(".lw-shot").nth(len(PAYLOADS) + 10).wait_for()
    assert_only_text(lasting)
    lasting.keyboard.press("Escape")
    lasting.evaluate("() => app.extensionManager.sidebarTab.toggleSidebarTab('lora-workbench-vault')")


@pytest.fixture(scope="module")
def hostile_pictures(standin: Standin) -> Path:
    """A data set whose names of files and captions are payloads."""
    folder = standin.folder / "input" / "hostile"
    folder.mkdir(exist_ok=True)
    for number, (name, payload) in enumerate(zip(FILES, PAYLOADS, strict=True)):
        Image.new("RGB", (64, 64), (8 * number % 256, 90, 120)).save(folder / f"{name}.png")
        (folder / f"{name}.txt").write_text(payload, encoding="utf-8")
    return folder


ADD = """name => {
    app.rootGraph.clear()
    const node = app.rootGraph.add(Object.assign(LiteGraph.createNode(name), {pos: [40, 120]}))
    return (node ?? app.rootGraph.nodes[0]).id
}"""
SET_OVERRIDES = """([id, text]) => {
    const widget = app.rootGraph.getNodeById(id).widgets.find((widget) => widget.name === "overrides")
    widget.value = text
    widget.callback?.(widget.value)
}"""


@pytest.mark.parametrize("kind", ["LW_InspectDataset", "LW_EditCaptions"])
def test_galleries(lasting: Page, standin: Standin, hostile_pictures: Path, kind: str) -> None:
    node = str(lasting.evaluate(ADD, kind))
    dataset = load_dataset(hostile_pictures)
    flags = {record.name: [(PAYLOADS[1], PAYLOADS[0])] for record in dataset.records}
    output = {"lw_dataset": [gallery(dataset, flags=flags)]}
    standin.send("executed", {"node": node, "display_node": node, "output": output, "prompt_id": "x"})
    lasting.wait_for_selector(".lw-tile .lw-caption")
    assert_only_text(lasting)
    lasting.locator(".lw-tile").first.press("Enter")
    assert_only_text(lasting)
    lasting.keyboard.press("Escape")


def in_gallery(page: Page, standin: Standin, kind: str, folder: Path) -> str:
    """A node that shows the hostile pictures; its id."""
    node = str(page.evaluate(ADD, kind))
    output = {"lw_dataset": [gallery(load_dataset(folder))]}
    standin.send("executed", {"node": node, "display_node": node, "output": output, "prompt_id": "x"})
    page.wait_for_selector(".lw-tile .lw-caption")
    return node


@DRAWN_EITHER_WAY
def test_marking_duplicates(lasting: Page, standin: Standin, hostile_pictures: Path) -> None:
    in_gallery(lasting, standin, "LW_CurateDataset", hostile_pictures)
    lasting.locator(".lw-grid").focus()
    for key in ("ArrowRight", "m"):
        lasting.keyboard.press(key)
        assert_only_text(lasting)
    lasting.keyboard.press("Enter")
    lasting.keyboard.press("Enter")
    lasting.wait_for_selector(".lw-large [data-choice='duplicate'][aria-checked='true']:has-text('lwHit')")
    assert_only_text(lasting)
    lasting.keyboard.press("Escape")


@DRAWN_EITHER_WAY
def test_finding_and_replacing(lasting: Page, standin: Standin, hostile_pictures: Path) -> None:
    in_gallery(lasting, standin, "LW_EditCaptions", hostile_pictures)
    lasting.get_by_role("button", name="Find and replace in all captions").click()
    for payload in PAYLOADS:
        lasting.locator(".lw-replace").get_by_label("Find").fill(payload)
        lasting.locator(".lw-replace").get_by_label("Replace with").fill(f"{payload}{payload}")
        lasting.wait_for_selector(".lw-changes ins")
    lasting.locator(".lw-replace").get_by_label("Find").fill("i")
    lasting.locator(".lw-changes ins").nth(20).wait_for()
    assert_only_text(lasting)
    lasting.locator(".lw-replace .lw-main").click()
    lasting.wait_for_selector(".lw-tile:has-text('edited')")
    assert_only_text(lasting)


@DRAWN_EITHER_WAY
def test_writing_captions(lasting: Page, standin: Standin, hostile_pictures: Path, tmp_path: Path) -> None:
    folder = standin.folder / "input" / tmp_path.name
    shutil.copytree(hostile_pictures, folder)
    node = in_gallery(lasting, standin, "LW_EditCaptions", folder)
    lines = "\n".join(f"{name}.png: {payload} again" for name, payload in zip(FILES, PAYLOADS, strict=True))
    lasting.evaluate(SET_OVERRIDES, [int(node), lines])
    changed = next(folder.glob("*.txt"))
    changed.write_text("by somebody else", encoding="utf-8")
    lasting.get_by_role("button", name="Write the edited captions to their files").click()
    lasting.locator(".lw-write .lw-main:enabled").wait_for()
    assert_only_text(lasting)
    lasting.locator(".lw-write .lw-main").click()
    lasting.get_by_text("Caption files written:").wait_for()
    assert_only_text(lasting)
    assert changed.read_text(encoding="utf-8") == "by somebody else"
    lasting.keyboard.press("Escape")


@DRAWN_EITHER_WAY
def test_names_of_base_models(lasting: Page, standin: Standin, hostile_pictures: Path) -> None:
    in_gallery(lasting, standin, "LW_EditCaptions", hostile_pictures)
    lasting.evaluate("() => { app.rootGraph.nodes[0].properties.lw_base = 'a' }")
    told = iter([(payload, count) for payload in PAYLOADS[:6] for count in ({"tokens": 3, "limit": 75}, None)])

    def answer(route: Route) -> None:
        payload, count = next(told)
        route.fulfill(json={"models": [payload], "counts": [count and {**count, "model": payload}]})

    lasting.route("**/lora_workbench/tokens", answer)
    for number in range(12):
        lasting.locator(".lw-tile").nth(number).click()
        lasting.wait_for_selector(".lw-tokens:has-text('lwHit')")
        assert_only_text(lasting)
        lasting.keyboard.press("Escape")
    lasting.unroute("**/lora_workbench/tokens")


def test_the_form_of_a_recipe(lasting: Page) -> None:
    """Values, sources and problems that the server tells, which have names of base models and what people typed."""
    payloads = iter(PAYLOADS * 3)

    def resolve(route: Route) -> None:
        told = route.fetch().json()
        for value in told["values"].values():
            value["value"] = value["from"] = next(payloads, PAYLOADS[0])
        told["problems"] = [{"setting": "rank", "message": payload} for payload in PAYLOADS]
        told["unused"] = [{"setting": "seed_offset", "message": PAYLOADS[1]}]
        route.fulfill(json=told)

    lasting.route("**/lora_workbench/recipe/resolve", resolve)
    settings = "\n".join(f"steps = {payload}" for payload in PAYLOADS)
    inputs = {"goal": "subject", "quality": "standard", "settings": settings}
    prompt = {"1": {"class_type": "LW_Recipe", "inputs": inputs}}
    lasting.evaluate("async prompt => { await app.loadApiJson(prompt, 'recipe') }", prompt)
    lasting.locator(".lw-recipe-told div").nth(len(PAYLOADS) - 2).wait_for()
    lasting.locator("[data-group=adapter] summary").click()
    assert_only_text(lasting)
    lasting.get_by_role("button", name="Edit as text").click()
    assert_only_text(lasting, fields=True)
    lasting.unroute("**/lora_workbench/recipe/resolve")


def answering(told: dict[str, Any]) -> Callable[[Route], None]:
    return lambda route: route.fulfill(json=told)


def test_the_panel_of_a_training(lasting: Page, standin: Standin) -> None:
    """Verdicts, prompts of samples, memory and states."""
    lasting.route("**/lora_workbench/sample?*", lambda route: route.fulfill(body=PIXEL, content_type="image/gif"))
    for number, payload in enumerate(PAYLOADS):
        verdict = {"best": 2, "reasons": [payload]}
        seen = {
            "run": f"{number:024x}-4", "name": payload, "finished": True, "running": False, "stopped_at": 0, "steps": 4,
            "losses": [1.0, 0.5, 0.4], "prior": [], "learning_rates": [1e-4], "snapshots": [2], "can_sample": False,
            "figures": [{"step": 2, "training": 0.5, "held": 0.6}], "verdict": verdict, "memory": payload,
            "samples": [{"step": 2, "prompts": [payload]}], "live": None, "ended_early": payload,
        }  # fmt: skip
        lasting.route("**/lora_workbench/training?*", answering(seen))
        prompt = {"1": {"class_type": "LW_TrainLoRA", "inputs": {"seed": 1, "name": payload}}}
        lasting.evaluate("async prompt => { await app.loadApiJson(prompt, 'panel') }", prompt)
        told = {"node": "1", "prompt_id": "of another page", "run": seen["run"], "steps": 4, "first": 1, "losses": [],
                "prior": [], "learning_rate": 1e-4, "rate": 1.0, "memory": None, "opened": True}  # fmt: skip
        standin.send("lora_workbench.training", told)
        lasting.locator(".lw-training").wait_for()
        output = {"text": [payload]}
        standin.send("executed", {"node": "1", "display_node": "1", "prompt_id": "of another page", "output": output})
        assert_only_text(lasting, fields=True)
        lasting.evaluate("() => app.rootGraph.clear()")
        lasting.wait_for_timeout(100)  # the panel may be asking still
        lasting.unroute("**/lora_workbench/training?*")


@DRAWN_EITHER_WAY
def test_messages_of_what_has_ended(lasting: Page, standin: Standin) -> None:
    for number, payload in enumerate(PAYLOADS[::4]):
        told = {"kind": "training", "outcome": "failed", "name": payload, "told": payload, "id": f"hostile-{number}"}
        standin.send("lora_workbench.ended", told)
        lasting.locator(".p-toast-message").last.wait_for()
    found = lasting.evaluate(MARKUP)
    assert found["hit"] == 0
    markup = "() => [...document.querySelectorAll('.p-toast :is(script, iframe, object, embed, img)')].length"
    assert lasting.evaluate(markup) == 0
