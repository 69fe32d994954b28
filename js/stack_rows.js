// The editor of Stack: its rows as switches, weights, trigger phrases and block weights, over the text that is saved.

import { app } from "/scripts/app.js"

import { isForeign, isRow, newRow, phrasesOn, read, toggled, write } from "./stack_lines.js"
import { button, chooser, el, menu, nameParts, option, popover, toggle, weightField } from "./stack_parts.js"
import { adapterNames, deletePreset, describe, loadPreset, presetNames, savePreset } from "./stack_server.js"
import { addStyle } from "./stack_style.js"

const NODE = "LW_Stack"
const INPUT = "rows"
// A type unknown to the front end: for known ones, Vue nodes replace our element with their own.
const TYPE = "LW_STACK_ROWS"
const LEAST_HEIGHT = 120 // pixels
const MARGIN = 20 // the front end's, above and below an element together
const LEAST_WIDTH = 400
const PAUSE = 250 // milliseconds without a change before the server is asked
const BLOCK_PRESETS = ["ALL", "NONE", "INS", "IND", "INALL", "MIDD", "OUTD", "OUTS", "OUTALL"]

class StackEditor {
  constructor(node) {
    this.node = node
    this.lines = []
    this.known = new Map() // line -> what the server told of it
    this.problems = []
    this.asText = false
    this.openBlocks = new Set() // lines whose block weights are shown though they are empty
    this.content = el("div", { className: "lw-content" })
    this.element = el("div", { className: "lw-stack", "aria-label": "Rows of the stack", role: "group" }, this.content)
    this.element.addEventListener("keydown", (event) => this.onKey(event))
    this.element.addEventListener("wheel", (event) => this.zoomUnlessScrolled(event))
    this.element.addEventListener("pointerdown", (event) => event.stopPropagation())
  }

  get text() {
    return this.textarea ? this.textarea.value : write(this.lines)
  }

  set text(text) {
    this.lines = text.trim() ? read(text) : []
    this.asText ||= isForeign(text)
    this.foreign = isForeign(text) ? text : ""
    this.draw()
    this.ask()
  }

  get height() {
    return Math.max(LEAST_HEIGHT, this.content.scrollHeight + 4) + MARGIN
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
    // A step of its own for undo: the front end looks for changes before clicks reach us. Older ones do so by themselves.
    app.extensionManager.workflow?.activeWorkflow?.changeTracker?.captureCanvasState?.()
    app.graph?.setDirtyCanvas(true, true)
  }

  /** Ask the server what the rows are, once changes pause. */
  ask() {
    clearTimeout(this.timer)
    this.timer = setTimeout(async () => {
      const text = this.text
      const told = await describe(text).catch(() => null)
      if (told && text === this.text) this.take(told)
    }, PAUSE)
  }

  take(told) {
    this.known = new Map(told.rows.map((row) => [this.lines[row.line - 1], row]))
    this.problems = told.problems
    for (const problem of this.problems) {
      const [, number, text] = /^line (\d+): (.*)$/.exec(problem) ?? []
      if (text) this.known.set(this.lines[number - 1], { problem: text })
    }
    if (this.textarea) this.tellText()
    else this.tell()
  }

  draw(focus) {
    this.textarea = null
    const parts = this.asText ? this.textParts() : this.rowParts()
    this.content.replaceChildren(this.bar(), ...parts)
    if (focus) this.content.querySelector(focus)?.focus()
    this.grow()
  }

  grow() {
    requestAnimationFrame(() => {
      const [width, height] = this.node.size
      const needed = this.node.computeSize()
      const [wide, tall] = [Math.max(width, LEAST_WIDTH), Math.max(height, needed[1])]
      if (wide > width || tall > height) this.node.setSize([wide, tall])
    })
  }

  bar() {
    const rows = this.lines.filter(isRow)
    const on = rows.some((row) => row.on)
    const all = toggle(on, on ? "Turn all rows off" : "Turn all rows on", (value) => {
      for (const row of rows) row.on = value
      this.changed("[data-all]")
    })
    all.dataset.all = ""
    const add = button("lw-add", "+ Add", "Add an adapter", () => this.choose(add, (name) => this.add(name)))
    add.dataset.add = ""
    const presets = button("", "Presets", "Save and load these rows by name", () => this.openPresets(presets))
    const text = button("", this.asText ? "Rows" : "Text", this.asText ? "Edit as rows" : "Edit as text", () => this.flip())
    text.dataset.flip = ""
    const shown = this.asText ? [] : [add]
    return el("div", { className: "lw-bar" }, ...shown, presets, text, el("span", { className: "lw-space" }), this.asText ? null : all)
  }

