// The runs of the run store in the sidebar: those in progress, finished, stopped and interrupted ones.

import { api } from "/scripts/api.js"
import { app } from "/scripts/app.js"

import { button, el } from "../kit/parts.js"
import { ask, url } from "../kit/server.js"
import { addSidebarTab } from "../kit/sidebar.js"
import { addStyle } from "../kit/style.js"
import { t } from "../kit/texts.js"
import { stopRun } from "../stop_training.js"
import { STYLE } from "./style.js"

const EVENT = "lora_workbench.training"
const EVENTS = [EVENT, "execution_success", "execution_error", "execution_interrupted"]
const PAUSE = 1000 // milliseconds between two questions to the server

/** @param {number} seconds since the epoch */
function ago(seconds) {
  const minutes = Math.round((Date.now() / 1000 - seconds) / 60)
  if (minutes < 1) return t("just now")
  if (minutes < 100) return t("{n} min ago", { n: minutes })
  if (minutes < 60 * 48) return t("{n} h ago", { n: Math.round(minutes / 60) })
  return new Date(seconds * 1000).toLocaleDateString()
}

const STATES = {
  running: () => t("running"),
  finished: () => t("finished"),
  stopped: () => t("stopped"),
  interrupted: () => t("interrupted"),
}

class RunsTab {
  /** @param {HTMLElement} place */
  constructor(place) {
    addStyle("runs", STYLE)
    this.runs = []
    this.total = 0
    this.search = el("input", {
      type: "search", placeholder: t("Search"), "aria-label": t("Search runs"), on: { input: () => this.draw() },
    })
    this.list = el("ul", { className: "lw-runs-list", "aria-label": t("Runs") })
    this.note = el("div", { className: "lw-runs-note", role: "status" })
    const again = button("", t("Refresh"), t("Look for runs again"), () => this.ask())
    const bar = el("div", { className: "lw-runs-bar" }, this.search, again)
    place.replaceChildren(el("div", { className: "lw lw-runs" }, bar, this.list, this.note))
    // Single steps don't change what is listed.
    this.listen = ({ type, detail }) => (type !== EVENT || detail.opened || detail.kept) && this.askLater()
    for (const event of EVENTS) api.addEventListener(event, this.listen)
    this.ask()
  }

  remove() {
    clearTimeout(this.timer)
    for (const event of EVENTS) api.removeEventListener(event, this.listen)
  }

  askLater() {
    if (this.timer) return
    this.timer = setTimeout(() => this.ask(), PAUSE)
  }

  async ask() {
    clearTimeout(this.timer)
    this.timer = undefined
    try {
      Object.assign(this, await ask("runs"))
      this.problem = ""
    } catch (error) {
      this.problem = t("The runs can't be read: {message}", { message: error.message })
    }
    this.draw()
  }

  draw() {
    const words = this.search.value.toLowerCase().split(/\s+/).filter(Boolean)
    const text = (run) => `${run.name} ${run.base} ${run.dataset} ${run.number} ${run.progress}`.toLowerCase()
    const found = this.runs.filter((run) => words.every((word) => text(run).includes(word)))
    const active = document.activeElement?.getAttribute("data-key")
    this.list.replaceChildren(...found.map((run) => this.card(run)))
    if (active) this.list.querySelector(`[data-key="${CSS.escape(active)}"]`)?.focus()
    this.note.textContent = this.problem || this.noteText(found.length)
    this.note.hidden = !this.note.textContent
  }

  noteText(found) {
    if (!this.runs.length) return t("No runs yet. They come with the first training.")
    if (!found) return t("Nothing found")
    const more = this.total - this.runs.length
    return more > 0 ? t("{n} older runs aren't shown.", { n: more }) : ""
  }

  card(run) {
    const head = el("h3", {}, el("span", { textContent: run.name || run.number, title: run.number }),
      el("small", { textContent: STATES[run.progress]?.() ?? run.progress }))
    const steps = run.done < run.steps ? t("step {done} of {steps}", run) : t("{steps} steps", run)
    const loss = run.losses ? t("loss {first} to {last}", { first: run.losses[0].toFixed(4), last: run.losses[1].toFixed(4) }) : ""
    const facts = [steps, loss, run.base, run.dataset, ago(run.used)].filter(Boolean).join(" · ")
    const lines = [facts, run.ended_early, run.verdict].filter(Boolean)
    const card = el("li", { className: "lw-run" }, head, ...lines.map((line) => el("p", { textContent: line })), this.acts(run))
    card.dataset.progress = run.progress
    return card
  }

  acts(run) {
    const key = (button, name) => (button.setAttribute("data-key", `${name} ${run.run}`), button)
    const made = []
    if (run.progress === "running") {
      made.push(key(button("", t("Stop and keep"), t("Stop after this step and keep the adapter"), () => this.stop(run)), "stop"))
    }
    if (run.has_report) {
      made.push(key(button("", t("Open report"), t("Open the report of this run"), () => {
        window.open(url("runs/report", { run: run.run }), "_blank", "noopener")
      }), "report"))
    }
    return el("div", { className: "lw-run-acts" }, ...made)
  }

  async stop(run) {
    await stopRun(run.run)
    this.askLater()
  }
}

app.registerExtension({
  name: "LoRAWorkbench.Runs",

  setup() {
    const tooltip = t("Trainings of LoRA Workbench")
    addSidebarTab({ id: "lora-workbench-runs", icon: "pi pi-chart-line", title: t("Runs"), tooltip }, RunsTab)
  },
})
