// Choosing an adapter: a search that has the focus at once, families, and a list through which the arrows go.

import { button, el, nameParts, popover } from "../kit/parts.js"
import { whenReleased } from "../kit/presses.js"
import { ask, url } from "../kit/server.js"
import { t } from "../kit/texts.js"
import { VirtualList } from "../kit/virtual_list.mjs"
import { noteUse, recentAdapters } from "./recent.mjs"

const ROW_HEIGHT = 52 // pixels, as in the style sheet
const PAUSE = 80 // milliseconds without a key before the server is asked
const READING = 700 // milliseconds between questions while the server reads files
const PAGE = 6 // rows

/**
 * Opens a picker beside an element.
 * @param {any} anchor an element, or whatever has its place
 * @param {string} family of the base model, whose adapters are shown; empty for all
 * @param {(name: string) => void} choose
 * @param {string[]} [first] names that come before those used last
 */
export function pickAdapter(anchor, family, choose, first = []) {
  const picker = new Picker(family, (name) => {
    close()
    noteUse(name)
    choose(name)
  }, first)
  const close = popover(anchor, [picker.element], t("Adapters"))
  picker.search.focus()
}

class Picker {
  /** @param {string} family @param {(name: string) => void} take @param {string[]} first */
  constructor(family, take, first) {
    this.family = family
    this.take = take
    this.at = 0 // the row that Enter takes
    this.recent = [...first, ...recentAdapters()]
    this.version = 0 // of the vault, when it was asked last
    this.reading = null // what the server reads meanwhile
    this.list = new VirtualList({
      rowHeight: ROW_HEIGHT, label: t("Adapters"), roles: ["listbox", "option"],
      load: (from, count) => this.load(from, count), draw: (card, at) => this.row(card, at),
      counted: (total) => this.count(total),
    })
    this.list.element.id = "lw-picker-list"
    this.list.element.tabIndex = -1 // the search has the focus, and the arrows
    this.search = el("input", {
      type: "search", spellcheck: false, autocomplete: "off", placeholder: t("Search names, trigger words, notes"),
      "aria-label": t("Search"), role: "combobox", "aria-expanded": "true", "aria-controls": "lw-picker-list",
      on: { input: () => this.askLater() },
    })
    this.families = el("div", { className: "lw-families", role: "group", "aria-label": t("Family") })
    this.note = el("div", { className: "lw-note", role: "status" })
    const parts = [this.search, this.families, this.list.element, this.note]
    this.element = el("div", { className: "lw-picker" }, ...parts)
    this.element.addEventListener("keydown", (event) => this.onKey(event))
    this.list.element.addEventListener("mousedown", (event) => event.preventDefault()) // the search keeps the focus
    this.begin()
  }

  /** What is known is shown at once, and what has come since as soon as the files have been looked at. */
  async begin() {
    this.ask()
    await this.asked
    for (let told = await this.counts(); told && this.element.isConnected; told = await this.counts()) {
      if (told.version !== this.version) this.ask()
      if (!told.reading) return
      await new Promise((done) => setTimeout(done, READING))
    }
  }

  async counts() {
    const told = await ask("vault", { count: 0 }).catch(() => null)
    if (told) whenReleased(this.families, () => this.drawFamilies(told.families))
    return told
  }

  async load(from, count) {
    const query = { search: this.search.value, fits: this.family, recent: this.recent.join("\n"), from, count }
    const { total, cards, version, reading } = await ask("vault", query)
    Object.assign(this, { version, reading })
    return { total, rows: cards }
  }

  count(total) {
    this.found = total
    if (total > 1) this.note.textContent = t("{n} adapters", { n: total })
    else if (total) this.note.textContent = t("1 adapter")
    else if (this.reading) this.note.textContent = t("Looking at the files of adapters …")
    else this.note.textContent = this.search.value || this.family ? t("Nothing found") : t("No adapters yet")
    this.list.element.style.height = `${Math.min(total, PAGE + 1) * ROW_HEIGHT}px`
  }

  askLater() {
    clearTimeout(this.timer)
    this.timer = setTimeout(() => this.ask(), PAUSE)
  }

  ask() {
    clearTimeout(this.timer)
    this.timer = undefined
    this.at = 0
    this.asked = this.list.reload().then(() => this.mark(), (error) => (this.note.textContent = error.message))
  }

  drawFamilies(families) {
    if (this.family && !families.includes(this.family)) families = [this.family, ...families]
    const focused = [...this.families.children].indexOf(document.activeElement)
    this.families.hidden = families.length < 2
    this.families.replaceChildren(...["", ...families].map((family) => {
      const title = family ? t("Only adapters for {family}", { family }) : t("Adapters of all families")
      const own = button("lw-family", family || t("All"), title, () => {
        this.family = family
        this.drawFamilies(families)
        this.ask()
        this.search.focus()
      })
      own.setAttribute("aria-pressed", String(family === this.family))
      return own
    }))
    this.families.children[focused]?.focus()
  }

  row(card, at) {
    const [folder, stem] = nameParts(card.name)
    const picture = card.preview
      ? el("img", { src: url("vault/preview", { name: card.name, version: card.preview }), alt: "", loading: "lazy" })
      : el("span", { className: "lw-no-picture" })
    const recent = !this.search.value && this.recent.includes(card.name)
    const triggers = card.problem || card.triggers.join("; ")
    const own = el("div", { id: `lw-pick-${at}`, className: "lw-pick", title: card.name, "aria-selected": at === this.at },
      picture,
      el("div", {}, el("div", {}, el("small", { textContent: folder }), el("b", { textContent: stem })),
        el("div", { className: card.problem ? "lw-bad" : "lw-muted", textContent: triggers })),
      recent ? el("small", { textContent: t("recent") }) : null,
      card.family ? el("i", { textContent: card.family }) : null)
    own.addEventListener("click", () => this.take(card.name))
    return own
  }

  /** Shows which row Enter takes. */
  mark() {
    this.list.show(this.at)
    for (const own of this.list.inner.children) own.setAttribute("aria-selected", String(own.id === `lw-pick-${this.at}`))
    this.search.setAttribute("aria-activedescendant", `lw-pick-${this.at}`)
  }

  /** @param {KeyboardEvent} event */
  onKey(event) {
    const step = { ArrowDown: 1, ArrowUp: -1, PageDown: PAGE, PageUp: -PAGE }[event.key]
    if (event.key === "Enter" && event.target === this.search) this.enter()
    else if (step) this.at = Math.max(0, Math.min((this.found ?? 1) - 1, this.at + step))
    else return
    event.preventDefault()
    if (step) this.mark()
  }

  /** Takes the row that is marked, of what is typed by now. */
  async enter() {
    if (this.timer) this.ask()
    for (let asked; asked !== this.asked; await asked) asked = this.asked // another question may come in between
    const card = this.list.rows.get(this.at)
    if (card && this.element.isConnected) this.take(card.name)
  }
}
