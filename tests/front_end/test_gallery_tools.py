"""What is done with pictures and captions in a gallery beyond single edits."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from conftest import DRAWN_EITHER_WAY
from galleries import shown, value
from lora_workbench.engine.captions.overrides import by_record, parse_overrides
from lora_workbench.engine.core.resources import ASSETS
from lora_workbench.engine.data.buckets import BucketSettings, bucketed
from lora_workbench.engine.data.dataset import Dataset, TriggerWord
from lora_workbench.engine.data.loading import load_dataset
from lora_workbench.engine.data.masking import with_masks
from lora_workbench.engine.models.registry import load_base
from lora_workbench.nodes.kit.galleries import gallery
from lora_workbench.nodes.kit.token_counts import remembered
from PIL import Image
from waiting import until

if TYPE_CHECKING:
    from playwright.sync_api import Page
    from standin import Standin

SCRIPTS = "/extensions/lora-workbench/data/"
UNDO = """async () => {
  const { changeTracker } = app.extensionManager.workflow.activeWorkflow
  await changeTracker.undo()
}"""
SETTLED = "() => app.extensionManager.workflow.activeWorkflow.changeTracker.captureCanvasState?.()"


@pytest.fixture
def folder(standin: Standin, tmp_path: Path) -> Path:
    """Twelve captioned pictures in the input folder."""
    folder = standin.folder / "input" / tmp_path.name
    folder.mkdir()
    for number in range(12):
        Image.new("RGB", (96, 64), (20 * number, 90, 160)).save(folder / f"{number:02}.png")
        (folder / f"{number:02}.txt").write_text(f"ohwx Fox, foxglove, number {number}", encoding="utf-8")
    return folder


@pytest.fixture
def dataset(folder: Path) -> Dataset:
    return Dataset(name="fox", records=load_dataset(folder).records, trigger=TriggerWord(word="ohwx"))


def done(value: Any) -> Any:
    """The result of one of the engine's loops."""
    while True:
        try:
            next(value)
        except StopIteration as ended:
            return ended.value


def test_a_duplicate_is_marked_by_keys(lasting: Page, standin: Standin, dataset: Dataset) -> None:
    node = shown(lasting, standin, "LW_CurateDataset", dataset)
    lasting.locator(".lw-grid").focus()
    for key in ("ArrowRight", "ArrowRight", "m"):
        lasting.keyboard.press(key)
    assert "Which picture does 02.png repeat?" in lasting.locator(".lw-gallery-bar").inner_text()
    lasting.keyboard.press("Enter")
    assert value(lasting, node, "drop") == "02.png = 01.png"
    tile = lasting.locator(".lw-tile[data-name='02.png']")
    tile.get_by_text("duplicate", exact=True).wait_for()
    assert "duplicate of 01.png" in str(tile.get_attribute("title"))
    assert "M marks a duplicate" in lasting.locator(".lw-gallery-bar").inner_text()
    lasting.keyboard.press("m")
    assert value(lasting, node, "drop") == ""


def test_a_duplicate_is_marked_by_clicks(lasting: Page, standin: Standin, dataset: Dataset) -> None:
    node = shown(lasting, standin, "LW_CurateDataset", dataset)
    lasting.locator(".lw-tile[data-name='03.png']").click()
    lasting.get_by_role("radio", name="Duplicate of …").click()
    lasting.locator(".lw-tile.lw-marking[data-name='03.png']").wait_for()
    assert lasting.locator(".lw-large").count() == 0
    lasting.locator(".lw-tile[data-name='00.png']").click()
    assert value(lasting, node, "drop") == "03.png = 00.png"
    lasting.locator(".lw-tile[data-name='03.png']").click()
    assert lasting.get_by_role("radio", name="Duplicate of 00.png").get_attribute("aria-checked") == "true"
    lasting.get_by_role("radio", name="Keep").click()
    assert (value(lasting, node, "keep"), value(lasting, node, "drop")) == ("03.png", "")
    lasting.keyboard.press("Escape")


def test_marking_can_be_cancelled(lasting: Page, standin: Standin, dataset: Dataset) -> None:
    node = shown(lasting, standin, "LW_CurateDataset", dataset)
    lasting.locator(".lw-grid").focus()
    for key in ("m", "Escape"):
        lasting.keyboard.press(key)
    assert lasting.locator(".lw-marking").count() == 0
    lasting.keyboard.press("Enter")
    lasting.wait_for_selector(".lw-large")
    lasting.keyboard.press("Escape")
    assert value(lasting, node, "drop") == ""