  textParts() {
    this.textarea = el("textarea", {
      value: this.foreign || write(this.lines), spellcheck: false, "aria-label": "Rows as text",
      placeholder: "on | subjects/fox.safetensors | 0.8 | 0.6 | mid=0.5 | tok fox", on: { change: () => this.edited() },
    })
    this.textarea.rows = Math.min(20, this.textarea.value.split("\n").length + 1)
    this.told = el("div", { role: "status" })
    this.tellText()
    return [this.textarea, this.told]
  }

  tellText() {
    const shown = this.problems.map((textContent) => el("div", { className: "lw-problem", textContent }))
    this.told.replaceChildren(...shown)
    this.grow()
  }

  edited() {
    const { value } = this.textarea
    this.lines = value.trim() ? read(value) : []
    this.foreign = isForeign(value) ? value : ""
    this.widget.callback?.(value)
    this.ask()
  }

  /** Between rows and text. Rows of other programs become ours on the way. */
  async flip() {
    if (this.textarea) {
      this.edited()
      if (this.foreign) {
        const told = await describe(this.foreign)
        this.take(told)
        if (told.problems.length) return this.draw("textarea")
        this.lines = read(told.text)
        this.foreign = ""
      }
    }
    this.asText = !this.asText
    this.changed(this.asText ? "textarea" : "[data-flip]")
  }

  rowParts() {
    const made = this.lines.map((line, at) => (isRow(line) ? this.row(line, at) : this.raw(line, at)))
    const list = el("div", { className: "lw-rows", role: "list" }, ...made)
    if (!made.length) return [el("div", { className: "lw-empty", textContent: "No adapters yet. Add one, or paste rows as text." })]
    const heads = ["", "model", "text enc.", ""].map((textContent) => el("span", { textContent }))
    return this.lines.some(isRow) ? [el("div", { className: "lw-heads" }, ...heads), list] : [list]
  }

  row(line, at) {
    const change = (part, focus) => {
      Object.assign(line, part)
      this.changed(`[data-at="${at}"] ${focus}`)
    }
    const weighed = (part) => {
      Object.assign(line, part)
      text.placeholder = line.weight
      text.dispatchEvent(new Event("input"))
      this.commit()
    }
    const text = weightField(line.text, line.weight, "Weight for the text encoder; empty: the same", (value) => weighed({ text: value }))
    const main = el("div", { className: "lw-line" },
      this.handle(at),
      toggle(line.on, `${line.on ? "Turn off" : "Turn on"} ${line.adapter}`, (on) => change({ on }, ".lw-switch")),
      this.name(line, change),
      weightField(line.weight, "1", "Weight for the denoiser", (weight) => weighed({ weight: weight || "1" })),
      text,
      this.rowMenu(line, at),
    )
    const more = el("div", { className: "lw-more" })
    const problem = el("div", { className: "lw-problem", role: "status" })
    const own = el("div", { className: `lw-row${line.on ? "" : " lw-off"}`, role: "listitem", "data-at": at }, main, more, problem)
    own.line = line
    own.drawnWith = JSON.stringify(this.known.get(line))
    this.fill(own, change)
    return own
  }

  /** What the server told of the rows, into those that are drawn. */
  tell() {
    const active = document.activeElement
    for (const own of this.content.querySelectorAll("[data-at]")) {
      const same = !isRow(own.line) || own.drawnWith === JSON.stringify(this.known.get(own.line))
      if (same || (own.contains(active) && active.tagName === "INPUT")) this.mark(own)
      else {
        const focused = [...own.querySelectorAll("button")].indexOf(active)
        const fresh = this.row(own.line, Number(own.dataset.at))
        own.replaceWith(fresh)
        fresh.querySelectorAll("button")[focused]?.focus()
      }
    }
    this.grow()
  }

  mark(own) {
    const problem = this.known.get(own.line)?.problem ?? ""
    own.classList.toggle("lw-wrong", Boolean(problem))
    const place = own.querySelector(".lw-problem")
    place.textContent = problem
    place.hidden = !problem
  }

