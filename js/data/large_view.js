// One picture at large, over the page: its caption, flaws, crops and mask, and what can be changed.

import { button, el } from "../kit/parts.js"
import { t } from "../kit/texts.js"
import { marked } from "./caption.js"
import { cropOver } from "./crops.js"
import { addEditCaptions } from "./edits.js"
import { TokenLine } from "./tokens.js"

const SIDE = 1024 // pixels of the picture

export class LargeView {
  /**
   * @param {import("./records.js").Records} records
   * @param {import("./edits.js").Edits} edits
   * @param {number} index
   * @param {(index: number, isDuplicate: boolean) => void} closed with the picture that was in view, and whether it is to
   *   be marked as a duplicate
   */
  constructor(records, edits, index, closed) {
    this.records = records
    this.edits = edits
    this.index = index
    this.overlays = true
    this.isDuplicate = false
    this.title = el("b", {})
    this.place = el("span", { className: "lw-muted" })
    this.stage = el("div", { className: "lw-stage" })
    this.side = el("div", { className: "lw-side" })
    this.element = el("dialog", { className: "lw lw-large", "aria-label": t("Picture") }, this.bar(),
      el("div", { className: "lw-large-body" }, this.stage, this.side))
    this.element.addEventListener("keydown", (event) => this.key(event))
    this.element.addEventListener("close", () => (this.save(), this.element.remove(), closed(this.index, this.isDuplicate)))
    this.element.addEventListener("click", (event) => event.target === this.element && this.element.close())
    document.body.append(this.element)
    this.element.showModal()
    this.show(index)
  }

  bar() {
    return el("div", { className: "lw-large-bar" }, this.title, this.place,
      button("lw-previous", "‹", t("Previous picture"), () => this.show(this.index - 1)),
      button("lw-next", "›", t("Next picture"), () => this.show(this.index + 1)),
      button("lw-close", "×", t("Close"), () => this.element.close()))
  }

  /** @param {number} index */
  async show(index) {
    this.save()
    this.field = null
    this.index = Math.max(0, Math.min(this.records.total - 1, index))
    await this.records.load(this.index).catch(() => {})
    const record = this.records.known[this.index]
    if (!record || !this.element.isConnected) return
    this.record = record
    this.title.textContent = record.name
    this.place.textContent = t("{n} of {total}", { n: this.index + 1, total: this.records.total })
    this.stage.replaceChildren(this.picture(record))
    this.side.replaceChildren(...this.about(record))
  }

  picture(record) {
    const frame = el("div", { className: "lw-frame" })
    frame.style.aspectRatio = `${record.width} / ${record.height}`
    frame.style.setProperty("--lw-ratio", String(record.width / record.height))
    frame.append(el("img", { alt: record.caption ?? record.name, src: this.records.picture(record, SIDE) }))
    if (this.overlays && record.has_mask) {
      frame.append(el("img", { className: "lw-over", alt: "", src: this.records.mask(record, SIDE) }))
    }
    if (this.overlays) frame.append(...record.crops.map((crop) => cropOver(record, crop, true)))
    return frame
  }

  /** All that stands beside the picture. */
  about(record) {
    const facts = [`${record.width} × ${record.height}`]
    if (record.repeats > 1) facts.push(t("shown {n} times an epoch", { n: record.repeats }))
    if (record.mask_unused) facts.push(t("its mask counts after Mask Data Set"))
    const flags = record.flags.map(({ label, reason }) =>
      el("li", {}, el("span", { className: "lw-label lw-flag", textContent: label }), ` ${reason}`))
    return [
      ...this.captionParts(record),
      ...this.choiceParts(record),
      el("div", { className: "lw-muted", textContent: facts.join(", ") }),
      ...(flags.length ? [el("ul", { "aria-label": t("Flaws") }, ...flags)] : []),
      ...(record.has_mask || record.crops.length ? [this.overlaySwitch()] : []),
    ]
  }

