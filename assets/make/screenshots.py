"""Make the pictures of our front end again, for the docs and for the nodes' help pages.

The front end is ComfyUI's own, in Chromium, on the stand-in server of the tests; what it shows are results of real runs
on the demo base, which are kept in ``--folder``, so that only the first time takes minutes. Nothing else is needed but
``make venv`` and Chromium. Look at the pictures before you keep them.

    .venv/bin/python assets/make/screenshots.py            # all
    .venv/bin/python assets/make/screenshots.py recipe     # one or more by name
"""

from __future__ import annotations

import argparse
import io
import json
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import lora_workbench
from lora_workbench.cli.nodes import registry
from lora_workbench.engine.runs.following import run_name
from lora_workbench.engine.runs.listing import listed_runs
from lora_workbench.headless.executor import Executor
from lora_workbench.headless.preparing import prepare
from lora_workbench.headless.reading import read_workflow
from PIL import Image

ROOT = Path(lora_workbench.__file__).resolve().parent
sys.path[:0] = [str(ROOT / "tests" / "front_end"), str(ROOT / "tests")]

from chromium import chromium  # noqa: E402
from front_ends import PINNED, READY, front_end_package, user_settings  # noqa: E402
from standin import Standin, serve  # noqa: E402

if TYPE_CHECKING:
    from lora_workbench.headless.workflow import WorkflowNode
    from lora_workbench.nodes.host.headless import HeadlessHost
    from playwright.sync_api import Browser, Locator, Page

Graph = dict[str, dict[str, Any]]
Box = dict[str, float]

DOCS = ROOT / "docs" / "images"
HELP = ROOT / "js" / "docs" / "images"
HELP_WIDTH = 760
"""Pixels; the help panel is about half as wide."""
WORKFLOWS = ROOT / "workflows"
USE_CASES = {
    "brand-assets": ("sheet",), "character": ("sheet", "comparison"), "artist-style": ("weights", "commission"),
    "product-photography": ("grid",),
}  # fmt: skip
"""Their workflows, with the pictures for their pages; the first of each is also its thumbnail."""
GRAPH = (3000, 1250)
"""Of the window in which their graphs are shown, in pixels."""
THUMBNAIL = 512
"""Pixels of its longer side."""

SETTINGS = """steps = 200; rank = 8; snapshot_every = 40; sample_every = 50; sample_prompts = an emoji of a zwx animal
measures = true; held_out = 0.2"""
ROWS = """on | subjects/fox.safetensors | 0.8 | 0.6 | mid=0.5, up.1=0.8 | zwx animal
on | styles/riso.safetensors | 0.6
off | subjects/fox.safetensors | 0.35"""

OPEN_API = """async ([prompt, name]) => {
    await app.loadApiJson(prompt, name)
    while (!app.extensionManager.workflow.activeWorkflow?.path.includes(name))
        await new Promise(done => setTimeout(done, 50))
}"""
SHOW = """([id, size]) => {
    const node = app.rootGraph.getNodeById(id)
    for (const other of app.rootGraph.nodes) other.pos = [other === node ? 0 : 9000, 0]
    if (size) node.setSize(size)
    Object.assign(app.canvas.ds, { scale: 1, offset: [500, 80] })
    app.canvas.setDirty(true, true)
}"""
"""One node alone."""
FIT = "() => app.extensionManager.command.execute('Comfy.Canvas.FitView')"
SHARP = "() => { app.canvas.min_font_size_for_lod = 0; app.canvas.setDirty(true, true) }"
"""Titles and pictures are drawn however small they are."""
AROUND = """() => {
    const boxes = [...app.rootGraph.nodes, ...app.rootGraph.groups].map(one => one.boundingRect ?? one.boundingBox)
    const { scale, offset } = app.canvas.ds
    const place = app.canvas.canvas.getBoundingClientRect()
    const left = Math.min(...boxes.map(box => box[0])), right = Math.max(...boxes.map(box => box[0] + box[2]))
    const top = Math.min(...boxes.map(box => box[1])), bottom = Math.max(...boxes.map(box => box[1] + box[3]))
    const margin = 12
    return {
        x: place.x + (left + offset[0]) * scale - margin, y: place.y + (top + offset[1]) * scale - margin,
        width: (right - left) * scale + 2 * margin, height: (bottom - top) * scale + 2 * margin,
    }
}"""
"""Where the graph is on the page."""
TAB = "id => app.extensionManager.sidebarTab.toggleSidebarTab(id)"


