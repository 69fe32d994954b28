// The settings of a recipe as a form. The text is what counts: the form reads and writes it, and shows it as it is too.

import { app } from "/scripts/app.js"

import { captureChange } from "../kit/changes.js"
import { button, el } from "../kit/parts.js"
import { ask, tell } from "../kit/server.js"
import { FOLD_GROUPS, onSetting, setting } from "../kit/settings.js"
import { inputTexts, t } from "../kit/texts.js"
import { growToFit } from "../kit/widgets.js"
import { RECIPE } from "../kit/widths.js"
import { changed, read, write } from "./lines.mjs"
import { Plots } from "./plots.mjs"
import { Row } from "./row.mjs"

const PAUSE = 250 // milliseconds without a change before the server is asked
const MOST_LINES = 16 // of text that show at once

/** @type {Promise<any> | null} */
let declared = null

/** The settings that there are, asked once. */
function settings() {
  declared ??= ask("recipe/settings").catch((error) => {
    declared = null
    throw error
  })
  return declared
}

/** A field with its label and tooltip in the user's language. */
function translated(field, node) {
  const { name, tooltip } = inputTexts(node, field.name)
  return { ...field, label: name ?? field.label, tooltip: tooltip ?? field.tooltip, unit: field.unit && t(field.unit) }
}

export class RecipeForm {
  /** @param {any} node */
  constructor(node) {
    this.node = node
    /** @type {any} */
    this.widget = null
    this.own = ""
    this.asText = false
    this.known = null // of the data set and the base model, from the last run
    /** @type {Map<string, Row>} */
    this.rows = new Map()
    this.groups = []
    this.plots = new Plots()
    this.search = el("input", {
      type: "search", placeholder: t("Search settings"), "aria-label": t("Search settings"), on: { input: () => this.find() },
    })
    this.flipButton = button("lw-flip", t("Text"), t("Edit as text"), () => this.flip())
    this.list = el("div", { className: "lw-recipe-groups" })
    this.told = el("div", { className: "lw-recipe-told", role: "status" })
    this.textarea = el("textarea", {
      spellcheck: false, placeholder: "steps = 300", "aria-label": t("Settings as text"),
      on: { input: () => this.take(this.textarea.value) },
    })
    const bar = el("div", { className: "lw-recipe-bar" }, this.search, this.flipButton)
    this.content = el("div", { className: "lw-recipe-content" }, bar, this.list, this.textarea, this.told, this.plots.element)
    this.element = el("div", { className: "lw lw-recipe", role: "group", "aria-label": t("Settings of the recipe") }, this.content)
    this.element.addEventListener("keydown", (event) => this.onKey(event))
    this.flipped()
    this.unlisten = onSetting(FOLD_GROUPS, () => this.find())
    this.build()
  }

  get text() {
    return this.own
  }

  set text(text) {
    if (text === this.own) return
    this.own = text
    this.fill()
    this.resolve()
  }

  get height() {
    return Math.max(120, this.content.scrollHeight + 4)
  }

  async build() {
    try {
      const { groups } = await settings()
      this.groups = groups.map((group) => this.group(group))
      this.list.replaceChildren(...this.groups.map((group) => group.element))
      this.fill()
      this.resolve()
    } catch (error) {
      this.told.textContent = error.message
      this.asText = true
      this.flipped()
    }
    this.grow()
  }

  group({ name, title, about, fields }) {
    const node = `LW_Recipe${name[0].toUpperCase()}${name.slice(1)}` // with the same settings as inputs
    const rows = fields.map((field) => new Row(translated(field, node), (own, value) => this.choose(own, value)))
    for (const row of rows) this.rows.set(row.field.name, row)
    const count = el("small", {})
    const element = el("details", { open: !setting(FOLD_GROUPS), on: { toggle: () => this.grow() } },
      el("summary", { title: t(about) }, t(title), count), ...rows.map((row) => row.element))
    element.dataset.group = name
    return { element, rows, count }
  }

