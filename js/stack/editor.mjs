// The editor of a stack: its rows, or the same as text, and what the server tells of them. The text is what counts.

import { app } from "/scripts/app.js"

import { captureChange } from "../kit/changes.js"
import { button, el, toggle } from "../kit/parts.js"
import { whenReleased } from "../kit/presses.js"
import { t } from "../kit/texts.js"
import { growToFit } from "../kit/widgets.js"
import { STACK } from "../kit/widths.js"
import { Amount } from "./amount.mjs"
import { isForeign, isRow, newRow, read, scaled, write } from "./lines.mjs"
import { pickAdapter } from "./picker.mjs"
import { openPresets } from "./presets.mjs"
import { drawLine, markProblem } from "./row.mjs"
import { openRowMenu } from "./row_menu.mjs"
import { describe } from "./server.mjs"
import { rowsBefore, stacksAfter, wiredFamily } from "./wired.mjs"

const LEAST_HEIGHT = 120 // pixels
const PAUSE = 250 // milliseconds without a change before the server is asked
const MOST_LINES = 20 // of text that show at once
const EXAMPLE = "on | subjects/fox.safetensors | 0.8 | 0.6 | mid=0.5 | tok fox"

/** @type {WeakMap<object, StackEditor>} */
const editors = new WeakMap() // by node

export class StackEditor {
  constructor(node) {
    this.node = node
    /** @type {import("../comfyui.d.ts").Widget} */
    this.widget = null // given by whoever adds the element
    this.lines = []
    this.known = new Map() // line -> what the server told of it
    this.problems = [] // of the text as a whole
    this.asText = false
    this.foreign = "" // rows of another program, until they are turned into ours
    this.openBlocks = new Set() // lines whose block weights are shown though they are empty
    this.content = el("div", { className: "lw-content" })
    const label = t("Rows of the stack")
    this.element = el("div", { className: "lw lw-stack", "aria-label": label, role: "group" }, this.content)
    this.amount = new Amount(this)
    editors.set(node, this)
    const told = node.onConnectionsChange
    node.onConnectionsChange = (...given) => {
      told?.apply(node, given)
      this.measure()
    }
    this.element.addEventListener("keydown", (event) => this.onKey(event))
    this.element.addEventListener("contextmenu", (event) => this.onContextMenu(event))
  }

  get text() {
    return this.textarea ? this.textarea.value : this.foreign || write(this.lines)
  }

  set text(text) {
    this.parse(text)
    this.asText ||= Boolean(this.foreign)
    this.draw()
    this.ask()
  }

  get height() {
    return Math.max(LEAST_HEIGHT, this.content.scrollHeight + 4)
  }

  parse(text) {
    this.foreign = isForeign(text) ? text : ""
    this.lines = text.trim() && !this.foreign ? read(text) : []
  }

  /** After a change of the rows by the user. */
  changed(focus) {
    this.draw(focus)
    this.commit()
  }

  /** The workflow has a new value. Fields commit without drawing: the user may be pressing something else already. */
  commit() {
    this.widget.callback?.(this.text)
    this.ask()
    captureChange() // the front end looks for changes before clicks reach us
    app.graph?.setDirtyCanvas(true, true)
  }

  /** Weights are being changed, here or in a stack that comes in. */
  measure() {
    this.amount.ask()
    for (const node of stacksAfter(this.node)) editors.get(node)?.amount.ask()
  }

  /** What comes in by wire. */
  before() {
    return rowsBefore(this.node)
  }

  /** Ask the server what the rows are, once changes pause, and what they amount to. */
  ask() {
    this.measure()
    clearTimeout(this.timer)
    this.timer = setTimeout(async () => {
      const text = this.text
      const told = await describe(text).catch(() => null)
      if (told && text === this.text) this.take(told)
    }, PAUSE)
  }

  take(told) {
    this.known = new Map(told.rows.map((row) => [this.lines[row.line - 1], row]))
    this.problems = []
    for (const problem of told.problems) {
      const [, number, text] = /^line (\d+): (.*)$/.exec(problem) ?? []
      const line = this.lines[Number(number) - 1]
      if (line) this.known.set(line, { problem: text })
      else this.problems.push(problem)
    }
    if (this.textarea) this.tellText()
    else this.tellRows()
    this.amount.draw()
  }

  draw(focus) {
    this.textarea = null
    const parts = this.asText ? this.textParts() : this.rowParts()
    this.content.replaceChildren(this.bar(), ...parts, this.amount.element)
    if (focus) this.content.querySelector(focus)?.focus()
    this.grow()
  }

  grow() {
    requestAnimationFrame(() => growToFit(this.node, STACK))
  }

  bar() {
    const presets = button("", t("Presets"), t("Save and load these rows by name"), () => openPresets(presets, this))
    const [name, title] = this.asText ? [t("Rows"), t("Edit as rows")] : [t("Text"), t("Edit as text")]
    const flip = button("lw-flip", name, title, () => this.flip())
    const space = el("span", { className: "lw-space" })
    const parts = this.asText ? [presets, flip] : [this.addButton(), presets, flip, space, this.allSwitch()]
    return el("div", { className: "lw-bar" }, ...parts)
  }

  addButton() {
    const own = button("lw-add", t("+ Add"), t("Add an adapter"), () =>
      this.choose(own, (name) => this.insert(this.lines.length, newRow(name))))
    return own
  }

  allSwitch() {
    const rows = this.lines.filter(isRow)
    const on = rows.some((row) => row.on)
    const own = toggle(on, on ? t("Turn all rows off") : t("Turn all rows on"), (value) => {
      for (const row of rows) row.on = value
      this.changed(".lw-all")
    })
    own.classList.add("lw-all")
    return own
  }

