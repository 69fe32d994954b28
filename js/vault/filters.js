// Menus that narrow the vault: the values that there are, with how many adapters each would leave.

import { button, el, option, popover } from "../kit/parts.js"
import { ask } from "../kit/server.js"
import { t } from "../kit/texts.js"

const MENUS = { family: () => t("Family"), base: () => t("Base"), kind: () => t("Kind") }

export class Filters {
  /**
   * @param {Record<string, string>} chosen which is changed
   * @param {() => string} search the words beside the menus
   * @param {() => void} changed
   */
  constructor(chosen, search, changed) {
    this.chosen = chosen
    this.search = search
    this.changed = changed
    this.buttons = Object.entries(MENUS).map(([name, label]) => {
      const own = button("lw-filter", "", "", () => this.open(name, label(), own))
      own.setAttribute("aria-haspopup", "menu")
      return own
    })
    this.here = button("lw-filter", t("Trained here"), t("Trained here, by LoRA Workbench"), () =>
      this.choose("here", this.chosen.here ? "" : "1"))
    this.clear = button("lw-filter-clear", "×", t("Clear the filters"), () => this.reset())
    this.element = el("div", { className: "lw-filters", role: "group", "aria-label": t("Filters") },
      ...this.buttons, this.here, this.clear)
    this.draw()
  }

  get any() {
    return Object.values(this.chosen).some(Boolean)
  }

  draw() {
    Object.entries(MENUS).forEach(([name, label], at) => {
      const own = this.buttons[at]
      const value = this.chosen[name]
      own.textContent = value || label()
      own.title = value ? `${label()}: ${value}` : label()
      own.setAttribute("aria-label", own.title)
      own.classList.toggle("lw-chosen", Boolean(value))
    })
    this.here.setAttribute("aria-pressed", String(Boolean(this.chosen.here)))
    this.here.classList.toggle("lw-chosen", Boolean(this.chosen.here))
    this.clear.hidden = !this.any
  }

  choose(name, value) {
    this.chosen[name] = value
    this.draw()
    this.changed()
  }

  unset() {
    for (const name of Object.keys(this.chosen)) this.chosen[name] = ""
    this.draw()
  }

  reset() {
    this.unset()
    this.buttons[0].focus()
    this.changed()
  }

  /** A menu of one filter's values, as they are with the words and the other filters. */
  async open(name, label, anchor) {
    const told = await ask("vault/values", { search: this.search(), ...this.chosen }).catch(() => null)
    const now = this.chosen[name]
    const values = told?.[name] ?? []
    const entries = now ? [["", null], ...values] : values
    const made = entries.map(([value, count]) => {
      const own = option("", () => (close(), this.choose(name, value), anchor.focus()), "lw-value")
      own.setAttribute("role", "menuitemradio")
      own.setAttribute("aria-checked", String(value === now))
      own.append(el("span", { textContent: value || t("Any"), title: value }), el("small", { textContent: count ?? "" }))
      return own
    })
    const list = el("div", { className: "lw-options", role: "menu", "aria-label": label }, ...made)
    if (!made.length) list.append(el("div", { className: "lw-note", textContent: t("Nothing found") }))
    const close = popover(anchor, [list], label)
    ;(made.find((own) => own.getAttribute("aria-checked") === "true") ?? made[0])?.focus()
  }
}
