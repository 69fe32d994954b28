// Find and replace over all captions of a gallery, with a look at what changes.

import { openDialog } from "../kit/dialog.js"
import { button, el } from "../kit/parts.js"
import { t } from "../kit/texts.js"
import { say } from "../kit/toasts.js"
import { hasTrigger } from "./caption.js"
import { inOneLine } from "./overrides.js"
import { changed, finder } from "./replacing.js"

const MOST_SHOWN = 200 // changes
const AROUND = 60 // characters that are shown before and after what was found
const PAUSE = 150 // milliseconds without typing

/** @typedef {import("./replacing.js").Change & {name: string, trigger: string}} OfPicture */

export class FindReplace {
  /**
   * @param {import("./records.js").Records} records
   * @param {import("./edits.js").Edits} edits
   * @param {() => void} closed
   */
  constructor(records, edits, closed) {
    this.records = records
    this.edits = edits
    /** @type {OfPicture[]} */
    this.changes = []
    this.find = this.field(t("Find"))
    this.by = this.field(t("Replace with"))
    this.matchCase = this.option()
    this.wholeWords = this.option()
    this.told = el("div", { role: "status" })
    this.list = el("div", { className: "lw-changes", role: "list", "aria-label": t("Changes"), tabIndex: 0 })
    this.act = button("lw-main", t("Replace"), t("Replace"), () => this.apply())
    this.act.disabled = true
    this.dialog = openDialog(t("Find and replace in captions"), "lw-replace", this.content(), closed)
    this.find.focus()
    this.load()
  }

  content() {
    const options = /** @type {const} */ ([[this.matchCase, t("Match case")], [this.wholeWords, t("Whole words")]])
    return [
      el("label", {}, t("Find"), this.find), el("label", {}, t("Replace with"), this.by),
      el("div", { className: "lw-options-row" }, ...options.map(([own, text]) => el("label", {}, own, ` ${text}`))),
      this.told, this.list,
      el("div", { className: "lw-dialog-acts" }, button("", t("Cancel"), t("Cancel"), () => this.dialog.close()), this.act),
    ]
  }

  /** @param {string} label */
  field(label) {
    return el("input", { type: "text", "aria-label": label, spellcheck: false,
      on: { input: () => this.lookLater(), keydown: (event) => this.key(event) } })
  }

  option() {
    return el("input", { type: "checkbox", on: { change: () => this.look() } })
  }

  /** @param {KeyboardEvent} event */
  key(event) {
    if (event.key !== "Enter" || event.isComposing) return
    event.preventDefault()
    this.look()
    if (event.ctrlKey || event.metaKey) this.apply()
  }

  async load() {
    this.told.textContent = t("Reading the captions")
    try {
      await this.records.loadAll()
      this.isLoaded = true
      this.look()
    } catch (error) {
      this.told.textContent = error.message
    }
  }

  lookLater() {
    clearTimeout(this.timer)
    this.timer = setTimeout(() => this.look(), PAUSE)
  }

  look() {
    clearTimeout(this.timer)
    if (!this.isLoaded) return
    const how = { matchCase: this.matchCase.checked, wholeWords: this.wholeWords.checked }
    const found = finder(this.find.value, how)
    this.changes = found ? this.records.known.flatMap((record) => this.changeOf(record, found) ?? []) : []
    this.act.disabled = !this.changes.length
    this.told.replaceChildren(...(found ? this.words() : [t("Type what to find.")]))
    this.list.replaceChildren(...this.changes.slice(0, MOST_SHOWN).map((change) => this.row(change)), ...this.more())
  }

  /** @param {any} record @param {RegExp} found */
  changeOf(record, found) {
    const caption = this.edits.caption(record.name) ?? record.caption
    const change = caption && changed(caption, found, this.by.value)
    return change && { ...change, name: record.name, trigger: record.trigger }
  }

  /** What is said of the changes. */
  words() {
    const places = this.changes.reduce((sum, { parts }) => sum + parts.length, 0)
    const joined = this.changes.filter(({ after }) => /[\r\n]/.test(after.trim())).length
    const lost = this.changes.filter((own) => hasTrigger(own.before, own.trigger) && !hasTrigger(own.after, own.trigger))
    const notes = [
      ...(lost.length ? [t("Captions that lose the trigger word: {n}", { n: lost.length })] : []),
      ...(joined ? [t("Captions whose lines become one: {n}", { n: joined })] : []),
    ]
    const counts = { n: this.changes.length, total: this.records.total, places }
    return [
      t("Captions that change: {n} of {total}, places: {places}", counts),
      ...notes.map((textContent) => el("div", { className: "lw-long", textContent })),
    ]
  }

  /** @param {OfPicture} change */
  row({ name, parts, rest }) {
    const by = this.by.value
    const shown = parts.flatMap(({ kept, found }, at) => [
      at ? middle(kept) : ending(kept), el("del", { textContent: found }), ...(by ? [el("ins", { textContent: by })] : []),
    ])
    const title = el("div", { className: "lw-muted", textContent: name })
    return el("div", { role: "listitem" }, title, ...shown, beginning(rest))
  }

  more() {
    const rest = this.changes.length - MOST_SHOWN
    return rest > 0 ? [el("div", { className: "lw-muted", textContent: t("and {n} more", { n: rest }) })] : []
  }

  apply() {
    if (!this.changes.length) return
    this.edits.setCaptions(this.changes.map(({ name, after }) => [name, inOneLine(after)]))
    say("success", t("Captions changed: {n}. Undo takes them back in one step.", { n: this.changes.length }))
    this.dialog.close()
  }
}

/** @param {string} text */
function beginning(text) {
  return text.length > AROUND ? `${text.slice(0, AROUND)}…` : text
}

/** @param {string} text */
function ending(text) {
  return text.length > AROUND ? `…${text.slice(-AROUND)}` : text
}

/** @param {string} text */
function middle(text) {
  return text.length > 2 * AROUND ? `${text.slice(0, AROUND)} … ${text.slice(-AROUND)}` : text
}
