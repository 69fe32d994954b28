// "Use as preview of ..." in the menu of a node that shows pictures.

import { app } from "/scripts/app.js"

import { addStyle } from "../kit/style.js"
import { t } from "../kit/texts.js"
import { pickAdapter } from "../stack/picker.js"
import { outputPicture, pickPicture, usePicture } from "./previews.js"
import { PICKS } from "./style.js"

/** The pictures that a node shows, as the server named them. */
function picturesOf(node) {
  const id = node.graph && node.graph !== app.rootGraph ? `${node.graph.id}:${node.id}` : String(node.id)
  const images = app.nodeOutputs?.[id]?.images ?? node.images ?? []
  return images.filter((image) => typeof image?.filename === "string").map(outputPicture)
}

/** Something to open popovers beside: menus are gone by then. */
function placeOf(node) {
  const { scale, offset } = app.canvas.ds
  const { left, top } = app.canvas.canvas.getBoundingClientRect()
  const at = [left + (node.pos[0] + offset[0]) * scale, top + (node.pos[1] + offset[1]) * scale]
  return { getBoundingClientRect: () => new DOMRect(at[0], at[1], 0, 0) }
}

/** Names of adapters that the graph has in its widgets and rows. */
function named(node) {
  const texts = node.graph.nodes.flatMap((own) => own.widgets ?? []).map((widget) => String(widget.value ?? ""))
  return texts.flatMap((text) => text.match(/[^|\n]+\.safetensors/g) ?? []).map((name) => name.trim())
}

function choose(node, pictures) {
  const place = placeOf(node)
  const chosen = (picture) => pickAdapter(place, "", (name) => usePicture(name, picture), named(node))
  if (pictures.length === 1) chosen(pictures[0])
  else pickPicture(place, [[t("Which picture?"), pictures]], chosen)
}

app.registerExtension({
  name: "LoRAWorkbench.Previews",

  getNodeMenuItems(node) {
    const pictures = picturesOf(node)
    if (!pictures.length) return []
    addStyle("picks", PICKS)
    const shown = pictures[node.imageIndex ?? -1]
    return [{ content: t("Use as preview of ..."), callback: () => choose(node, shown ? [shown] : pictures) }]
  },
})
