// What can be changed in a gallery: captions and choices, kept in the widgets of the node that makes the change.

import { app } from "/scripts/app.js"

import { captureChange } from "../kit/changes.js"
import { editOf, withEdit } from "./caption.js"

const CAPTIONS = "LW_EditCaptions"
const CHOICES = "LW_CurateDataset"

/** @typedef {"auto" | "keep" | "drop"} Choice */

/** @param {any} node @param {string} name */
function widgetOf(node, name) {
  return node.widgets?.find((widget) => widget.name === name)
}

/** Sets a widget as a user would, so that it can be undone. @param {any} node @param {string} name @param {string} value */
function setWidget(node, name, value) {
  const widget = widgetOf(node, name)
  if (!widget || widget.value === value) return
  widget.value = value
  widget.callback?.(value, app.canvas, node)
  node.setDirtyCanvas?.(true, true)
  captureChange()
}

/** Whether an input is a widget, and not linked. @param {any} node @param {string} name */
function isFree(node, name) {
  return Boolean(widgetOf(node, name)) && !node.inputs?.some((input) => input.name === name && input.link != null)
}

/** @param {any} node @param {string} name */
function linesOf(node, name) {
  return String(widgetOf(node, name)?.value ?? "").split("\n").map((line) => line.trim()).filter(Boolean)
}

const INPUTS = ["overrides", "keep", "drop"]

export class Edits {
  /** @param {any} node */
  constructor(node) {
    this.node = node
  }

  /** Calls something after each change, here or by hand. @param {() => void} act */
  onChange(act) {
    if (![CAPTIONS, CHOICES].includes(this.node.comfyClass)) return
    for (const widget of INPUTS.map((name) => widgetOf(this.node, name)).filter(Boolean)) {
      const before = widget.callback
      widget.callback = function (...given) {
        act()
        return before?.apply(this, given)
      }
    }
  }

  get ofCaptions() {
    return this.node.comfyClass === CAPTIONS && isFree(this.node, "overrides")
  }

  get ofChoices() {
    return this.node.comfyClass === CHOICES && isFree(this.node, "keep") && isFree(this.node, "drop")
  }

  get overrides() {
    return this.node.comfyClass === CAPTIONS ? String(widgetOf(this.node, "overrides")?.value ?? "") : ""
  }

  /** The caption as it was edited here; undefined if it wasn't. @param {string} name */
  caption(name) {
    return editOf(this.overrides, name)
  }

  /** @param {string} name @param {string | undefined} caption */
  setCaption(name, caption) {
    setWidget(this.node, "overrides", withEdit(this.overrides, name, caption))
  }

  /** @param {string} name @returns {Choice} */
  choice(name) {
    if (this.node.comfyClass !== CHOICES) return "auto"
    if (linesOf(this.node, "drop").includes(name)) return "drop"
    return linesOf(this.node, "keep").includes(name) ? "keep" : "auto"
  }

  /** @param {string} name @param {Choice} choice */
  setChoice(name, choice) {
    for (const input of ["keep", "drop"]) {
      const others = linesOf(this.node, input).filter((line) => line !== name)
      setWidget(this.node, input, [...others, ...(choice === input ? [name] : [])].join("\n"))
    }
  }
}

/** Puts an Edit Captions between a node and what its data set goes to. @param {any} node */
export function addEditCaptions(node) {
  const { LiteGraph } = /** @type {any} */ (window)
  const slot = node.outputs?.findIndex((output) => output.type === "LW_DATASET") ?? -1
  const added = slot < 0 ? null : LiteGraph?.createNode(CAPTIONS)
  if (!added) return
  const graph = node.graph
  const ends = (node.outputs[slot].links ?? []).map((id) => graph.getLink?.(id) ?? graph.links.get?.(id)).filter(Boolean)
  const targets = ends.map((link) => [graph.getNodeById(link.target_id), link.target_slot])
  added.pos = [node.pos[0] + node.size[0] + 60, node.pos[1]]
  graph.add(added)
  node.connect(slot, added, added.inputs.findIndex((input) => input.name === "dataset"))
  for (const [target, at] of targets) added.connect(0, target, at)
  captureChange()
  app.canvas.selectNode?.(added)
}