  fill(own, change) {
    const { line } = own
    const told = this.known.get(line)
    const more = own.querySelector(".lw-more")
    more.append(...this.chips(line, told?.phrases ?? [], change))
    if (line.blocks || this.openBlocks.has(line)) more.append(this.blocks(line, told?.blocks ?? []))
    more.hidden = !more.children.length
    this.mark(own)
  }

  name(line, change) {
    const [folder, stem] = nameParts(line.adapter)
    const family = this.known.get(line)?.family
    const own = button("lw-name", "", `${line.adapter}: choose another adapter`, () => this.choose(own, (adapter) => {
      this.known.delete(line)
      change({ adapter, triggers: null }, ".lw-name")
    }))
    own.append(el("small", { textContent: folder }), el("b", { textContent: stem || "choose an adapter" }))
    if (family) own.append(el("i", { textContent: family }))
    return own
  }

  chips(line, phrases, change) {
    const on = phrasesOn(line, phrases)
    const all = [...new Set([...phrases, ...on])]
    const made = all.map((phrase) => {
      const pressed = on.includes(phrase)
      const chip = button("lw-chip", phrase, `${pressed ? "Turn off" : "Turn on"} the trigger ${phrase}`, () =>
        change({ triggers: toggled(line, phrase, phrases) }, ".lw-chip"))
      chip.setAttribute("aria-pressed", pressed)
      return chip
    })
    const plus = button("lw-chip", all.length ? "+" : "+ trigger", "Add a trigger phrase", () => {
      const field = el("input", { className: "lw-chip", "aria-label": "Trigger phrase", on: { change: () => {
        const phrase = field.value.replace(/[|;]/g, " ").trim()
        if (phrase) change({ triggers: [...on, phrase] }, ".lw-chip")
      } } })
      plus.replaceWith(field)
      field.focus()
    })
    return [...made, plus]
  }

  blocks(line, known) {
    const id = `lw-blocks-${this.node.id}-${this.lines.indexOf(line)}`
    const offered = [...BLOCK_PRESETS, ...known.map((name) => `${name}=0.5`), "all=0, mid=1"]
    const field = el("input", {
      value: line.blocks, placeholder: "mid=0.5, up.1=0.8, a preset, or numbers", "aria-label": "Block weights", list: id,
      spellcheck: false, title: known.length ? `Blocks of this adapter: ${known.join(", ")}` : "Block weights",
      on: { change: () => {
        line.blocks = field.value.replaceAll("|", " ").trim()
        this.commit()
      } },
    })
    const list = el("datalist", { id }, ...offered.map((value) => el("option", { value })))
    return el("label", { className: "lw-blocks" }, "blocks", field, list)
  }

  raw(line, at) {
    const field = el("input", { className: "lw-raw", value: line.raw, "aria-label": "Line of text", placeholder: "# a comment", spellcheck: false,
      on: { change: () => {
        this.lines.splice(at, 1, ...read(field.value))
        this.commit()
        setTimeout(() => this.draw(), PAUSE) // after the click that may have ended the edit
      } } })
    const problem = el("div", { className: "lw-problem", role: "status" })
    const own = el("div", { role: "listitem", "data-at": at, className: line.raw.trim() ? "lw-row" : "" }, field, problem)
    own.line = line
    this.mark(own)
    return own
  }

  rowMenu(line, at) {
    const own = button("lw-menu", "•••", `More for ${line.adapter}`, () => menu(own, "Row", [
      ["Block weights", () => {
        this.openBlocks.add(line)
        this.draw(`[data-at="${at}"] .lw-blocks input`)
      }],
      ["Duplicate", () => this.insert(at + 1, { ...line })],
      ["Move up", () => this.move(at, at - 1)],
      ["Move down", () => this.move(at, at + 1)],
      ["Delete", () => this.remove(at), "lw-danger"],
    ]))
    return own
  }

  handle(at) {
    const own = button("lw-handle", "⠿", "Drag to move, or press Up and Down", () => {})
    own.addEventListener("pointerdown", (event) => this.drag(event, own, at))
    return own
  }