  /** A setting by hand; empty for the suggested value. */
  choose(name, value) {
    this.rows.get(name)?.set(value)
    this.take(write(changed(read(this.own), name, value)))
  }

  /** The workflow has a new text. @param {string} text */
  take(text) {
    this.own = text
    this.widget?.callback?.(text)
    this.fill()
    this.resolve()
    captureChange()
    app.graph?.setDirtyCanvas(true, true)
  }

  /** The text into the fields. */
  fill() {
    const chosen = new Map(read(this.own).map(({ name, value }) => [name, value]))
    for (const [name, row] of this.rows) {
      if (row.value !== (chosen.get(name) ?? "")) row.set(chosen.get(name) ?? "")
    }
    if (this.textarea.value !== this.own) this.textarea.value = this.own
    this.textarea.rows = Math.min(MOST_LINES, this.own.split("\n").length + 2)
    this.countChanges()
  }

  countChanges() {
    for (const { rows, count } of this.groups) {
      const changes = rows.filter((row) => row.value !== "").length
      count.textContent = changes ? t("{count} changed", { count: changes }) : String(rows.length)
      count.className = changes ? "lw-changes" : ""
    }
  }

  valueOf(name) {
    return this.node.widgets?.find((widget) => widget.name === name)?.value
  }

  /** Ask the server what the settings will be, once changes pause. */
  resolve() {
    clearTimeout(this.timer)
    this.timer = setTimeout(async () => {
      const asked = { goal: this.valueOf("goal"), quality: this.valueOf("quality"), settings: this.own, known: this.known }
      const told = await tell("recipe/resolve", asked).catch((error) => ({ error: error.message }))
      if (!this.removed && asked.settings === this.own) this.show(told)
    }, PAUSE)
  }

  show(told) {
    if (told.error) {
      this.told.textContent = told.error
      return this.grow()
    }
    const unused = new Map(told.unused.map(({ setting, message }) => [setting, t(message)]))
    const of = (name) => told.problems.filter(({ setting }) => setting === name).map(({ message }) => message)
    for (const [name, row] of this.rows) row.tell(told.values[name], of(name), unused.get(name) ?? "")
    const messages = new Set(told.problems.map(({ message }) => message))
    this.told.replaceChildren(...[...messages].map((textContent) => el("div", { textContent })))
    this.plots.show(told)
    this.grow()
  }

  /** What a run has told of the data set and the base model. @param {any} known */
  learn(known) {
    this.known = known
    this.resolve()
  }

  find() {
    const words = this.search.value.toLowerCase().split(/\s+/).filter(Boolean)
    for (const { element, rows } of this.groups) {
      const found = rows.filter((row) => (row.element.hidden = !row.fits(words), !row.element.hidden))
      for (const row of rows) row.element.style.display = row.element.hidden ? "none" : ""
      element.style.display = found.length ? "" : "none"
      element.open = words.length ? found.length > 0 : !setting(FOLD_GROUPS)
    }
    this.grow()
  }

  flip() {
    this.asText = !this.asText
    this.flipped()
    if (this.asText) this.textarea.focus()
    else this.search.focus()
    this.grow()
  }

  flipped() {
    this.list.style.display = this.search.style.display = this.asText ? "none" : ""
    this.textarea.style.display = this.asText ? "" : "none"
    this.flipButton.textContent = this.asText ? t("Form") : t("Text")
    this.flipButton.title = this.asText ? t("Edit as a form") : t("Edit as text")
    this.flipButton.setAttribute("aria-label", this.flipButton.title)
  }

  grow() {
    requestAnimationFrame(() => this.removed || growToFit(this.node, RECIPE))
  }

  /** @param {KeyboardEvent} event */
  onKey(event) {
    if (!event.ctrlKey && !event.metaKey) event.stopPropagation() // Delete and others would act on the node
    if (event.key === "Escape" && !this.asText) this.flip()
  }

  remove() {
    this.removed = true
    this.unlisten()
    clearTimeout(this.timer)
  }
}
