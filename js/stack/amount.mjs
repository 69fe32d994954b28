// What the rows of a stack amount to, as their weights change, and what is likely to go wrong.

import { button, el } from "../kit/parts.js"
import { whenReleased } from "../kit/presses.js"
import { t } from "../kit/texts.js"
import { isRow } from "./lines.mjs"
import { amountOf } from "./server.mjs"

/** @param {number} number */
function short(number) {
  return String(Number(number.toFixed(2)))
}

export class Amount {
  /** @param {any} editor */
  constructor(editor) {
    this.editor = editor
    this.told = null
    this.asking = false
    this.wired = false // stacks come in, and are counted
    this.more = false // adapters come in that aren't
    this.share = el("div", { className: "lw-share" })
    this.words = el("span", {})
    this.warnings = el("div", { role: "status" })
    this.meter = el("div", { className: "lw-meter" }, this.share)
    this.line = el("div", { className: "lw-amount-line" }, this.words, this.meter)
    this.element = el("div", { className: "lw-amount" }, this.line, this.warnings)
    this.draw()
  }

  /** Asks what the rows amount to. One question is under way at a time, so that a drag is followed as fast as answers
   *  come. */
  async ask() {
    this.again = true
    if (this.asking) return
    this.asking = true
    this.element.classList.add("lw-stale")
    while (this.again) {
      this.again = false
      const { texts, more } = this.editor.before()
      Object.assign(this, { wired: texts.length > 0, more })
      this.told = await amountOf(this.editor.text, texts).catch(() => null)
      this.draw()
    }
    this.asking = false
    this.element.classList.remove("lw-stale")
  }

  draw() {
    const { told } = this
    const any = this.editor.lines.some((line) => isRow(line) && line.on)
    this.element.hidden = !told || !any
    if (this.element.hidden) return
    this.line.hidden = told.total_weight === null
    this.show([...this.missing(), ...this.families(), ...(this.line.hidden ? [] : this.measured())])
    this.editor.grow()
  }

  /** The numbers, and what they warn of. */
  measured() {
    const { told } = this
    const own = told.effective_total
    this.words.textContent = own === null ? t("Weights {total}", { total: short(told.total_weight) })
      : t("Weights {total}, amounting to {amount} of at most {limit}",
        { total: short(told.total_weight), amount: short(own), limit: told.limit })
    this.words.title = this.wired
      ? t("How many adapters at weight 1 the rows that are on amount to, with those of connected stacks.")
      : t("How many adapters at weight 1 the rows that are on amount to.")
    this.meter.hidden = own === null
    this.share.style.width = `${Math.min(100, (100 * (own ?? 0)) / told.limit)}%`
    this.element.classList.toggle("lw-beyond", told.breaks)
    return [...this.unmeasured(), ...this.unseen(), ...this.beyond()]
  }

  /** Warnings that are there already stay as they are, with the focus in them. */
  show(warnings) {
    const texts = JSON.stringify(warnings.map(({ text, label }) => [text, label]))
    if (texts === this.shown) return
    this.shown = texts
    whenReleased(this.warnings, () => {
      const focused = this.warnings.contains(document.activeElement)
      this.warnings.replaceChildren(...warnings.map(({ text, label, title, act }) =>
        el("div", { className: "lw-warning" }, el("span", { textContent: text }), act ? button("", label, title, act) : null)))
      if (focused) this.warnings.querySelector("button")?.focus()
    })
  }

  beyond() {
    const { breaks, effective_total, limit, best, suggested_factor } = this.told
    if (!breaks) return []
    if (this.wired) {
      return [{ text: t("The rows and connected stacks amount to {amount}; above {limit} pictures tend to break.",
        { amount: short(effective_total), limit }) }]
    }
    const factor = short(suggested_factor)
    return [{
      text: t("The rows amount to {amount} of one adapter at weight 1; above {limit} pictures tend to break.",
        { amount: short(effective_total), limit }),
      label: `\u00d7 ${factor}`,
      title: t("Multiply all weights by {factor}, so that they amount to {best}", { factor, best }),
      act: () => this.editor.scale(suggested_factor),
    }]
  }

  unmeasured() {
    const names = this.told.unmeasured.join(", ")
    return names ? [{ text: t("Not counted, as it depends on the base model: {names}", { names }) }] : []
  }

  unseen() {
    return this.more ? [{ text: t("Not counted, as only a run tells them: adapters that come in by wire.") }] : []
  }

  families() {
    const families = this.editor.families()
    if (families.length < 2) return []
    return [{ text: t("Adapters of different families: {families}. No base model fits all.",
      { families: families.sort().join(", ") }) }]
  }

  missing() {
    const told = this.editor.lines.filter((line) => isRow(line) && line.on).map((line) => this.editor.known.get(line))
    const [gone, wrong] = [told.filter((own) => own?.problem && !own.name), told.filter((own) => own?.problem && own.name)]
    return [
      gone.length && { text: t("Missing files of rows that are on: {n}. The graph stops at them.", { n: gone.length }) },
      wrong.length && { text: t("Rows that are on and can't be used: {n}. The graph stops at them.", { n: wrong.length }) },
    ].filter(Boolean)
  }
}
