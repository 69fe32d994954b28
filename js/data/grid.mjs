// Pictures as tiles in rows, of which only those in view are in the page.

import { el } from "../kit/parts.js"
import { whenReleased } from "../kit/presses.js"
import { TILE_SIZE, onSetting, setting } from "../kit/settings.js"
import { t } from "../kit/texts.js"
import { marked } from "./caption.mjs"
import { cropsInSquare } from "./crops.mjs"

const CAPTION = 50 // pixels below a tile's picture
const GAP = 6
const BEYOND = 2 // rows above and below those in view
const SIDES = { small: 256, large: 512 } // pixels of a thumbnail
const LARGE = 160 // pixels of a tile's width from which it has a large one

let grids = 0

export class Grid {
  /**
   * @param {import("./records.mjs").Records} records
   * @param {import("./edits.mjs").Edits} edits
   * @param {(index: number) => void} open
   * @param {() => void} changed when what keys do may be another
   */
  constructor(records, edits, open, changed) {
    this.records = records
    this.edits = edits
    this.open = open
    this.changed = changed
    this.marking = -1 // the picture that is marked as a duplicate of the one that is picked next
    this.current = 0
    this.id = `lw-grid-${++grids}`
    /** @type {Map<number, HTMLElement>} */
    this.tiles = new Map()
    this.room = el("div", { className: "lw-room", role: "presentation" })
    this.element = el("div", { className: "lw-grid", role: "listbox", tabIndex: 0, "aria-label": t("Pictures"),
      on: { scroll: () => this.drawLater(), keydown: (event) => this.key(event) } }, this.room)
    this.wide = this.tall = 0 // as watched: asking the page while tiles come would lay it out for each
    this.watcher = new ResizeObserver(([{ contentRect }]) => this.resize(contentRect))
    this.watcher.observe(this.element)
    this.unlisten = onSetting(TILE_SIZE, () => this.refresh())
  }

  remove() {
    this.watcher.disconnect()
    this.unlisten()
    cancelAnimationFrame(this.frame)
  }

  /** @param {DOMRectReadOnly} rect */
  resize({ width, height }) {
    this.wide = width
    this.tall = height
    this.refresh()
  }

  get width() {
    return this.wide - 2
  }

  get columns() {
    return Math.max(1, Math.floor((this.width + GAP) / (setting(TILE_SIZE) + GAP)))
  }

  get tileWidth() {
    return Math.floor((this.width - GAP * (this.columns - 1)) / this.columns)
  }

  get rowHeight() {
    return this.tileWidth + CAPTION + GAP
  }

  drawLater() {
    cancelAnimationFrame(this.frame)
    this.frame = requestAnimationFrame(() => this.draw())
  }

  /** Draws all tiles in view again. */
  refresh() {
    whenReleased(this.room, () => {
      for (const tile of this.tiles.values()) tile.remove()
      this.tiles.clear()
      this.drawLater()
    })
  }

  draw() {
    if (this.width < 20) return
    const { columns, rowHeight } = this
    const rows = Math.ceil(this.records.total / columns)
    this.room.style.height = `${rows * rowHeight}px`
    const { scrollTop } = this.element
    const first = Math.max(0, Math.floor(scrollTop / rowHeight) - BEYOND) * columns
    const end = Math.min(this.records.total, (Math.ceil((scrollTop + this.tall) / rowHeight) + BEYOND) * columns)
    for (const [index, tile] of this.tiles) {
      if (index < first || index >= end || !tile.dataset.name) this.drop(index, tile)
    }
    for (let index = first; index < end; index++) if (!this.tiles.has(index)) this.add(index)
    this.mark()
  }

  /** @param {number} index @param {HTMLElement} tile */
  drop(index, tile) {
    tile.remove()
    this.tiles.delete(index)
  }

  /** @param {number} index */
  add(index) {
    const tile = this.tile(index)
    const { columns, tileWidth, rowHeight } = this
    tile.style.transform = `translate(${(index % columns) * (tileWidth + GAP)}px, ${Math.floor(index / columns) * rowHeight}px)`
    tile.style.width = `${tileWidth}px`
    tile.style.height = `${rowHeight - GAP}px`
    this.tiles.set(index, tile)
    this.room.append(tile)
  }

  /** @param {number} index */
  tile(index) {
    const record = this.records.at(index)
    const tile = el("div", { className: "lw-tile", role: "option", id: `${this.id}-${index}`,
      "aria-setsize": this.records.total, "aria-posinset": index + 1 })
    if (!record) return tile
    tile.dataset.name = record.name
    tile.setAttribute("aria-label", this.spoken(record))
    tile.title = record.name
    tile.addEventListener("click", () => this.take(index))
    const edited = this.edits.caption(record.name)
    if (index === this.marking) tile.classList.add("lw-marking")
    const caption = el("div", { className: "lw-caption" }, ...marked(edited ?? record.caption, record.trigger))
    tile.append(this.picture(record), caption)
    this.dress(tile, record)
    return tile
  }

