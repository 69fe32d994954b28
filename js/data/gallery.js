// The gallery of a node that gives a data set.

import { el } from "../kit/parts.js"
import { addStyle } from "../kit/style.js"
import { t } from "../kit/texts.js"
import { addElement, growToFit } from "../kit/widgets.js"
import { Edits } from "./edits.js"
import { Grid } from "./grid.js"
import { LargeView } from "./large_view.js"
import { Records } from "./records.js"
import { STYLE } from "./style.js"

const NAME = "lw_gallery"
const TYPE = "LW_GALLERY" // unknown to the front end
const LEAST_WIDTH = 380 // pixels
const LEAST_HEIGHT = 260
const PAUSE = 300 // milliseconds

export class Gallery {
  /** @param {any} node */
  constructor(node) {
    addStyle("gallery", STYLE)
    this.edits = new Edits(node)
    this.told = el("span", { role: "status" })
    this.hint = el("span", { className: "lw-muted" })
    this.content = el("div", { className: "lw lw-gallery", role: "group", "aria-label": t("Gallery") },
      el("div", { className: "lw-gallery-bar" }, this.told, this.hint))
    this.widget = addElement(node, NAME, TYPE, this.content, { least: () => LEAST_HEIGHT })
    growToFit(node, LEAST_WIDTH)
    node.setDirtyCanvas(true, true)
    this.token = ""
    this.edits.onChange(() => this.refreshLater())
  }

  /** Shows changes once no more come. */
  refreshLater() {
    clearTimeout(this.timer)
    this.timer = setTimeout(() => this.grid?.refresh(), PAUSE)
  }

  remove() {
    clearTimeout(this.timer)
    this.grid?.remove()
    this.view?.element.close()
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
    this.grid = new Grid(records, this.edits, (index) => this.open(records, index))
    this.content.append(this.grid.element)
    this.told.textContent = t("{n} pictures", { n: records.total })
    this.hint.textContent = this.edits.ofCaptions ? t("Enter edits a caption") : this.edits.ofChoices ? t("K keeps, D drops") : ""
    this.grid.drawLater()
  }

  /** Only words. @param {string} text */
  say(text) {
    this.grid?.remove()
    this.grid?.element.remove()
    this.grid = undefined
    this.token = ""
    this.told.textContent = text
    this.hint.textContent = ""
  }

  /** @param {Records} records @param {number} index */
  open(records, index) {
    if (!records.total) return
    const grid = this.grid
    this.view = new LargeView(records, this.edits, index, (last) => {
      this.view = undefined
      grid?.go(last)
      grid?.refresh()
      grid?.element.focus({ preventScroll: true })
    })
  }
}