@DRAWN_EITHER_WAY
def test_duplicates_never_repeat_each_other(lasting: Page, standin: Standin, dataset: Dataset) -> None:
    node = shown(lasting, standin, "LW_CurateDataset", dataset)
    mark = """async ([id, pairs]) => {
      const { Edits } = await import("SCRIPTSedits.mjs")
      const edits = new Edits(app.rootGraph.getNodeById(id))
      for (const [name, other] of pairs) edits.markDuplicate(name, other)
    }""".replace("SCRIPTS", SCRIPTS)
    lasting.evaluate(mark, [node, [["a", "b"], ["c", "a"], ["b", "a"]]])
    assert value(lasting, node, "drop") == "c = b\nb = a"


def test_texts_are_replaced_in_all_captions_in_one_step(lasting: Page, standin: Standin, dataset: Dataset) -> None:
    node = shown(lasting, standin, "LW_EditCaptions", dataset)
    lasting.evaluate(SETTLED)
    lasting.get_by_role("button", name="Find and replace in all captions").click()
    dialog = lasting.locator(".lw-replace")
    dialog.get_by_label("Find").fill("fox")
    dialog.get_by_label("Replace with").fill("$& cat: \\1")
    dialog.get_by_text("Captions that change: 12 of 12, places: 24").wait_for()
    dialog.get_by_label("Whole words").check()
    dialog.get_by_text("Captions that change: 12 of 12, places: 12").wait_for()
    dialog.get_by_label("Match case").check()
    dialog.get_by_text("Captions that change: 0 of 12, places: 0").wait_for()
    assert dialog.get_by_role("button", name="Replace", exact=True).is_disabled()
    dialog.get_by_label("Match case").uncheck()
    assert dialog.locator("del").all_inner_texts()[:2] == ["Fox", "Fox"]
    assert dialog.locator("ins").first.inner_text() == "$& cat: \\1"
    dialog.get_by_role("button", name="Replace", exact=True).click()
    lines = value(lasting, node, "overrides").split("\n")
    assert lines[3] == "03.png: ohwx $& cat: \\1, foxglove, number 3" and len(lines) == 12
    assert lasting.locator(".lw-tile[data-name='03.png'] .lw-label").inner_text() == "edited"
    lasting.evaluate(UNDO)
    lasting.wait_for_function("() => app.rootGraph.nodes[0].widgets.find(one => one.name === 'overrides').value === ''")


@DRAWN_EITHER_WAY
def test_losing_the_trigger_word_is_told(lasting: Page, standin: Standin, dataset: Dataset) -> None:
    shown(lasting, standin, "LW_EditCaptions", dataset)
    lasting.get_by_role("button", name="Find and replace in all captions").click()
    lasting.locator(".lw-replace").get_by_label("Find").fill("OHWX")
    lasting.get_by_text("Captions that lose the trigger word: 12").wait_for()
    lasting.keyboard.press("Escape")
    until(lasting, lasting.locator(".lw-replace").count, 0)


@DRAWN_EITHER_WAY
@pytest.mark.parametrize(
    ("text", "find", "how", "wanted"),
    [
        ("a fox, foxes, a FOX", "fox", "", "a X, Xes, a X"),
        ("a fox, foxes, a FOX", "fox", "case", "a X, Xes, a FOX"),
        ("a fox, foxes, a FOX", "fox", "words", "a X, foxes, a X"),
        ("кот и котёнок", "кот", "words", "X и котёнок"),
        ("一只狐狸在雪中", "狐狸", "words", "一只X在雪中"),
        ("(a+b) [c] a+b", "a+b", "words", "(X) [c] X"),
        ("cafe\u0301 café", "café", "", "X X"),
        ("a b", "$&", "", None),
        ("one\ntwo", "\n", "", None),
    ],
)
def test_finding(lasting: Page, text: str, find: str, how: str, wanted: str | None) -> None:
    code = """async ([text, find, how]) => {
      const { changed, finder } = await import("SCRIPTSreplacing.mjs")
      const found = finder(find, { matchCase: how.includes("case"), wholeWords: how.includes("words") })
      return changed(text, found, "X")?.after ?? null
    }""".replace("SCRIPTS", SCRIPTS)
    if find == "\n":
        wanted = "oneXtwo"
    assert lasting.evaluate(code, [text, find, how]) == wanted


