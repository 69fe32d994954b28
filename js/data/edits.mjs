// What can be changed in a gallery: captions and choices, kept in the widgets of the node that makes the change.

import { app } from "/scripts/app.js"

import { captureChange } from "../kit/changes.js"
import { addNode, outputOf, readersOf } from "../kit/graph.js"
import { Overrides } from "./overrides.mjs"

const CAPTIONS = "LW_EditCaptions"
const GAP = 60 // pixels
const CHOICES = "LW_CurateDataset"
const IS_COPY_OF = " = " // in a line of pictures to drop, as in engine/inspection/curation.py

/** @typedef {"auto" | "keep" | "drop" | "duplicate"} Choice */

/** @param {any} node @param {string} name */
function widgetOf(node, name) {
  return node.widgets?.find((widget) => widget.name === name)
}

/**
 * Sets widgets as a user would, so that it can be undone in one step.
 * @param {any} node @param {Record<string, string>} values
 */
function setWidgets(node, values) {
  const changed = Object.entries(values).filter(([name, value]) => {
    const widget = widgetOf(node, name)
    if (!widget || widget.value === value) return false
    widget.value = value
    widget.callback?.(value, app.canvas, node)
    return true
  })
  if (!changed.length) return
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

/** Whether a line of keep or drop is about a picture. @param {string} line @param {string} name */
function isAbout(line, name) {
  return line === name || line.startsWith(name + IS_COPY_OF)
}

const INPUTS = ["overrides", "keep", "drop"]

export class Edits {
  /** @param {any} node */
  constructor(node) {
    this.node = node
    this.parsed = new Overrides("")
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
    const text = this.node.comfyClass === CAPTIONS ? String(widgetOf(this.node, "overrides")?.value ?? "") : ""
    if (text !== this.parsed.text) this.parsed = new Overrides(text)
    return this.parsed
  }

  /** The caption as it was edited here; undefined if it wasn't. @param {string} name */
  caption(name) {
    return this.overrides.of(name)
  }

  /** Changes captions, in one step for undo. @param {Iterable<[string, string | undefined]>} captions by name */
  setCaptions(captions) {
    setWidgets(this.node, { overrides: this.overrides.with(captions) })
  }

  /** @param {string} name @returns {Choice} */
  choice(name) {
    if (this.node.comfyClass !== CHOICES) return "auto"
    const line = linesOf(this.node, "drop").find((own) => isAbout(own, name))
    if (line !== undefined) return line === name ? "drop" : "duplicate"
    return linesOf(this.node, "keep").includes(name) ? "keep" : "auto"
  }

  /** The picture that one was marked as a duplicate of; undefined if it wasn't. @param {string} name */
  original(name) {
    if (this.choice(name) !== "duplicate") return undefined
    const line = linesOf(this.node, "drop").find((own) => isAbout(own, name))
    return line?.slice(name.length + IS_COPY_OF.length).trim()
  }

  /**
   * @param {string} name @param {Choice} choice @param {string} [original] of a duplicate
   * @param {string} [freed] another picture, about which no line is left
   */
  setChoice(name, choice, original = "", freed = name) {
    const isOther = (line) => !isAbout(line, name) && !isAbout(line, freed)
    const [keep, drop] = ["keep", "drop"].map((input) => linesOf(this.node, input).filter(isOther))
    if (choice === "keep") keep.push(name)
    if (choice === "drop") drop.push(name)
    if (choice === "duplicate") drop.push(name + IS_COPY_OF + original)
    setWidgets(this.node, { keep: keep.join("\n"), drop: drop.join("\n") })
  }

  /**
   * Marks a picture as a duplicate of another one, or of what that one is a duplicate of.
   * @param {string} name @param {string} other
   */
  markDuplicate(name, other) {
    const seen = new Set([name])
    let original = other
    for (let next = this.original(other); next && !seen.has(next); next = this.original(next)) {
      original = next
      seen.add(next)
    }
    // Of two that would repeat each other, the one that is marked last goes.
    this.setChoice(name, "duplicate", original, this.original(original) === name ? original : name)
  }
}

/** Puts an Edit Captions between a node and what its data set goes to. @param {any} node */
export function addEditCaptions(node) {
  const slot = outputOf(node, "LW_DATASET")
  if (slot < 0) return
  const readers = readersOf(node, slot)
  const added = addNode(node.graph, CAPTIONS, [node.pos[0] + node.size[0] + GAP, node.pos[1]])
  node.connect(slot, added, added.findInputSlot("dataset"))
  for (const [reader, at] of readers) added.connect(0, reader, at)
  captureChange()
  app.canvas.selectNode?.(added)
}