# What is shown.


def fox() -> Graph:
    """A data set that is captioned, looked at and trained on."""
    nodes = {
        "1": ("LW_LoadBase", {"base": "demo_base", "device": "cpu", "precision": "fp32"}),
        "2": ("LW_LoadDataset", {"path": "assets/datasets/fox"}),
        "3": ("LW_TriggerCaptions", {"dataset": ["2", 0], "trigger_word": "zwx", "class_word": "animal"}),
        "4": ("LW_EditCaptions", {"dataset": ["3", 0]}),
        "5": ("LW_InspectDataset", {"dataset": ["4", 0], "goal": "subject", "resolution": 64}),
        "6": ("LW_CurateDataset", {"dataset": ["4", 0], "goal": "subject", "resolution": 64, "drop_small": False}),
        "7": ("LW_Recipe", {"dataset": ["4", 0], "base": ["1", 0], "goal": "subject", "quality": "standard",
                            "settings": SETTINGS}),
        "8": ("LW_TrainLoRA", {"dataset": ["4", 0], "base": ["1", 0], "recipe": ["7", 0], "seed": 1, "name": "fox"}),
        "9": ("LW_SaveAdapter", {"adapter": ["8", 0], "filename": "subjects/fox"}),
        "10": ("LW_PreviewDataset", {"dataset": ["6", 0]}),
    }  # fmt: skip
    return {name: {"class_type": kind, "inputs": inputs} for name, (kind, inputs) in nodes.items()}


def riso() -> Graph:
    """A style, so that there are two adapters."""
    graph = fox()
    graph["2"]["inputs"]["path"] = "assets/datasets/riso"
    graph["3"]["inputs"] |= {"trigger_word": "qvk", "class_word": "style"}
    graph["7"]["inputs"]["settings"] = SETTINGS.replace("an emoji of a zwx animal", "a qvk style emoji of an umbrella")
    graph["8"]["inputs"]["name"] = "riso"
    graph["9"]["inputs"]["filename"] = "styles/riso"
    return graph


# Running graphs here, where the routes of the stand-in find what they give.


class Recording(Executor):
    """Keeps what each node tells its page."""

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self.shown: dict[str, Mapping[str, Any]] = {}

    def _run_node(self, node: WorkflowNode, workflow: Any, signatures: Mapping[str, str]) -> bool:
        ran = super()._run_node(node, workflow, signatures)
        stored = self._stored(signatures[node.id])
        self.shown[node.id] = stored.ui if stored else {}
        return ran


def run(standin: Standin, path: Path) -> dict[str, Mapping[str, Any]]:
    """What each node of a workflow tells its page. All run, and trainings are found finished after the first time."""
    shutil.rmtree(standin.host.store_root() / "nodes", ignore_errors=True)
    nodes = registry()
    executor = Recording(nodes, standin.host)
    executor.run(prepare(read_workflow(path, nodes), nodes))
    return executor.shown


# Pages and pictures.


