// Writing edited captions back to their files, after a look at what would be written.

import { openDialog } from "../kit/dialog.js"
import { button, el } from "../kit/parts.js"
import { tell } from "../kit/server.js"
import { t } from "../kit/texts.js"

const MOST_CAPTIONS = 200 // in one request
const MOST_CHARACTERS = 250_000 // which take at most three bytes each

/** @typedef {Record<string, string>} Captions by name */

/** @param {[string, string][]} captions @returns {Captions[]} as much as a request may carry each */
function parts(captions) {
  /** @type {Captions[]} */
  const made = []
  let size = Infinity
  let count = 0
  for (const [name, caption] of captions) {
    const own = JSON.stringify([name, caption]).length
    if (size + own > MOST_CHARACTERS || count >= MOST_CAPTIONS) {
      made.push({})
      size = count = 0
    }
    made[made.length - 1][name] = caption
    size += own
    count += 1
  }
  return made
}

export class WriteCaptions {
  /**
   * @param {import("./records.js").Records} records
   * @param {import("./edits.js").Edits} edits
   * @param {() => void} closed
   */
  constructor(records, edits, closed) {
    this.records = records
    this.edits = edits
    const shown = { className: "lw-written", role: "group", "aria-label": t("Files"), "aria-live": "polite", tabIndex: 0 }
    this.content = el("div", shown, t("Looking at the files"))
    this.act = button("lw-main", t("Write"), t("Write"), () => this.write())
    this.act.disabled = true
    this.cancel = button("", t("Cancel"), t("Cancel"), () => this.dialog.close())
    const acts = el("div", { className: "lw-dialog-acts" }, this.cancel, this.act)
    this.dialog = openDialog(t("Write edited captions to their files"), "lw-write", [this.content, acts], closed)
    this.look()
  }

  /** The edited captions of the pictures that are shown. @returns {[string, string][]} */
  edited() {
    return this.records.known.flatMap(({ name }) => {
      const caption = this.edits.caption(name)
      return caption === undefined ? [] : [/** @type {[string, string]} */ ([name, caption])]
    })
  }

  /** Answers to all parts of a question, one after the other. @param {boolean} isTry */
  async ask(isTry) {
    const told = []
    for (const captions of parts(this.captions)) {
      told.push(await this.askOne(captions, isTry))
    }
    return told
  }

  /** @param {Captions} captions @param {boolean} isTry @returns {Promise<any>} */
  async askOne(captions, isTry) {
    const asked = { token: this.records.token, captions, ...(isTry && { try: true }) }
    const answer = await tell("captions", asked).catch((error) => ({ failed: error.message }))
    if (answer.known) return answer
    const why = answer.failed ?? t("the server has forgotten these pictures; run the graph, then write again")
    return { refused: [], failed: why, left: Object.keys(captions).length }
  }

  async look() {
    try {
      await this.records.loadAll()
    } catch (error) {
      this.content.replaceChildren(error.message)
      return
    }
    this.captions = this.edited()
    const told = await this.ask(true)
    const [replaced, made] = ["replaced", "made"].map((name) => told.flatMap((answer) => answer[name] ?? []))
    const count = replaced.length + made.length
    const backups = told.find((own) => own.backups)?.backups
    const failed = this.failures(told)
    this.act.disabled = !count
    if (count) rename(this.act, t("Write files: {n}", { n: count }))
    this.content.replaceChildren(
      ...(replaced.length ? [line(t("Caption files to replace: {n}", { n: replaced.length })), names(replaced)] : []),
      ...(made.length ? [line(t("Caption files to make: {n}", { n: made.length })), names(made)] : []),
      ...this.rest(told),
      ...(replaced.length ? [line(t("The replaced files are kept as copies below {folder}", { folder: backups }))] : []),
      ...(count || failed.length ? [] : [line(t("There is nothing to write."))]), ...failed,
    )
  }

  async write() {
    this.act.disabled = true
    this.content.replaceChildren(t("Writing"))
    const told = await this.ask(false)
    const [written, backups] = ["written", "backups"].map((name) => told.flatMap((answer) => answer[name] ?? []))
    this.act.remove()
    rename(this.cancel, t("Close"))
    this.cancel.focus()
    this.content.replaceChildren(
      line(t("Caption files written: {n}", { n: written.length })),
      ...this.rest(told), ...this.failures(told),
      ...(backups.length ? [line(t("Copies of the replaced files: {n}", { n: backups.length })), names(folders(backups))] : []),
    )
  }

  /** What isn't written, and why. @param {any[]} told */
  rest(told) {
    const unchanged = told.reduce((sum, answer) => sum + (answer.unchanged ?? 0), 0)
    const refused = told.flatMap((answer) => answer.refused)
    const rows = refused.map(({ name, reason }) => el("li", {}, el("b", { textContent: name }), `: ${reason}`))
    return [
      ...(unchanged ? [line(t("Files that hold their captions already: {n}", { n: unchanged }))] : []),
      ...(rows.length ? [line(t("Left as they are: {n}", { n: rows.length }), "lw-long"), el("ul", {}, ...rows)] : []),
    ]
  }

  /** @param {any[]} told */
  failures(told) {
    return told.filter((answer) => answer.failed).map(({ failed, left }) =>
      line(t("Captions that can't be written: {n}, as {why}", { n: left, why: failed }), "lw-long"))
  }
}

/** @param {string} textContent @param {string} [className] */
function line(textContent, className = "") {
  return el("div", { textContent, className })
}

/** The folders of some files, each once. @param {string[]} paths */
function folders(paths) {
  return [...new Set(paths.map((path) => path.slice(0, Math.max(path.lastIndexOf("/"), path.lastIndexOf("\\")))))]
}

/** @param {HTMLElement} own @param {string} text */
function rename(own, text) {
  own.textContent = own.title = text
  own.setAttribute("aria-label", text)
}

/** @param {string[]} found */
function names(found) {
  return el("ul", { className: "lw-muted" }, ...found.map((textContent) => el("li", { textContent })))
}
