// "Use as preview of ..." in the menu of a node that shows pictures.

import { app } from "/scripts/app.js"

import { cantRead } from "../kit/later.js"
import { t } from "../kit/texts.js"

/** The pictures that a node shows, as the server named them. */
function picturesOf(node) {
  const id = node.graph && node.graph !== app.rootGraph ? `${node.graph.id}:${node.id}` : String(node.id)
  const images = app.nodeOutputs?.[id]?.images ?? node.images ?? []
  return images.filter((image) => typeof image?.filename === "string")
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

async function choose(node, images) {
  const [{ pickAdapter }, { outputPicture, pickPicture, usePicture }] = await Promise.all([
    import("../stack/picker.mjs"), import("./previews.mjs"),
  ])
  const pictures = images.map(outputPicture)
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
    const shown = pictures[node.imageIndex ?? -1]
    return [{ content: t("Use as preview of ..."), callback: () => choose(node, shown ? [shown] : pictures).catch(cantRead) }]
  },
})