@dataclass
class Studio:
    """A browser, the stand-in, and results of runs by the names of their graphs."""

    browser: Browser
    standin: Standin

    def play(self, name: str, graph: Graph | None = None) -> dict[str, Mapping[str, Any]]:
        """Run a graph, or a workflow of ours, once for all pictures."""
        path = WORKFLOWS / f"{name}.json"
        if graph is not None:
            path = self.standin.folder / f"{name}.json"
            path.write_text(json.dumps(graph), encoding="utf-8")
        kept = self.__dict__.setdefault("results", {})
        if name not in kept:
            kept[name] = run(self.standin, path)
        return kept[name]

    @contextmanager
    def page(self, renderer: str = "vue", *, scale: float = 2, size: tuple[int, int] = (1600, 1100)) -> Iterator[Page]:
        self.standin.settings |= user_settings(renderer) | {"Comfy.Minimap.Visible": False}
        viewport = {"width": size[0], "height": size[1]}
        context = self.browser.new_context(viewport=viewport, device_scale_factor=scale)
        page = context.new_page()
        page.set_default_timeout(90_000)
        page.goto(self.standin.url)
        page.wait_for_function(READY)
        page.wait_for_load_state("networkidle")
        yield page
        context.close()

    def open(self, page: Page, name: str, graph: Graph) -> None:
        """A graph after its run."""
        results = self.play(name, graph)
        page.evaluate(OPEN_API, [graph, name])
        self.tell(results)
        page.wait_for_timeout(1500)

    def tell(self, results: Mapping[str, Mapping[str, Any]]) -> None:
        """What the nodes of a run have told."""
        runs = {own.name: own for own in reversed(listed_runs(self.standin.host.run_store()))}  # the newest counts
        for node, ui in results.items():
            for report in ui.get("lw_report", ()):
                if (own := runs.get(report.get("name"))) and "first_loss" in report:
                    part = {"run": run_name(own.lineage, own.steps), "steps": own.steps, "first": 1, "losses": []}
                    self.standin.play([("lora_workbench.training", {"node": node, "opened": True, **part})])
            self.standin.play([("executed", {"node": node, "display_node": node, "output": ui})])
        self.standin.play([("execution_success", {})])


def node(page: Page, number: int, size: tuple[int, int] | None = None) -> Locator:
    """A node made of Vue components, alone on the page."""
    page.evaluate(SHOW, [number, size])
    page.wait_for_timeout(1200)
    return page.locator(f"[data-node-id='{number}']")


def down_to(shown: Locator, last: Locator) -> Box:
    """A node without what comes after an element."""
    whole, part = shown.bounding_box(), last.bounding_box()
    assert whole is not None
    assert part is not None
    return {**whole, "height": part["y"] + part["height"] - whole["y"]}


def picture_of(page: Page, place: Locator | Box, margin: int = 6) -> Image.Image:
    """A part of the page with a margin."""
    box = place if isinstance(place, dict) else place.bounding_box()
    assert box is not None, "it is on the page"
    clip = {"x": box["x"] - margin, "y": box["y"] - margin, "width": box["width"] + 2 * margin,
            "height": box["height"] + 2 * margin}  # fmt: skip
    return Image.open(io.BytesIO(page.screenshot(clip=clip))).convert("RGB")  # type: ignore[arg-type]


def keep(picture: Image.Image, name: str, *, docs: bool = False, help_page: bool = True) -> None:
    """Save a picture for the pages of ``docs`` and for help pages."""
    if docs:
        picture.quantize(256, dither=Image.Dither.NONE).save(DOCS / f"{name}.png", optimize=True)
    if help_page:
        HELP.mkdir(exist_ok=True)
        small = picture.copy()
        small.thumbnail((HELP_WIDTH, 2000), Image.Resampling.LANCZOS)
        small.save(HELP / f"{name}.webp", quality=80, method=6)


# The pictures.


def quickstart(studio: Studio) -> None:
    """The whole quickstart, for README.md."""
    whole_graph(studio, "quickstart", (2000, 1000))


def use_cases(studio: Studio) -> None:
    """Graphs and results of the use cases, for their pages and the template browser."""
    for name, shown in USE_CASES.items():
        whole_graph(studio, name, GRAPH)
        for number, prefix in enumerate(shown):
            path = max((studio.standin.host.output_directory() / name).glob(f"{prefix}_*.png"))
            with Image.open(path) as opened:
                picture = opened.convert("RGB")
            picture.save(DOCS / f"{name}-{prefix}.jpg", quality=88, optimize=True)
            if not number:
                small = picture.crop((0, 0, picture.width, min(picture.height, picture.width)))
                small.thumbnail((THUMBNAIL, THUMBNAIL), Image.Resampling.LANCZOS)
                small.save(WORKFLOWS / f"{name}.jpg", quality=88, optimize=True)


