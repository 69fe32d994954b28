// A long list whose rows have one height: only those in view are in the page, and are asked for in parts.

import { el } from "./parts.js"
import { whenReleased } from "./presses.js"

const AROUND = 4 // rows above and below those in view
const PART = 100 // rows that are asked for at once

export class VirtualList {
  /**
   * @param {object} options
   * @param {number} options.rowHeight in pixels
   * @param {string} options.label for screen readers
   * @param {(from: number, count: number) => Promise<{total: number, rows: any[]}>} options.load
   * @param {(row: any, at: number) => HTMLElement} options.draw
   * @param {(total: number) => void} [options.counted]
   * @param {[string, string]} [options.roles] of the list and of its rows
   */
  constructor({ rowHeight, label, load, draw, counted, roles = ["list", "listitem"] }) {
    this.rowHeight = rowHeight
    this.load = load
    this.drawRow = draw
    this.counted = counted
    this.roles = roles
    this.rows = new Map()
    this.parts = new Map() // those that were asked for
    this.total = 0
    this.version = 0
    this.inner = el("div", { role: "presentation" })
    this.inner.style.position = "relative"
    this.element = el("div", { className: "lw-virtual", role: roles[0], "aria-label": label, tabIndex: 0 }, this.inner)
    this.element.addEventListener("scroll", () => this.draw())
    this.watcher = new ResizeObserver(() => this.draw())
    this.watcher.observe(this.element)
  }

  remove() {
    this.watcher.disconnect()
    this.version += 1
  }

  /** Ask for all rows again. */
  async reload() {
    this.version += 1
    this.parts.clear()
    this.stale = true
    this.element.scrollTop = 0
    await this.ask(0)
  }

  /** Ask again for what is in view; the rows that are there stay until the answer, and where they are scrolled to. */
  async renew() {
    this.version += 1
    this.parts.clear()
    this.stale = true
    await Promise.all(this.partsInView().map((part) => this.ask(part)))
  }

  partsInView() {
    const [first, last] = this.inView()
    const parts = []
    for (let part = Math.floor(first / PART); part === 0 || part * PART < last; part += 1) parts.push(part)
    return parts
  }

  /** The first row that is drawn, and the one after the last. */
  inView() {
    const { scrollTop, clientHeight } = this.element
    const first = Math.max(0, Math.floor(scrollTop / this.rowHeight) - AROUND)
    return [first, Math.min(this.total, Math.ceil((scrollTop + clientHeight) / this.rowHeight) + AROUND)]
  }

  /** @param {number} part */
  async ask(part) {
    if (this.parts.has(part)) return this.parts.get(part)
    const { version } = this
    const asked = this.load(part * PART, PART)
    this.parts.set(part, asked)
    asked.catch(() => version === this.version && this.parts.delete(part)) // so that it is asked for again
    const { total, rows } = await asked
    if (version !== this.version) return
    if (this.stale) this.rows.clear()
    this.stale = false
    this.total = total
    rows.forEach((row, at) => this.rows.set(part * PART + at, row))
    this.inner.style.height = `${total * this.rowHeight}px`
    this.counted?.(total)
    whenReleased(this.inner, () => {
      this.drawn = undefined
      this.draw()
    })
  }

  /** Scrolls as little as shows a row. @param {number} at */
  show(at) {
    const top = at * this.rowHeight
    const { scrollTop, clientHeight } = this.element
    if (top < scrollTop) this.element.scrollTop = top
    if (top + this.rowHeight > scrollTop + clientHeight) this.element.scrollTop = top + this.rowHeight - clientHeight
    this.draw()
  }

  draw() {
    const [first, last] = this.inView()
    if (last) for (const part of this.partsInView()) this.ask(part).catch(() => {})
    const range = `${first}-${last}`
    if (range === this.drawn) return
    this.drawn = range
    const there = new Map([...this.inner.children].map((own) => [Number(own.getAttribute("data-at")), own]))
    const shown = []
    for (let at = first; at < last; at += 1) if (this.rows.has(at)) shown.push(this.placed(at, there))
    this.put(shown)
  }

  /** Those that are there already aren't moved, so that they keep the focus and cost nothing. @param {HTMLElement[]} shown */
  put(shown) {
    const kept = new Set(shown)
    for (const own of [...this.inner.children]) if (!kept.has(/** @type {HTMLElement} */ (own))) own.remove()
    shown.forEach((own, at) => {
      const there = this.inner.children[at] ?? null
      if (there !== own) this.inner.insertBefore(own, there)
    })
  }

  /** The element of a row; one that is there stays if it shows the same. */
  placed(at, there) {
    const row = this.rows.get(at)
    const before = there.get(at)
    if (before && (before.row === row || JSON.stringify(before.row) === JSON.stringify(row))) return before
    const own = Object.assign(this.drawRow(row, at), { row })
    own.setAttribute("aria-posinset", String(at + 1))
    own.setAttribute("aria-setsize", String(this.total))
    own.setAttribute("data-at", String(at))
    own.setAttribute("role", this.roles[1])
    Object.assign(own.style, { position: "absolute", left: "0", right: "0", top: `${at * this.rowHeight}px`,
      height: `${this.rowHeight}px` })
    return own
  }
}
