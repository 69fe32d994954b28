// The runs of the run store in the sidebar: those in progress, finished, stopped and interrupted ones.

import { api } from "/scripts/api.js"
import { app } from "/scripts/app.js"

import { button, el } from "../kit/parts.js"
import { ask, url } from "../kit/server.js"
import { t } from "../kit/texts.js"
import { say } from "../kit/toasts.js"
import { stopRun } from "../stop_training.js"
import { RunCard } from "./card.mjs"

const EVENT = "lora_workbench.training"
const EVENTS = [EVENT, "execution_success", "execution_error", "execution_interrupted"]
const PAUSE = 1000 // milliseconds between two questions to the server
const CURVE = 3000 // milliseconds between two looks at the curve of a run in progress

const NO_GRAPH = () =>
  t("No graph is kept of this run. Run what began it again with the same settings, and it goes on.")

/** Opens the graph that trained a run as a workflow of its own; false where there is none, which is told. */
async function openGraph(run) {
  try {
    const { workflow, prompt } = await ask("runs/graph", { run: run.run })
    const title = run.name || run.number
    if (!workflow && !prompt) throw new Error(NO_GRAPH())
    if (workflow) await app.loadGraphData(workflow, true, true, title)
    else await app.loadApiJson(prompt, title)
    return true
  } catch (error) {
    say("warn", error.message)
    return false
  }
}

/** Queues the graph that trained a run: it goes on by itself, from the last training state. */
async function resume(run) {
  if (!(await openGraph(run))) return
  if (await app.queuePrompt(0)) say("success", t("{name} goes on from step {done}.", { name: run.name || run.number, done: run.done }))
  else say("warn", t("The graph can't be queued; what is missing is marked on its nodes."))
}

function openReport(run) {
  window.open(url("runs/report", { run: run.run }), "_blank", "noopener")
}

export class RunsTab {
  /** @param {HTMLElement} place */
  constructor(place) {
    this.runs = []
    /** @type {Map<string, RunCard>} */
    this.cards = new Map()
    this.total = 0
    this.search = el("input", {
      type: "search", placeholder: t("Search"), "aria-label": t("Search runs"), on: { input: () => this.draw() },
    })
    this.list = el("ul", { className: "lw-runs-list", "aria-label": t("Runs") })
    this.note = el("div", { className: "lw-runs-note", role: "status" })
    const again = button("", t("Refresh"), t("Look for runs again"), () => this.ask())
    const bar = el("div", { className: "lw-runs-bar" }, this.search, again)
    place.replaceChildren(el("div", { className: "lw lw-runs" }, bar, this.list, this.note))
    this.listen = ({ type, detail }) => {
      if (type === EVENT && !detail.opened && !detail.kept) this.step(detail)
      else this.askLater()
    }
    for (const event of EVENTS) api.addEventListener(event, this.listen)
    this.ask()
  }

  remove() {
    clearTimeout(this.timer)
    clearTimeout(this.following)
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
      const listed = new Set(this.runs.map((own) => own.run))
      for (const run of this.cards.keys()) if (!listed.has(run)) this.cards.delete(run)
    } catch (error) {
      this.problem = t("The runs can't be read: {message}", { message: error.message })
    }
    this.draw()
  }

  draw() {
    const words = this.search.value.toLowerCase().split(/\s+/).filter(Boolean)
    const text = (run) => `${run.name} ${run.base} ${run.dataset} ${run.number} ${run.progress}`.toLowerCase()
    const found = this.runs.filter((run) => words.every((word) => text(run).includes(word)))
    const shown = found.map((run) => this.card(run).element)
    if (shown.length !== this.list.children.length || shown.some((own, at) => own !== this.list.children[at])) {
      this.list.replaceChildren(...shown)
    }
    this.note.textContent = this.problem || this.noteText(found.length)
    this.note.hidden = !this.note.textContent
  }

  noteText(found) {
    if (!this.runs.length) return t("No runs yet. They come with the first training.")
    if (!found) return t("Nothing found")
    const more = this.total - this.runs.length
    if (more === 1) return t("1 older run isn't shown.")
    return more > 1 ? t("{n} older runs aren't shown.", { n: more }) : ""
  }

  /** The card of a run, which stays as long as the run is listed. */
  card(run) {
    const before = this.cards.get(run.run)
    if (before) return before.show(run), before
    const made = new RunCard(run, { stop: (own) => this.stop(own), report: openReport, resume, graph: openGraph })
    this.cards.set(run.run, made)
    return made
  }

  /** Steps of a run in progress, which come several times a second; its curve is asked for now and then. */
  step({ run, first, losses, rate }) {
    const card = this.cards.get(run)
    if (!card || card.run.progress !== "running") return this.askLater()
    if (losses.length) card.step(first + losses.length - 1, rate)
    this.following ??= setTimeout(() => this.renew(run), CURVE)
  }

  /** Ask for one run anew. @param {string} run */
  async renew(run) {
    const told = await ask("runs", { run }).catch(() => null)
    this.following = undefined
    const at = this.runs.findIndex((own) => own.run === run)
    if (!told?.runs.length || at < 0) return
    this.runs[at] = told.runs[0]
    this.card(told.runs[0])
  }

  async stop(run) {
    await stopRun(run.run)
    this.askLater()
  }
}
