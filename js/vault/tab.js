// The vault in the sidebar: all adapters, found by words and by what is known of them.

import { api } from "/scripts/api.js"
import { app } from "/scripts/app.js"

import { el } from "../kit/parts.js"
import { ask } from "../kit/server.js"
import { addSidebarTab } from "../kit/sidebar.js"
import { addStyle } from "../kit/style.js"
import { t } from "../kit/texts.js"
import { VirtualList } from "../kit/virtual_list.js"
import { drawCard } from "./card.js"
import { ROW_HEIGHT, STYLE } from "./style.js"

const PAUSE = 250 // milliseconds without a key before the server is asked

const ID = "lora-workbench-vault"

let wanted = "" // the search that a tab opens with

/** @type {VaultTab | undefined} */
let opened

/** Shows the tab with a search. @param {string} search */
export function openVault(search) {
  wanted = search
  if (opened) opened.find()
  else app.extensionManager.sidebarTab.toggleSidebarTab(ID)
}

class VaultTab {
  /** @param {HTMLElement} place */
  constructor(place) {
    addStyle("vault", STYLE)
    this.search = el("input", {
      type: "search", placeholder: t("Search"), title: t("Words, or family:sdxl, trigger:fox, -word"),
      "aria-label": t("Search adapters"), on: { input: () => this.askLater() },
    })
    this.here = el("input", { type: "checkbox", on: { change: () => this.ask() } })
    this.note = el("div", { className: "lw-vault-note", role: "status" })
    this.list = new VirtualList({
      rowHeight: ROW_HEIGHT, label: t("Adapters"), draw: (card) => drawCard(card),
      load: (from, count) => this.load(from, count), counted: (total) => this.count(total),
    })
    this.list.element.addEventListener("keydown", (event) => this.onKey(event))
    const bar = el("div", { className: "lw-vault-bar" }, this.search, el("label", {}, this.here, t("Trained here")))
    place.replaceChildren(el("div", { className: "lw lw-vault" }, bar, this.note, this.list.element))
    this.listen = ({ detail }) => {
      if (detail.output?.lw_files?.some(({ kind }) => kind === "adapter")) this.askLater()
    }
    api.addEventListener("executed", this.listen)
    opened = this
    this.find()
  }

  /** What was wanted, if anything. */
  find() {
    this.search.value = wanted || this.search.value
    wanted = ""
    this.ask()
  }

  remove() {
    opened = undefined
    clearTimeout(this.timer)
    this.list.remove()
    api.removeEventListener("executed", this.listen)
  }

  askLater() {
    clearTimeout(this.timer)
    this.timer = setTimeout(() => this.ask(), PAUSE)
  }

  async ask() {
    clearTimeout(this.timer)
    try {
      await this.list.reload()
    } catch (error) {
      this.note.textContent = error.message
    }
  }

  async load(from, count) {
    const query = { search: this.search.value, here: this.here.checked ? "1" : "", from, count }
    const { total, cards } = await ask("vault", query)
    return { total, rows: cards }
  }

  count(total) {
    const none = this.search.value || this.here.checked ? t("Nothing found") : t("No adapters yet")
    this.note.textContent = total ? t("{n} adapters", { n: total }) : none
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

app.registerExtension({
  name: "LoRAWorkbench.Vault",

  setup() {
    const tooltip = t("Adapters of LoRA Workbench")
    addSidebarTab({ id: ID, icon: "pi pi-box", title: t("Vault"), tooltip }, VaultTab)
  },
})