  textParts() {
    this.textarea = el("textarea", {
      value: this.foreign || write(this.lines), spellcheck: false, placeholder: EXAMPLE,
      "aria-label": t("Rows as text"),
      on: { change: () => this.edited() },
    })
    this.textarea.rows = Math.min(MOST_LINES, this.textarea.value.split("\n").length + 1)
    this.told = el("div", { role: "status" })
    this.tellText()
    return [this.textarea, this.told]
  }

  tellText() {
    const ofLines = this.lines.map((line, at) => [this.known.get(line)?.problem, at])
    const told = ofLines.filter(([problem]) => problem).map(([problem, at]) =>
      t("line {n}: {problem}", { n: at + 1, problem }))
    const shown = [...this.problems, ...told].map((textContent) => el("div", { className: "lw-problem", textContent }))
    this.told.replaceChildren(...shown)
    this.grow()
  }

  edited() {
    this.parse(this.textarea.value)
    this.commit()
  }

  /** Between rows and text. Rows of other programs become ours on the way. */
  async flip() {
    if (this.textarea) this.parse(this.textarea.value)
    if (this.foreign) {
      const told = await describe(this.foreign)
      if (told.problems.length) return this.take(told)
      this.parse(told.text)
    }
    this.asText = !this.asText
    this.changed(this.asText ? "textarea" : ".lw-flip")
  }

  rowParts() {
    const made = this.lines.map((line, at) => drawLine(this, line, at))
    const nothing = t("No adapters yet. Add one, or paste rows as text.")
    if (!made.length) return [el("div", { className: "lw-empty", textContent: nothing })]
    const heads = ["", t("model"), t("text enc."), ""].map((textContent) => el("span", { textContent }))
    return [el("div", { className: "lw-heads" }, ...heads), el("div", { className: "lw-rows", role: "list" }, ...made)]
  }

  /** What the server told of the rows, into those that are drawn; nothing is taken away under the user's hands. */
  tellRows() {
    const active = document.activeElement
    for (const own of this.content.querySelectorAll("[data-at]")) {
      const same = !isRow(own.line) || own.drawnWith === JSON.stringify(this.known.get(own.line))
      if (same || (own.contains(active) && active.tagName === "INPUT")) markProblem(this, own)
      else whenReleased(own, () => this.redraw(own))
    }
    this.grow()
  }

  redraw(own) {
    const focused = [...own.querySelectorAll("button")].indexOf(document.activeElement)
    const fresh = drawLine(this, own.line, Number(own.dataset.at))
    own.replaceWith(fresh)
    fresh.querySelectorAll("button")[focused]?.focus()
  }

  async choose(anchor, take) {
    pickAdapter(anchor, await this.family(), take)
  }

  /** Of the adapters of rows that are on, as far as they are known. */
  families() {
    const known = this.lines.filter((line) => line.on).map((line) => this.known.get(line)?.family)
    return [...new Set(known.filter(Boolean))]
  }

  /** Of the base model that the stack is for, as far as the rows, the last run or the model's file tell it. */
  async family() {
    const families = this.families()
    return families.length ? (families.length === 1 ? families[0] : "") : wiredFamily(this.node)
  }

  /** Multiplies the weights of the rows that are on. @param {number} factor */
  scale(factor) {
    for (const line of this.lines) if (isRow(line) && line.on) Object.assign(line, scaled(line, factor))
    this.changed()
  }

  showBlocks(line, at) {
    this.openBlocks.add(line)
    this.draw(`[data-at="${at}"] .lw-blocks input`)
  }

  move(from, to) {
    if (to < 0 || to >= this.lines.length) return
    this.lines.splice(to, 0, ...this.lines.splice(from, 1))
    this.changed(`[data-at="${to}"] .lw-handle`)
  }

  insert(at, line) {
    this.lines.splice(at, 0, line)
    this.changed(`[data-at="${at}"] .lw-name`)
  }

  remove(at) {
    this.lines.splice(at, 1)
    const next = Math.min(at, this.lines.length - 1)
    this.changed(next < 0 ? ".lw-add" : `[data-at="${next}"] .lw-handle`)
  }

  /** A line of text that was edited as it is, which may be a row now. */
  replace(own, text) {
    const at = Number(own.dataset.at)
    this.lines[at] = read(text)[0]
    own.replaceWith(drawLine(this, this.lines[at], at))
    this.commit()
  }

  onKey(event) {
    if (!event.ctrlKey && !event.metaKey) event.stopPropagation() // Delete and others would act on the node
    const own = event.target.closest?.("[data-at]")
    if (!own) return
    const at = Number(own.dataset.at)
    if ((event.key === "F10" && event.shiftKey) || event.key === "ContextMenu") {
      event.preventDefault()
      this.openMenu(own)
    }
    const onHandle = event.target.classList.contains("lw-handle")
    const step = { ArrowUp: -1, ArrowDown: 1 }[event.key]
    if (step && (event.altKey || onHandle)) {
      event.preventDefault()
      this.move(at, at + step)
    } else if (onHandle && event.key === "Delete") this.remove(at)
  }

  /** A right click on a row; fields of text keep the browser's menu, for pasting. */
  onContextMenu(event) {
    const own = event.target.closest("[data-at]")
    if (!own) return
    event.stopPropagation() // nodes made of Vue components have a menu of their own
    if (event.target.matches("input:not(.lw-weight)")) return
    event.preventDefault()
    const { clientX: left, clientY: top } = event
    this.openMenu(own, event.button === 2 ? { left, top, bottom: top } : undefined)
  }

  openMenu(own, place) {
    if (isRow(own.line)) openRowMenu(this, own.line, Number(own.dataset.at), own.querySelector(".lw-menu"), place)
  }
}
