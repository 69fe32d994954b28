// The vault in the sidebar: all adapters, found by words and by what is known of them.

import { api } from "/scripts/api.js"

import { el } from "../kit/parts.js"
import { ask } from "../kit/server.js"
import { toggleTab, VAULT } from "../kit/sidebar.js"
import { t } from "../kit/texts.js"
import { VirtualList } from "../kit/virtual_list.mjs"
import { drawCard } from "./card.mjs"
import { Filters } from "./filters.mjs"
import { changes } from "./previews.mjs"

const ROW_HEIGHT = 112 // pixels, as in the style sheet
const PAUSE = 250 // milliseconds without a key before the server is asked
const READING = 700 // milliseconds between questions while the server reads files

/** What was looked for last, until the page is closed. */
const kept = { search: "", chosen: { family: "", base: "", kind: "", here: "" } }

let wanted = "" // the search that a tab opens with

/** @type {VaultTab | undefined} */
let opened

/** Shows the tab with a search. @param {string} search */
export function openVault(search) {
  wanted = search
  if (opened) opened.find()
  else toggleTab(VAULT)
}

export class VaultTab {
  /** @param {HTMLElement} place */
  constructor(place) {
    this.search = el("input", {
      type: "search", placeholder: t("Search"), title: t("Words, or family:sdxl, trigger:fox, -word"),
      "aria-label": t("Search adapters"),
      on: { input: () => this.askLater(), keydown: (event) => event.key === "ArrowDown" && this.onKey(event) },
    })
    this.search.value = kept.search
    this.filters = new Filters(kept.chosen, () => this.search.value, () => this.ask())
    this.note = el("div", { className: "lw-vault-note", role: "status" })
    this.list = new VirtualList({
      rowHeight: ROW_HEIGHT, label: t("Adapters"), draw: (card) => drawCard(card),
      load: (from, count) => this.load(from, count), counted: (total) => this.count(total),
    })
    this.list.element.addEventListener("keydown", (event) => this.onKey(event))
    place.replaceChildren(
      el("div", { className: "lw lw-vault" }, this.search, this.filters.element, this.note, this.list.element))
    this.listen = ({ detail }) => {
      if (detail.output?.lw_files?.some(({ kind }) => kind === "adapter")) this.look()
    }
    api.addEventListener("executed", this.listen)
    this.back = () => this.look() // files may have been copied meanwhile
    window.addEventListener("focus", this.back)
    changes.addEventListener("change", this.back)
    opened = this
    this.find()
  }

  /** What was wanted, if anything. */
  find() {
    if (wanted) {
      this.search.value = wanted
      this.filters.unset()
    }
    wanted = ""
    this.ask()
  }

  remove() {
    opened = undefined
    clearTimeout(this.timer)
    clearTimeout(this.looking)
    this.list.remove()
    api.removeEventListener("executed", this.listen)
    window.removeEventListener("focus", this.back)
    changes.removeEventListener("change", this.back)
  }

  askLater() {
    clearTimeout(this.timer)
    this.timer = setTimeout(() => this.ask(), PAUSE)
  }

  /** Search anew. */
  ask() {
    clearTimeout(this.timer)
    kept.search = this.search.value
    return this.tellProblem(this.anew(() => this.list.reload()))
  }

  /** Rows of different versions of the library mustn't stand beside each other. */
  anew(load) {
    this.version = undefined
    return load()
  }

  async tellProblem(asked) {
    await asked.catch((error) => {
      this.note.textContent = error.message
    })
  }

  async load(from, count) {
    const told = await ask("vault", { search: this.search.value, ...kept.chosen, from, count })
    this.follow(told)
    return { total: told.total, rows: told.cards }
  }

  /** Whether the library has changed: of another page, by hand, or by a node. */
  async look() {
    const told = await ask("vault", { count: 0 }).catch(() => null)
    if (told) this.follow(told)
  }

  /** Show what the server reads meanwhile. */
  follow({ reading, version, note }) {
    clearTimeout(this.looking)
    this.told = note
    this.reading = reading
    const changed = this.version !== undefined && this.version !== version
    this.version = version
    if (reading) this.looking = setTimeout(() => this.look(), READING)
    if (changed) this.tellProblem(this.anew(() => this.list.renew()))
    else this.tellCount()
  }

  count(total) {
    this.total = total
    this.tellCount()
  }

  tellCount() {
    const { total, reading } = this
    if (total === undefined) return
    if (reading?.total) {
      this.note.textContent = t("Reading adapters, {done} of {total}", reading)
      return
    }
    const none = this.search.value || this.filters.any ? t("Nothing found") : t("No adapters yet")
    const found = total > 1 ? t("{n} adapters", { n: total }) : total ? t("1 adapter") : none
    this.note.textContent = [found, this.told].filter(Boolean).join(" · ")
  }

  /** The arrows go from card to card. */
  onKey(event) {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key]
    if (!step) return
    const card = event.target.closest?.(".lw-card")
    const at = card ? Number(card.getAttribute("data-at")) + step : 0
    event.preventDefault()
    this.list.show(at)
    requestAnimationFrame(() => this.list.element.querySelector(`[data-at="${at}"] .lw-card-acts button`)?.focus())
  }
}
