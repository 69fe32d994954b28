// A setting as a row: its label, its field, where its value comes from, and what is wrong with it.

import { button, el } from "../kit/parts.js"
import { t } from "../kit/texts.js"

let count = 0

/** The field of a setting. @param {any} field as the server declares it @param {(value: string) => void} act */
function fieldOf(field, act) {
  const id = `lw-setting-${++count}`
  const title = field.tooltip
  if (field.kind === "choice" || field.kind === "switch") {
    return el("select", { id, title, on: { change: (event) => act(event.target.value) } })
  }
  const number = ["whole", "number"].includes(field.kind) && !field.words.length
  const own = el("input", {
    id, title, type: number ? "number" : "text", spellcheck: false, autocomplete: "off",
    on: { input: (event) => !event.target.validity.badInput && act(event.target.value.trim()) },
  })
  if (!number) return own
  if (field.minimum !== null) own.min = field.minimum
  if (field.maximum !== null) own.max = field.maximum
  own.step = field.kind === "whole" ? String(field.step ?? 1) : "any"
  return own
}

export class Row {
  /** @param {any} field @param {(name: string, value: string) => void} act */
  constructor(field, act) {
    this.field = field
    this.value = ""
    this.input = fieldOf(field, (value) => act(field.name, value))
    this.from = el("div", { className: "lw-from" })
    this.problem = el("div", { className: "lw-problem", role: "status" })
    this.reset = button("lw-reset", "\u21ba", t("Back to the suggested value: {name}", { name: field.label }), () => {
      act(field.name, "")
      this.set("")
      this.input.focus()
    })
    const unit = field.unit ? el("small", { textContent: field.unit }) : null
    const label = el("label", { htmlFor: this.input.id, title: field.tooltip }, field.label, unit)
    this.element = el("div", { className: "lw-recipe-row" }, label, this.input, this.reset, this.from, this.problem)
    this.element.dataset.setting = field.name
    this.mark()
  }

  /** The value that is chosen by hand; empty for none. @param {string} value */
  set(value) {
    this.value = value
    if (this.input.tagName === "SELECT") this.fill(this.suggested ?? "")
    else if (document.activeElement !== this.input || !value || this.input.value.trim() !== value) this.input.value = value
    this.mark()
  }

  /** Options of a choice, the suggested one first. @param {string} suggested */
  fill(suggested) {
    this.suggested = suggested
    const names = this.field.kind === "switch" ? ["true", "false"] : [...this.field.choices]
    if (this.value && !names.includes(this.value)) names.push(this.value)
    const first = el("option", { value: "", textContent: suggested || t("as suggested") })
    const wanted = [suggested, this.value, ...names].join("|")
    if (this.drawn !== wanted) {
      this.input.replaceChildren(first, ...names.map((name) => el("option", { value: name, textContent: name })))
      this.drawn = wanted
    }
    this.input.value = this.value
    this.input.classList.toggle("lw-as-suggested", !this.value)
  }

  mark() {
    this.element.classList.toggle("lw-changed", this.value !== "")
    this.reset.style.visibility = this.value === "" ? "hidden" : "visible"
  }

  /**
   * What the server tells of it.
   * @param {{value: string | null, from: string} | undefined} used
   * @param {string[]} problems
   * @param {string} unused
   */
  tell(used, problems, unused) {
    const shown = this.value === "" ? (used?.value ?? "") : this.suggested ?? ""
    if (this.input.tagName === "SELECT") this.fill(this.value === "" ? shown : "")
    else this.input.placeholder = shown || (used?.value === null ? t(used.from) : t("none"))
    const origin = used ? t(used.from) : ""
    const plain = ["default", "chosen by hand"].includes(used?.from ?? "") // the field shows these
    this.from.textContent = [plain ? "" : origin, unused].filter(Boolean).join(" \u00b7 ")
    this.from.title = this.from.textContent
    this.input.title = `${this.field.tooltip}\n${origin}`
    this.problem.textContent = problems.join("\n")
    this.element.classList.toggle("lw-wrong", problems.length > 0)
    this.element.classList.toggle("lw-unused", Boolean(unused))
    this.input.setAttribute("aria-invalid", String(problems.length > 0))
  }

  /** @param {string[]} words */
  fits(words) {
    const text = `${this.field.name} ${this.field.label} ${this.field.tooltip}`.toLowerCase()
    return words.every((word) => text.includes(word))
  }
}