def whole_graph(studio: Studio, name: str, size: tuple[int, int]) -> None:
    """A workflow of ours after its run, all of it."""
    results = studio.play(name)
    workflow = json.loads((WORKFLOWS / f"{name}.json").read_text(encoding="utf-8"))
    with studio.page("canvas", scale=1, size=size) as page:
        page.evaluate("([workflow, name]) => app.loadGraphData(workflow, true, true, name)", [workflow, name])
        studio.tell(results)
        page.wait_for_timeout(4000)
        page.evaluate(FIT)
        page.evaluate(SHARP)
        page.wait_for_timeout(2000)
        keep(picture_of(page, page.evaluate(AROUND), 0), f"{name}-graph", docs=True, help_page=False)


def training(studio: Studio) -> None:
    with studio.page() as page:
        studio.open(page, "fox", fox())
        shown = node(page, 8)
        keep(picture_of(page, down_to(shown, shown.locator(".lw-training"))), "training-panel", docs=True)


def recipe(studio: Studio) -> None:
    with studio.page() as page:
        studio.open(page, "fox", fox())
        shown = node(page, 7)
        shown.locator("[data-group=adapter] summary").click()
        keep(picture_of(page, node(page, 7)), "recipe-form", docs=True)


def gallery(studio: Studio) -> None:
    with studio.page() as page:
        studio.open(page, "fox", fox())
        keep(picture_of(page, node(page, 5).locator(".lw-gallery")), "gallery")


def caption(studio: Studio) -> None:
    with studio.page(scale=1, size=(1100, 760)) as page:
        studio.open(page, "fox", fox())
        grid = node(page, 4).locator(".lw-grid")
        grid.focus()
        grid.press("Enter")
        page.wait_for_timeout(1500)
        keep(picture_of(page, page.locator(".lw-large"), 0), "gallery-large", docs=True)


def curate(studio: Studio) -> None:
    with studio.page() as page:
        studio.open(page, "fox", fox())
        shown = node(page, 6)
        grid = shown.locator(".lw-grid")
        grid.focus()
        for key in ("d", "ArrowRight", "k"):
            grid.press(key)
        page.wait_for_timeout(800)
        keep(picture_of(page, shown.locator(".lw-gallery")), "curate")


def stack(studio: Studio) -> None:
    studio.play("fox", fox())
    studio.play("riso", riso())
    with studio.page() as page:
        page.evaluate(OPEN_API, [{"1": {"class_type": "LW_Stack", "inputs": {"rows": ROWS}}}, "stack"])
        shown = node(page, 1)
        keep(picture_of(page, shown), "stack-editor", docs=True)


def vault(studio: Studio) -> None:
    studio.play("fox", fox())
    studio.play("riso", riso())
    give_previews(studio.standin.host)
    with studio.page(size=(900, 1000)) as page:
        page.evaluate(TAB, "lora-workbench-vault")
        page.locator(".lw-card img").nth(1).wait_for()
        page.wait_for_timeout(1500)
        tab, last = page.locator(".lw-vault").bounding_box(), page.locator(".lw-card").last.bounding_box()
        assert tab is not None
        assert last is not None
        shown: Box = {"x": 0, "y": 0, "width": tab["x"] + tab["width"], "height": last["y"] + last["height"] + 6}
        keep(picture_of(page, shown, 0), "vault-tab", docs=True)


def give_previews(host: HeadlessHost) -> None:
    """Let the last sample picture of each training be its adapter's preview."""
    for own in listed_runs(host.run_store()):
        for sample in sorted(host.run_store().samples(own.lineage, own.steps).rglob("*.webp"))[-1:]:
            for adapter in host.adapter_directory().rglob(f"{own.name}.safetensors"):
                with Image.open(sample) as picture:
                    picture.save(adapter.with_suffix(".preview.png"))


PICTURES: dict[str, Callable[[Studio], None]] = {
    make.__name__: make for make in (training, recipe, gallery, caption, curate, stack, vault, quickstart, use_cases)
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", help=f"of {', '.join(PICTURES)}; by default all")
    parser.add_argument(
        "--folder", type=Path, default=ROOT / "build" / "screenshots", help="for the runs that are shown"
    )
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    with chromium() as browser, serve(front_end_package(PINNED), ROOT, arguments.folder) as standin:
        studio = Studio(browser, standin)
        for name in arguments.names or PICTURES:
            print(name, flush=True)
            PICTURES[name](studio)


if __name__ == "__main__":
    main()
