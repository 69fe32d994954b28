// The records of a data set, fetched in parts as they are looked at.

import { ask, url } from "../kit/server.js"

const PART = 200 // records at once

export class Records {
  /** @param {string} token @param {() => void} changed when more records are there */
  constructor(token, changed) {
    this.token = token
    this.changed = changed
    this.total = 0
    this.isKnown = false // the server forgets data sets when it starts again
    this.name = ""
    /** @type {any[]} */
    this.known = []
    /** @type {Map<number, Promise<void>>} */
    this.parts = new Map()
  }

  /** Fetches the part with a record. @param {number} index @returns {Promise<void>} */
  load(index) {
    const part = Math.floor(index / PART)
    if (!this.parts.has(part)) this.parts.set(part, this.fetch(part))
    return /** @type {Promise<void>} */ (this.parts.get(part))
  }

  /** @param {number} part */
  async fetch(part) {
    const told = await ask("dataset", { token: this.token, from: part * PART, count: PART })
    if (!told.known) return
    this.isKnown = true
    this.total = told.total
    this.name = told.name
    for (const [at, record] of told.records.entries()) this.known[told.from + at] = record
    this.changed()
  }

  /** Fetches all records. */
  async loadAll() {
    for (let index = 0; index < this.total; index += PART) await this.load(index)
  }

  /** A record, or undefined until it is fetched. @param {number} index */
  at(index) {
    if (!this.known[index] && index < this.total) this.load(index).catch(() => this.parts.delete(Math.floor(index / PART)))
    return this.known[index]
  }

  /** @param {any} record @param {number} side */
  picture(record, side) {
    return url("thumbnail", { token: this.token, name: record.name, side })
  }

  /** @param {any} record @param {number} side */
  mask(record, side) {
    return url("mask", { token: this.token, name: record.name, side })
  }
}