@DRAWN_EITHER_WAY
def test_many_overrides_mean_what_the_node_reads(lasting: Page, dataset: Dataset) -> None:
    code = """async ([before, captions]) => {
      const { Overrides } = await import("SCRIPTSoverrides.mjs")
      const made = new Overrides(before).with(captions.map(([name, text]) => [name, text ?? undefined]))
      return [made, captions.map(([name]) => new Overrides(made).of(name) ?? null)]
    }""".replace("SCRIPTS", SCRIPTS)
    before = "00: by hand\n\n'01.png'： full-width\n02.png: two\n05.png: five: and more"
    captions = [["01.png", "new: one"], ["02.png", None], ["03.png", "a\n b"], ["00.png", "zero"]]
    made, read = lasting.evaluate(code, [before, captions])
    assert read == ["new: one", None, "a b", "zero"]
    meant = by_record(dataset, parse_overrides(made, dataset))
    assert meant == {"00.png": "zero", "01.png": "new: one", "03.png": "a b", "05.png": "five: and more"}


@DRAWN_EITHER_WAY
def test_five_thousand_overrides_are_quick(lasting: Page) -> None:
    code = """async () => {
      const { Overrides } = await import("SCRIPTSoverrides.mjs")
      const tags = "tag: x, ".repeat(20)
      const captions = [...Array(5000)].map((_, at) => [`folder/${at}.png`, `a fox: number ${at}, ${tags}`])
      const began = performance.now()
      const text = new Overrides("").with(captions)
      const again = new Overrides(text).with(captions.map(([name]) => [name, "x"]))
      return [performance.now() - began, again.split("\\n").length]
    }""".replace("SCRIPTS", SCRIPTS)
    took, lines = lasting.evaluate(code)
    assert lines == 5000 and took < 5000


def edited(page: Page, node: int, overrides: str) -> None:
    """As if these captions had been edited in the gallery."""
    change = """([id, text]) => {
      const widget = app.rootGraph.getNodeById(id).widgets.find((widget) => widget.name === "overrides")
      widget.value = text
      widget.callback?.(widget.value)
    }"""
    page.evaluate(change, [node, overrides])
    page.wait_for_selector(".lw-tile:has-text('edited')")


@DRAWN_EITHER_WAY
def test_edits_are_written_to_their_files(lasting: Page, standin: Standin, folder: Path, dataset: Dataset) -> None:
    node = shown(lasting, standin, "LW_EditCaptions", dataset)
    button = lasting.get_by_role("button", name="Write the edited captions to their files")
    assert button.is_disabled()
    edited(lasting, node, "00.png: a new caption\n01.png: another\n02.png: ohwx Fox, foxglove, number 2")
    (folder / "01.txt").write_text("by somebody else", encoding="utf-8")
    button.click()
    dialog = lasting.locator(".lw-write")
    dialog.get_by_text("Caption files to replace: 1").wait_for()
    assert "Files that hold their captions already: 1" in dialog.inner_text()
    assert "01.png: its caption file, 01.txt, has changed since the pictures were shown" in dialog.inner_text()
    assert (folder / "00.txt").read_text(encoding="utf-8").startswith("ohwx Fox")
    dialog.get_by_role("button", name="Write files: 1").click()
    dialog.get_by_text("Caption files written: 1").wait_for()
    until(lasting, lambda: (folder / "00.txt").read_text(encoding="utf-8"), "a new caption")
    assert (folder / "01.txt").read_text(encoding="utf-8") == "by somebody else"
    copy = Path(dialog.locator("ul.lw-muted li").inner_text()) / "00.txt"
    assert copy.read_text(encoding="utf-8") == "ohwx Fox, foxglove, number 0"
    assert copy.is_relative_to(standin.folder / "output" / "replaced_captions")
    dialog.locator(".lw-dialog-acts").get_by_role("button", name="Close").click()
    edited(lasting, node, "00.png: once more")
    button.click()
    dialog.get_by_text("Caption files to replace: 1").wait_for()
    dialog.get_by_role("button", name="Cancel").click()
    assert (folder / "00.txt").read_text(encoding="utf-8") == "a new caption"


@DRAWN_EITHER_WAY
def test_what_the_server_has_forgotten_is_told(lasting: Page, standin: Standin, dataset: Dataset) -> None:
    node = shown(lasting, standin, "LW_EditCaptions", dataset)
    edited(lasting, node, "00.png: a new caption")
    for number in range(32):
        gallery(dataset.with_captions([str(number)] * len(dataset)))
    lasting.get_by_role("button", name="Write the edited captions to their files").click()
    lasting.get_by_text("Captions that can't be written: 1, as the server has forgotten these pictures").wait_for()
    assert lasting.locator(".lw-write").get_by_role("button", name="Write").is_disabled()
    lasting.keyboard.press("Escape")