  captionParts(record) {
    const edited = this.edits.caption(record.name)
    const shown = el("div", { className: "lw-caption", "aria-live": "polite" })
    const count = new TokenLine()
    const text = edited ?? record.caption ?? ""
    const tell = (typed) => {
      shown.replaceChildren(...marked(typed, record.trigger))
      count.showLater(typed)
    }
    shown.replaceChildren(...marked(text, record.trigger))
    count.show(text)
    return this.edits.ofCaptions ? [this.editor(record, edited, tell), shown, count.element, ...this.undo(record, edited)]
      : [shown, count.element, ...this.readOnly()]
  }

  editor(record, edited, tell) {
    this.before = edited ?? record.caption ?? ""
    this.field = el("textarea", { value: this.before, rows: 5, "aria-label": t("Caption"), spellcheck: true,
      on: { input: () => tell(this.field.value) } })
    const field = this.field
    queueMicrotask(() => field.focus())
    return field
  }

  undo(record, edited) {
    if (edited === undefined) return []
    return [button("", t("Undo this edit"), t("Undo this edit"), () => {
      this.field = null
      this.edits.setCaptions([[record.name, undefined]])
      this.show(this.index)
    })]
  }

  readOnly() {
    const { node } = this.edits
    if (node.comfyClass === "LW_EditCaptions" || !node.outputs?.some((output) => output.type === "LW_DATASET")) return []
    const words = t("Captions are edited in Edit Captions.")
    const title = t("Add Edit Captions after this node")
    return [el("div", { className: "lw-muted", textContent: words }),
      button("lw-add", title, title, () => (this.element.close(), addEditCaptions(node)))]
  }

  choiceParts(record) {
    const reason = record.dropped ? [el("div", { className: "lw-muted", textContent: t("Dropped: {why}", { why: record.dropped }) })] : []
    if (!this.edits.ofChoices) return reason
    const chosen = this.edits.choice(record.name)
    const original = this.edits.original(record.name)
    const duplicate = original ? t("Duplicate of {name}", { name: original }) : t("Duplicate of …")
    const texts = /** @type {const} */ ([
      ["auto", t("By its flaws")], ["keep", t("Keep")], ["drop", t("Drop")], ["duplicate", duplicate],
    ])
    const made = texts.map(([choice, text]) => {
      const own = button("", text, text, () => this.choose(choice))
      own.setAttribute("role", "radio")
      own.setAttribute("aria-checked", choice === chosen)
      own.dataset.choice = choice
      return own
    })
    return [el("div", { className: "lw-choices", role: "radiogroup", "aria-label": t("Keep or drop") }, ...made), ...reason]
  }

  /** @param {import("./edits.js").Choice} choice */
  choose(choice) {
    if (choice === "duplicate") {
      this.isDuplicate = true // of a picture that is picked in the gallery
      this.element.close()
      return
    }
    this.edits.setChoice(this.record.name, choice)
    this.side.replaceChildren(...this.about(this.record))
    this.side.querySelector(`[data-choice="${choice}"]`)?.focus()
  }

  overlaySwitch() {
    const field = el("input", { type: "checkbox", checked: this.overlays, on: { change: () => {
      this.overlays = field.checked
      this.stage.replaceChildren(this.picture(this.record))
    } } })
    return el("label", {}, field, ` ${t("Show crops and mask")}`)
  }

  /** Keeps what was typed. */
  save() {
    if (this.field && this.field.value.trim() !== this.before.trim()) {
      this.edits.setCaptions([[this.record.name, this.field.value]])
      this.before = this.field.value
    }
  }

  /** @param {KeyboardEvent} event */
  key(event) {
    event.stopPropagation()
    const typing = event.target === this.field && !event.altKey
    const step = { PageDown: 1, PageUp: -1, ...(typing ? {} : { ArrowRight: 1, ArrowLeft: -1 }) }[event.key]
    const choice = /** @type {const} */ ({ k: "keep", d: "drop", m: "duplicate" })[event.key]
    if (step) this.show(this.index + step)
    else if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) this.show(this.index + 1)
    else if (choice && !typing && this.edits.ofChoices) this.choose(this.edits.choice(this.record.name) === choice ? "auto" : choice)
    else return
    event.preventDefault()
  }
}
