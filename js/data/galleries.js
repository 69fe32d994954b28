// Gives each node that shows a data set its gallery.

import { api } from "/scripts/api.js"
import { app } from "/scripts/app.js"

import { captureChange } from "../kit/changes.js"
import { onRemoved } from "../kit/widgets.js"
import { isOnCanvas, nodeOf } from "../tabs.js"
import { Gallery } from "./gallery.js"

const PREFIX = "LW_"

/** @type {WeakMap<object, Gallery>} */
const galleries = new WeakMap()

/** @param {any} node */
function galleryOf(node) {
  const known = galleries.get(node)
  if (known) return known
  const made = new Gallery(node)
  galleries.set(node, made)
  onRemoved(node, () => (made.remove(), galleries.delete(node)))
  return made
}

/** Remembers the base model that a node gave, by which tokens are counted. @param {any} node @param {any} output */
function rememberBase(node, output) {
  const token = output?.lw_base?.[0]?.token
  if (node && typeof token === "string") node.properties.lw_base = token
}

/** @param {string | number} id @param {any} output */
function show(id, output) {
  const token = output?.lw_dataset?.[0]?.token
  const node = nodeOf(id)
  rememberBase(node, output)
  if (typeof token !== "string" || !node?.comfyClass?.startsWith(PREFIX)) return
  // Remembered with the workflow, so that it shows the pictures when the page is opened again.
  const before = node.properties.lw_dataset
  node.properties.lw_dataset = token
  const gallery = galleryOf(node)
  if (before !== token) captureChange()
  return gallery.show(token)
}

app.registerExtension({
  name: "LoRAWorkbench.Galleries",

  setup() {
    api.addEventListener("executed", ({ detail }) => {
      if (isOnCanvas(detail.prompt_id)) show(detail.display_node ?? detail.node, detail.output)
    })
  },

  // Results of earlier runs, when a workflow comes back to the canvas.
  onNodeOutputsUpdated(outputs) {
    for (const [id, output] of Object.entries(outputs)) show(id, output)
  },

  loadedGraphNode(node) {
    const token = node.properties?.lw_dataset
    if (typeof token === "string" && token && node.comfyClass?.startsWith(PREFIX)) galleryOf(node).show(token)
  },
})
