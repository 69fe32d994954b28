// How a row of a stack is drawn, and what can be done to it.

import { isRow, phrasesOn, toggled } from "./lines.mjs"
import { button, el, nameParts, toggle, weightField } from "../kit/parts.js"
import { whenReleased } from "../kit/presses.js"
import { t } from "../kit/texts.js"
import { openRowMenu } from "./row_menu.mjs"

const BLOCK_PRESETS = ["ALL", "NONE", "INS", "IND", "INALL", "MIDD", "OUTD", "OUTS", "OUTALL"]

/** The element of a line, whether it is a row or another text. */
export function drawLine(editor, line, at) {
  const problem = el("div", { className: "lw-problem", role: "status" })
  const parts = isRow(line) ? new Row(editor, line, at).parts() : [rawField(editor, line)]
  const own = el("div", { role: "listitem", "data-at": at, className: className(line) }, ...parts, problem)
  own.line = line
  own.drawnWith = JSON.stringify(editor.known.get(line))
  markProblem(editor, own)
  return own
}

function className(line) {
  if (!isRow(line)) return line.raw.trim() ? "lw-row" : ""
  return line.on ? "lw-row" : "lw-row lw-off"
}

export function markProblem(editor, own) {
  const problem = editor.known.get(own.line)?.problem ?? ""
  own.classList.toggle("lw-wrong", Boolean(problem))
  const place = own.querySelector(".lw-problem")
  place.textContent = problem
  place.hidden = !problem
}

function rawField(editor, line) {
  const field = el("input", {
    className: "lw-raw", value: line.raw, "aria-label": t("Line of text"), placeholder: t("# a comment"),
    spellcheck: false, on: { change: () => editor.replace(field.closest("[data-at]"), field.value) },
  })
  return field
}

class Row {
  constructor(editor, line, at) {
    this.editor = editor
    this.line = line
    this.at = at
    this.told = editor.known.get(line) ?? {}
    this.phrases = this.told.phrases ?? [] // of the adapter
  }

  parts() {
    const { line } = this
    const main = [this.handle(), this.switch(), this.name(), ...this.weights(), this.menu()]
    this.more = el("div", { className: "lw-more" }, ...this.chips())
    if (line.blocks || this.editor.openBlocks.has(line)) this.more.append(this.blocks())
    return [el("div", { className: "lw-line" }, ...main), this.more]
  }

  change(part, focus) {
    Object.assign(this.line, part)
    this.editor.changed(this.inRow(focus))
  }

  inRow(selector) {
    return `[data-at="${this.at}"] ${selector}`
  }

  switch() {
    const title = this.line.on ? t("Turn off {adapter}", this.line) : t("Turn on {adapter}", this.line)
    return toggle(this.line.on, title, (on) => this.change({ on }, ".lw-switch"))
  }

  name() {
    const [folder, stem] = nameParts(this.line.adapter)
    const take = (adapter) => {
      this.editor.known.delete(this.line)
      this.change({ adapter, triggers: null }, ".lw-name")
    }
    const title = t("{adapter}: choose another adapter", this.line)
    const own = button("lw-name", "", title, () => this.editor.choose(own, take))
    own.append(el("small", { textContent: folder }), el("b", { textContent: stem || t("choose an adapter") }))
    if (this.told.family) own.append(el("i", { textContent: this.told.family }))
    return own
  }

  weights() {
    const { line } = this
    const commit = () => this.editor.commit()
    const own = weightField(line.weight, "1", t("Weight for the denoiser"), commit)
    const text = weightField(line.text, line.weight, t("Weight for the text encoder; empty: the same"), commit)
    own.addEventListener("input", () => {
      line.weight = own.value || "1"
      text.placeholder = line.weight
      text.dispatchEvent(new Event("input"))
      this.editor.measure()
    })
    text.addEventListener("input", () => {
      line.text = text.value
      this.editor.measure()
    })
    return [own, text]
  }