@DRAWN_EITHER_WAY
def test_tokens_are_counted_by_the_base_model(lasting: Page, standin: Standin, dataset: Dataset) -> None:
    shown(lasting, standin, "LW_EditCaptions", dataset)
    line = lasting.locator(".lw-tokens")
    lasting.locator(".lw-tile").first.click()
    lasting.get_by_text("no base model in this workflow could count them").wait_for()
    assert line.inner_text().startswith("about 7 of 75 tokens")
    lasting.keyboard.press("Escape")

    base = load_base(ASSETS / "demo_base", device="cpu", precision="fp32")
    add = "() => app.rootGraph.add(LiteGraph.createNode('LW_LoadBase')) && app.rootGraph.nodes.at(-1).id"
    loader = str(lasting.evaluate(add))

    def wanted(text: str) -> str:
        count = len(next(iter(base.tokenize(text).values())))
        return f"{count} of {next(iter(base.chunk_lengths.values()))} tokens ({base.info.name})"

    lasting.locator(".lw-tile").first.click()
    lasting.get_by_text(wanted("ohwx Fox, foxglove, number 0"), exact=True).wait_for()  # by its name, before it ran
    lasting.keyboard.press("Escape")
    output = {"lw_base": [remembered(base)]}
    standin.send("executed", {"node": loader, "display_node": loader, "output": output, "prompt_id": "x"})
    lasting.wait_for_function("() => app.rootGraph.nodes.some((node) => node.properties.lw_base)")

    lasting.locator(".lw-tile").first.click()
    lasting.get_by_text(wanted("ohwx Fox, foxglove, number 0"), exact=True).wait_for()
    long = "a photo of an extraordinarily photogenic vixen " * 12
    standin.posted.clear()
    lasting.locator(".lw-large textarea").press_sequentially(" and more", delay=5)
    lasting.locator(".lw-large textarea").fill(long)
    lasting.get_by_text(wanted(long), exact=True).wait_for()
    assert "lw-long" in str(line.get_attribute("class"))
    asked = [body["texts"] for path, body in standin.posted if path.endswith("/tokens")]
    assert len(asked) <= 3 and asked[-1] == [long]
    lasting.locator(".lw-large textarea").fill("ohwx Fox, foxglove, number 0")
    lasting.keyboard.press("Escape")


def test_crops_and_masks_lie_over_tiles(lasting: Page, standin: Standin, folder: Path, dataset: Dataset) -> None:
    made = done(bucketed(dataset, BucketSettings(resolutions=(64,), step=8, max_aspect=1.0, crop="middle")))
    shown(lasting, standin, "LW_BucketDataset", made)
    picture, crop = (lasting.locator(f".lw-tile >> nth=0 >> {one}").bounding_box() for one in ("img", ".lw-crop"))
    assert picture and crop
    assert crop["height"] == pytest.approx(picture["height"] * 64 / 96, abs=3)
    assert crop["width"] == pytest.approx(crop["height"], abs=3)
    assert crop["x"] + crop["width"] / 2 == pytest.approx(picture["x"] + picture["width"] / 2, abs=3)

    mask = Image.new("L", (96, 64), 255)
    mask.paste(0, (0, 0, 48, 64))
    mask.save(folder / "00_mask.png")
    masked = done(with_masks(load_dataset(folder), "files", 0.1, [])).dataset
    shown(lasting, standin, "LW_MaskDataset", masked)
    lasting.wait_for_function("() => document.querySelector('.lw-tile .lw-over')?.naturalWidth > 0")
    assert lasting.locator(".lw-over").count() == 1


def test_an_unused_mask_is_told(lasting: Page, standin: Standin, folder: Path) -> None:
    Image.new("L", (96, 64)).save(folder / "00_mask.png")
    shown(lasting, standin, "LW_LoadDataset", load_dataset(folder))
    assert lasting.locator(".lw-over").count() == 0
    lasting.locator(".lw-tile").first.click()
    lasting.get_by_text("its mask counts after Mask Data Set").wait_for()
    lasting.keyboard.press("Escape")


def test_what_is_edited_travels_in_the_workflow(lasting: Page, standin: Standin, dataset: Dataset) -> None:
    node = shown(lasting, standin, "LW_CurateDataset", dataset)
    lasting.locator(".lw-grid").focus()
    for key in ("ArrowRight", "m", "Enter"):
        lasting.keyboard.press(key)
    prompt = lasting.evaluate("async () => JSON.stringify((await app.graphToPrompt()).output)")
    assert json.loads(prompt)[str(node)]["inputs"]["drop"] == "01.png = 00.png"
