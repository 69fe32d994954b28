// The gallery of a node that gives a data set.

import { button, el } from "../kit/parts.js"
import { whenReleased } from "../kit/presses.js"
import { t } from "../kit/texts.js"
import { addElement, growToFit } from "../kit/widgets.js"
import { GALLERY } from "../kit/widths.js"
import { Edits } from "./edits.mjs"
import { FindReplace } from "./find_replace.mjs"
import { Grid } from "./grid.mjs"
import { LargeView } from "./large_view.mjs"
import { Records } from "./records.mjs"
import { WriteCaptions } from "./write_captions.mjs"

const NAME = "lw_gallery"
const TYPE = "LW_GALLERY" // unknown to the front end
const LEAST_HEIGHT = 260
const PAUSE = 300 // milliseconds

export class Gallery {
  /** @param {any} node */
  constructor(node) {
    this.edits = new Edits(node)
    this.told = el("span", { role: "status" })
    this.hint = el("span", { className: "lw-muted", role: "status" })
    this.tools = el("span", { className: "lw-tools" })
    this.content = el("div", { className: "lw lw-gallery", role: "group", "aria-label": t("Gallery") },
      el("div", { className: "lw-gallery-bar" }, this.told, this.hint, this.tools))
    this.content.style.minHeight = `${LEAST_HEIGHT}px` // which nodes made of Vue components go by
    this.widget = addElement(node, NAME, TYPE, this.content, { least: () => LEAST_HEIGHT })
    growToFit(node, GALLERY)
    node.setDirtyCanvas(true, true)
    this.token = ""
    this.edits.onChange(() => this.refreshLater())
  }

  /** Shows changes once no more come. */
  refreshLater() {
    clearTimeout(this.timer)
    this.timer = setTimeout(() => (this.grid?.refresh(), this.tellTools()), PAUSE)
  }

  remove() {
    clearTimeout(this.timer)
    this.grid?.remove()
    this.view?.element.close()
    this.dialog?.close()
  }

  /** Shows a data set. @param {string} token */
  async show(token) {
    if (token === this.token) return
    this.token = token
    const records = new Records(token, () => this.token === token && this.grid?.drawLater())
    try {
      await records.load(0)
    } catch (error) {
      if (this.token === token) this.say(error.message)
      return
    }
    if (this.token !== token) return
    if (records.isKnown) this.fill(records)
    else this.say(t("Run the graph to see the pictures."))
  }

  /** @param {Records} records */
  fill(records) {
    this.grid?.remove()
    this.grid?.element.remove()
    this.records = records
    this.grid = new Grid(records, this.edits, (index) => this.open(records, index), () => this.tellKeys())
    this.content.append(this.grid.element)
    this.told.textContent = records.total === 1 ? t("1 picture") : t("{n} pictures", { n: records.total })
    this.tellKeys()
    this.tellTools()
    this.grid.drawLater()
  }

  /** Says what keys do now. */
  tellKeys() {
    const { grid, edits } = this
    const copy = grid && grid.marking >= 0 ? grid.records.at(grid.marking) : undefined
    const { name } = copy ?? {}
    this.hint.textContent = name ? t("Which picture does {name} repeat? Click it, or press Enter on it; Escape cancels", { name })
      : edits.ofCaptions ? t("Enter edits a caption") : edits.ofChoices ? t("K keeps, D drops, M marks a duplicate") : ""
  }

  /** Shows what can be done with all captions. */
  tellTools() {
    whenReleased(this.tools, () => this.tools.replaceChildren(...this.toolButtons()))
  }

  toolButtons() {
    if (!this.records || !this.grid || !this.edits.ofCaptions) return []
    const find = t("Find and replace in all captions")
    const write = t("Write the edited captions to their files")
    const made = [
      button("lw-find", t("Replace…"), find, () => this.openTool(FindReplace)),
      button("lw-write-files", t("Write…"), write, () => this.openTool(WriteCaptions)),
    ]
    made[1].disabled = !this.edits.overrides.text.trim()
    return made
  }

  /** @param {typeof FindReplace | typeof WriteCaptions} Tool */
  openTool(Tool) {
    const { records, grid } = this
    if (!records) return
    this.dialog = new Tool(records, this.edits, () => {
      this.dialog = undefined
      grid?.refresh()
      grid?.element.focus({ preventScroll: true })
    }).dialog
  }

  /** Only words. @param {string} text */
  say(text) {
    this.grid?.remove()
    this.grid?.element.remove()
    this.grid = undefined
    this.token = ""
    this.told.textContent = text
    this.hint.textContent = ""
    this.tellTools()
  }

  /** @param {Records} records @param {number} index */
  open(records, index) {
    if (!records.total) return
    const grid = this.grid
    this.view = new LargeView(records, this.edits, index, (last, isDuplicate) => {
      this.view = undefined
      grid?.go(last)
      grid?.refresh()
      grid?.element.focus({ preventScroll: true })
      if (isDuplicate) grid?.startMarking(last)
    })
  }
}