  drag(event, handle, from) {
    const rows = [...this.content.querySelectorAll("[data-at]")]
    const own = rows[from]
    let to = from
    handle.setPointerCapture(event.pointerId)
    own.classList.add("lw-dragged")
    const follow = ({ clientY }) => {
      const above = rows.filter((row) => row !== own && middle(row) < clientY).length
      if (above === to) return
      to = above
      const others = rows.filter((row) => row !== own)
      own.parentElement.insertBefore(own, others[above] ?? null)
    }
    const drop = () => {
      handle.removeEventListener("pointermove", follow)
      own.classList.remove("lw-dragged")
      this.move(from, to)
    }
    handle.addEventListener("pointermove", follow)
    handle.addEventListener("lostpointercapture", drop, { once: true })
  }

  move(from, to) {
    const last = this.lines.length - 1
    if (to < 0 || to > last) return
    this.lines.splice(to, 0, ...this.lines.splice(from, 1))
    this.changed(`[data-at="${to}"] .lw-handle`)
  }

  insert(at, line) {
    this.lines.splice(at, 0, line)
    this.changed(`[data-at="${at}"] .lw-name`)
  }

  add(name) {
    this.insert(this.lines.length, newRow(name))
  }

  remove(at) {
    this.lines.splice(at, 1)
    this.changed(this.lines.length ? `[data-at="${Math.min(at, this.lines.length - 1)}"] .lw-handle` : "[data-add]")
  }

  async choose(anchor, take) {
    chooser(anchor, await adapterNames(), "Adapters", take)
  }

  async openPresets(anchor) {
    const names = await presetNames()
    const load = async (name) => {
      close()
      const rows = await loadPreset(name)
      if (typeof rows !== "string") return
      this.text = rows
      this.changed("[data-add]")
    }
    const entries = names.map((name) => el("div", { className: "lw-split" },
      option(name, () => load(name)),
      button("lw-option", "✕", `Delete the preset ${name}`, async () => (await deletePreset(name), close(), this.openPresets(anchor)))))
    const name = el("input", { placeholder: "Save these rows as …", "aria-label": "Name of the preset" })
    const save = async (event) => {
      event.preventDefault()
      const chosen = name.value.replace(/[^\p{L}\p{N} ._-]/gu, "-").replace(/^\.+/, "").trim()
      if (!chosen) return
      await savePreset(chosen, this.text)
      close()
    }
    const form = el("form", { on: { submit: save } }, name, button("", "Save", "Save the preset", save))
    const close = popover(anchor, [form, el("div", { className: "lw-options" }, ...entries)], "Presets of stacks")
    name.focus()
  }

  onKey(event) {
    // Delete and others would act on the node.
    if (!event.ctrlKey && !event.metaKey) event.stopPropagation()
    const own = event.target.closest?.("[data-at]")
    if (!own) return
    const at = Number(own.dataset.at)
    const onHandle = event.target.classList.contains("lw-handle")
    const step = { ArrowUp: -1, ArrowDown: 1 }[event.key]
    if (step && (event.altKey || onHandle)) {
      event.preventDefault()
      this.move(at, at + step)
    } else if (onHandle && event.key === "Delete") this.remove(at)
  }

  /** Passes the wheel on to the canvas if the rows don't scroll. */
  zoomUnlessScrolled(event) {
    const { scrollHeight, clientHeight } = this.element
    if (scrollHeight > clientHeight && !event.ctrlKey) event.stopPropagation()
    else app.canvas.processMouseWheel(event)
  }
}

function middle(element) {
  const { top, height } = element.getBoundingClientRect()
  return top + height / 2
}

function addEditor(node, name, spec) {
  addStyle()
  const editor = new StackEditor(node)
  const widget = node.addDOMWidget(name, TYPE, editor.element, {
    getValue: () => editor.text,
    setValue: (text) => (editor.text = String(text ?? "")),
    getMinHeight: () => editor.height,
    hideOnZoom: false,
  })
  editor.widget = widget
  widget.value = spec[1]?.default ?? ""
  return { widget, minWidth: LEAST_WIDTH }
}

app.registerExtension({
  name: "LoRAWorkbench.Stack",

  // Without this script, the rows are a plain text field.
  addCustomNodeDefs(definitions) {
    const rows = definitions[NODE]?.input?.required?.[INPUT]
    if (rows) rows[1] = { ...rows[1], widgetType: TYPE }
  },

  getCustomWidgets() {
    return { [TYPE]: addEditor }
  },
})