  /** @param {any} record */
  spoken(record) {
    const original = this.edits.original(record.name)
    return [
      record.name, this.edits.caption(record.name) ?? record.caption ?? t("no caption"),
      ...this.labels(record).filter((label) => label !== t("duplicate")),
      ...(original ? [t("duplicate of {name}", { name: original })] : []), ...record.flags.map((flag) => flag.label),
    ].join(", ")
  }

  /** @param {any} record */
  picture(record) {
    const side = this.tileWidth < LARGE ? SIDES.small : SIDES.large
    const image = el("img", { loading: "lazy", decoding: "async", alt: "", draggable: false })
    image.src = this.records.picture(record, side)
    const frame = el("div", { className: "lw-picture" }, image)
    if (record.has_mask) frame.append(el("img", { className: "lw-over", loading: "lazy", alt: "", draggable: false,
      src: this.records.mask(record, side) }))
    if (record.crops.length) frame.append(cropsInSquare(record))
    return frame
  }

  /** @param {any} record */
  isOut(record) {
    const choice = this.edits.choice(record.name)
    return choice === "auto" ? Boolean(record.dropped) : choice !== "keep"
  }

  /** What is told of a picture but its flaws. @param {any} record @returns {string[]} */
  labels(record) {
    const choice = this.edits.choice(record.name)
    return [
      ...(choice === "keep" ? [t("kept")] : []),
      ...(this.isOut(record) ? [choice === "duplicate" ? t("duplicate") : t("dropped")] : []),
      ...(this.edits.caption(record.name) === undefined ? [] : [t("edited")]),
      ...(record.repeats > 1 ? [`${record.repeats}×`] : []),
    ]
  }

  /** Labels on the picture. @param {HTMLElement} tile @param {any} record */
  dress(tile, record) {
    tile.classList.toggle("lw-out", this.isOut(record))
    const original = this.edits.original(record.name)
    if (original) tile.title += `\n${t("duplicate of {name}", { name: original })}`
    const own = this.labels(record).map((textContent) => el("span", { className: "lw-label", textContent }))
    const flags = record.flags.map(({ label, reason }) =>
      el("span", { className: "lw-label lw-flag", textContent: label, title: reason }))
    if (own.length || flags.length) tile.firstElementChild?.append(el("div", { className: "lw-labels" }, ...own, ...flags))
  }

  mark() {
    for (const [index, tile] of this.tiles) tile.setAttribute("aria-selected", String(index === this.current))
    if (this.tiles.has(this.current)) this.element.setAttribute("aria-activedescendant", `${this.id}-${this.current}`)
    else this.element.removeAttribute("aria-activedescendant")
  }

  /** @param {number} index */
  take(index) {
    this.go(index)
    if (this.marking < 0) this.open(index)
    else this.markAs(index)
  }

  /** Lets the user pick the picture that this one is a duplicate of; the one before it is current. @param {number} index */
  startMarking(index) {
    if (this.records.total < 2) return
    this.marking = index
    this.go(index ? index - 1 : 1)
    this.refresh()
    this.changed()
  }

  /** @param {number} index of the picture that the marked one is a duplicate of */
  markAs(index) {
    const [copy, original] = [this.records.at(this.marking), this.records.at(index)]
    if (!copy || !original || copy === original) return
    this.edits.markDuplicate(copy.name, original.name)
    this.endMarking()
  }

  endMarking() {
    this.go(this.marking)
    this.marking = -1
    this.refresh()
    this.changed()
  }

  /** Makes a picture the current one and brings it into view. @param {number} index */
  go(index) {
    this.current = Math.max(0, Math.min(this.records.total - 1, index))
    const top = Math.floor(this.current / this.columns) * this.rowHeight
    const { scrollTop } = this.element
    if (top < scrollTop) this.element.scrollTop = top
    else if (top + this.rowHeight > scrollTop + this.tall) this.element.scrollTop = top + this.rowHeight - this.tall
    this.draw()
  }

  /** @param {KeyboardEvent} event */
  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return
    const rows = Math.max(1, Math.floor(this.tall / this.rowHeight))
    const steps = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: this.columns, ArrowUp: -this.columns,
      PageDown: rows * this.columns, PageUp: -rows * this.columns, Home: -Infinity, End: Infinity }
    if (event.key in steps) this.go(this.current + steps[event.key])
    else if (event.key === "Enter") this.take(this.current)
    else if (event.key === "Escape" && this.marking >= 0) this.endMarking()
    else if (!this.choose(event.key)) return
    event.preventDefault()
    event.stopPropagation()
  }

  /** @param {string} key @returns {boolean} whether it was one of a choice */
  choose(key) {
    const record = this.records.at(this.current)
    const choice = /** @type {const} */ ({ k: "keep", d: "drop", m: "duplicate" })[key]
    if (!choice || !record || !this.edits.ofChoices || this.marking >= 0) return false
    const again = this.edits.choice(record.name) === choice
    if (choice === "duplicate" && !again) this.startMarking(this.current)
    else this.edits.setChoice(record.name, again ? "auto" : choice)
    this.refresh()
    return true
  }
}
