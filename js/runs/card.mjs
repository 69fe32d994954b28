// A run as a card: how far it is, its losses, the verdict, and what can be done with it.

import { duration } from "../kit/durations.mjs"
import { button, el } from "../kit/parts.js"
import { whenReleased } from "../kit/presses.js"
import { t } from "../kit/texts.js"
import { lossCurve } from "./curve.mjs"

const STATES = {
  running: () => t("running"),
  finished: () => t("finished"),
  stopped: () => t("stopped"),
  interrupted: () => t("interrupted"),
}

/** @param {number} seconds since the epoch */
function ago(seconds) {
  const minutes = Math.round((Date.now() / 1000 - seconds) / 60)
  if (minutes < 1) return t("just now")
  if (minutes < 100) return t("{n} min ago", { n: minutes })
  if (minutes < 60 * 48) return t("{n} h ago", { n: Math.round(minutes / 60) })
  return new Date(seconds * 1000).toLocaleDateString()
}

/** @typedef {Record<"stop" | "report" | "resume" | "graph", (run: any) => void>} Acts */

export class RunCard {
  /** @param {any} run as `GET runs` tells it @param {Acts} acts */
  constructor(run, acts) {
    this.acts = acts
    this.element = el("li", { className: "lw-run" })
    this.bar = el("progress", { max: 1, "aria-label": t("Progress of the training") })
    this.left = el("p", { className: "lw-run-left" })
    this.show(run)
  }

  /** Draws only what is news, so that nothing moves under the pointer. */
  show(run) {
    const before = this.told
    this.told = JSON.stringify([run, ago(run.used)])
    if (this.told === before) return
    this.run = run
    whenReleased(this.element, () => this.draw())
  }

  draw() {
    const { run } = this
    const { progress, name, number } = run
    const active = document.activeElement?.getAttribute("data-key")
    const head = el("h3", {}, el("span", { textContent: name || number, title: number }),
      el("small", { textContent: STATES[progress]?.() ?? progress }))
    const live = progress === "running" ? [this.bar, this.left] : []
    const lines = [this.facts(), run.ended_early, run.verdict].filter(Boolean)
    this.element.replaceChildren(head, ...live, ...[lossCurve(run)].filter((own) => own !== null),
      ...lines.map((line) => el("p", { textContent: line })), this.buttons())
    this.element.dataset.progress = progress
    this.step(run.done)
    if (active) this.element.querySelector(`[data-key="${CSS.escape(active)}"]`)?.focus()
  }

  facts() {
    const { run } = this
    const steps = run.done < run.steps ? t("step {done} of {steps}", run) : t("{steps} steps", run)
    const [first, last] = run.losses?.map((loss) => loss.toFixed(4)) ?? []
    const loss = first === undefined ? "" : t("loss {first} to {last}", { first, last })
    const progress = run.progress === "running" ? "" : steps
    return [progress, loss, run.base, run.dataset, ago(run.used)].filter(Boolean).join(" · ")
  }

  /** A step of a run in progress. @param {number} done @param {number} [rate] steps per second */
  step(done, rate) {
    const { steps } = this.run
    this.bar.value = done / Math.max(1, steps)
    const left = rate ? t("{left} left", { left: duration((steps - done) / rate) }) : ""
    this.left.textContent = [t("step {done} of {steps}", { done, steps }), left].filter(Boolean).join(" · ")
  }

  buttons() {
    const { run, acts } = this
    const goesOn = run.progress === "stopped" || run.progress === "interrupted"
    const made = [
      run.progress === "running" && ["stop", t("Stop and keep"), t("Stop after this step and keep the adapter")],
      goesOn && ["resume", t("Resume"), t("Open the graph that trained {name} and queue it, to go on from its last training state", run)],
      run.has_report && ["report", t("Open report"), t("Open the report of this run")],
      ["graph", t("Graph"), t("Open the graph that trained {name}", run)],
    ].filter(Boolean)
    return el("div", { className: "lw-run-acts" }, ...made.map(([act, text, title]) => {
      const own = button("", text, title, () => acts[act](run))
      own.setAttribute("data-key", `${act} ${run.run}`)
      return own
    }))
  }
}