  chips() {
    const on = phrasesOn(this.line, this.phrases)
    const all = [...new Set([...this.phrases, ...on])]
    const chips = all.map((phrase, index) => {
      const pressed = on.includes(phrase)
      const title = pressed
        ? t("Turn off the trigger {phrase}", { phrase })
        : t("Turn on the trigger {phrase}", { phrase })
      const chip = button("lw-chip", phrase, title, () =>
        this.trigger(toggled(this.line, phrase, this.phrases), index))
      chip.setAttribute("aria-pressed", pressed)
      return chip
    })
    const text = all.length ? "+" : t("+ trigger")
    const plus = button("lw-chip", text, t("Add a trigger phrase"), () => this.addPhrase(plus, on))
    return [...chips, plus]
  }

  /** Only the chips are drawn again: the user may be pressing something else already. */
  trigger(triggers, focus) {
    this.line.triggers = triggers
    whenReleased(this.more, () => {
      const blocks = this.more.querySelector(".lw-blocks")
      this.more.replaceChildren(...this.chips(), ...(blocks ? [blocks] : []))
      this.more.children[focus]?.focus()
    })
    this.editor.commit()
  }

  addPhrase(plus, on) {
    let added = false
    const add = () => {
      const phrase = field.value.replace(/[|;\s]+/g, " ").trim()
      if (added) return
      added = true
      if (phrase) this.trigger([...on, phrase])
      else field.replaceWith(plus)
    }
    const label = t("Trigger phrase")
    const field = el("input", { className: "lw-chip", "aria-label": label, on: { change: add, blur: add } })
    plus.replaceWith(field)
    field.focus()
  }

  blocks() {
    const known = this.told.blocks ?? []
    const offered = [...BLOCK_PRESETS, ...known.map((name) => `${name}=0.5`), "all=0, mid=1"]
    const id = `lw-blocks-${this.editor.node.id}-${this.at}`
    const field = el("input", {
      value: this.line.blocks, placeholder: t("mid=0.5, up.1=0.8, a preset, or numbers"),
      "aria-label": t("Block weights"), list: id, spellcheck: false,
      title: known.length
        ? t("Blocks of this adapter: {blocks}", { blocks: known.join(", ") })
        : t("Block weights"),
      on: { change: () => {
        this.line.blocks = field.value.replaceAll("|", " ").trim()
        this.editor.commit()
      } },
    })
    const list = el("datalist", { id }, ...offered.map((value) => el("option", { value })))
    return el("label", { className: "lw-blocks" }, t("blocks"), field, list)
  }

  menu() {
    const own = button("lw-menu", "•••", t("More for {adapter}", this.line), () =>
      openRowMenu(this.editor, this.line, this.at, own))
    return own
  }

  handle() {
    const own = button("lw-handle", "⠿", t("Drag to move, or press Up and Down"), () => {})
    own.addEventListener("pointerdown", (event) => this.drag(event, own))
    return own
  }

  /** Moves the row along with the pointer, and the line when it is let go. */
  drag(event, handle) {
    const own = handle.closest("[data-at]")
    const list = own.parentElement
    const others = [...list.children].filter((row) => row !== own)
    let to = this.at
    handle.setPointerCapture(event.pointerId)
    own.classList.add("lw-dragged")
    const follow = ({ clientY }) => {
      const above = others.filter((row) => middle(row) < clientY).length
      if (above === to) return
      to = above
      // The others move, not the row: one that is taken out and put back loses the pointer.
      list.prepend(...others.slice(0, above))
      list.append(...others.slice(above))
    }
    handle.addEventListener("pointermove", follow)
    handle.addEventListener("lostpointercapture", () => {
      handle.removeEventListener("pointermove", follow)
      own.classList.remove("lw-dragged")
      if (to !== this.at) this.editor.move(this.at, to)
    }, { once: true })
  }
}

function middle(element) {
  const { top, height } = element.getBoundingClientRect()
  return top + height / 2
}
