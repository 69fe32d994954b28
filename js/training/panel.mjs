// The panel of a node that trains: its losses as they come, samples, snapshots, the verdict, and how to stop it.

import { duration } from "../kit/durations.mjs"
import { button, el } from "../kit/parts.js"
import { ask } from "../kit/server.js"
import { SMOOTHING, onSetting } from "../kit/settings.js"
import { t } from "../kit/texts.js"
import { addElement, growToFit } from "../kit/widgets.js"
import { TRAINING } from "../kit/widths.js"
import { Acts } from "./acts.mjs"
import { drawCurve } from "./curve.mjs"
import { Samples } from "./samples.mjs"

const NAME = "lw_training"
const TYPE = "LW_TRAINING" // unknown to the front end
const LEAST_HEIGHT = 60
const PAUSE = 400 // milliseconds between two questions to the server
const SILENCE = 10_000 // milliseconds without news of a running training until the server is asked whether it goes on

/** @param {{taken: number, planned: number | null}} memory bytes */
function memoryText({ taken, planned }) {
  const [unit, size, digits] = Math.max(taken, planned ?? 0) < 1e8 ? ["MB", 1e6, 0] : ["GB", 1e9, 1]
  const [n, most] = [taken, planned ?? 0].map((bytes) => (bytes / size).toFixed(digits))
  return planned === null ? `${n} ${unit}` : t("{n} of {most} {unit} planned", { n, most, unit })
}

/** @param {(number | null)[]} values */
function meanOfLast(values) {
  const last = values.slice(-50).filter((value) => value !== null)
  return (last.reduce((sum, own) => sum + own, 0) / last.length).toFixed(4)
}

/** Puts the values of the steps from the first on in their place, unless some before them are missing. */
function put(values, first, more) {
  const fits = first <= values.length + 1
  if (fits) values.splice(first - 1, Infinity, ...more)
  return fits
}

export class TrainingPanel {
  /** @param {any} node @param {(run: string) => void} stop */
  constructor(node, stop) {
    this.node = node
    this.run = ""
    this.running = false
    this.told = "" // what the node says while it runs
    this.known = this.unknown()
    this.state = el("span", { className: "lw-training-state", role: "status" })
    this.stopButton = button("lw-stop", t("Stop and keep"), t("Stop after this step and go on with what was learned"), () => stop(this.run))
    this.bar = el("progress", { max: 1, value: 0, "aria-label": t("Progress of the training") })
    this.figures = el("div", { className: "lw-figures" })
    this.canvas = el("canvas", { role: "img" })
    this.acts = new Acts()
    this.samples = new Samples()
    this.verdict = el("div", { className: "lw-verdict", hidden: true })
    this.text = el("textarea", { readOnly: true, "aria-label": t("Result") })
    this.details = el("details", { hidden: true }, el("summary", { textContent: t("Report") }), this.text)
    this.details.addEventListener("toggle", () => this.fit())
    const head = el("div", { className: "lw-training-bar" }, this.state, this.stopButton)
    this.content = el("div", { className: "lw lw-training", role: "group", "aria-label": t("Training") },
      head, this.bar, this.figures, this.canvas, this.samples.element, this.acts.element, this.verdict, this.details)
    this.widget = addElement(node, NAME, TYPE, this.content, {
      least: () => this.height, value: { get: () => this.text.value || this.told, set: () => {} }, serialize: false,
    })
    this.watcher = new ResizeObserver(() => this.drawLater())
    this.watcher.observe(this.canvas)
    this.unlisten = onSetting(SMOOTHING, () => this.drawLater())
    this.draw()
    this.fit()
  }

  unknown() {
    return { name: "", finished: false, stopped_at: 0, steps: 0, losses: [], prior: [], learning_rates: [], figures: [],
      snapshots: [], verdict: null, samples: [], can_sample: null, memory: "", ended_early: "", live: null }
  }

  get height() {
    const parts = [...this.content.children].filter((part) => !part.hidden)
    return Math.max(LEAST_HEIGHT, parts.reduce((sum, part) => sum + part.scrollHeight + 6, 6))
  }

  remove() {
    this.watcher.disconnect()
    this.unlisten()
    this.run = ""
    clearTimeout(this.timer)
    clearTimeout(this.silence)
    cancelAnimationFrame(this.frame)
  }

  /** A part of what the server tells while the run goes on. */
  take({ run, steps, first, losses, prior, learning_rate, rate, memory, opened, kept }) {
    const begins = opened || run !== this.run
    if (begins) this.begin(run)
    this.known.steps = steps
    if (losses.length) {
      this.running = true
      if (!put(this.known.losses, first, losses)) this.askLater() // steps before it are missing
      if (prior) put(this.known.prior, first, prior)
    }
    this.known.live = { learning_rate, rate, memory }
    if (begins || kept) this.askLater()
    this.acts.settle(kept)
    this.listen()
    this.drawLater()
  }

  begin(run) {
    if (run !== this.run) this.known = this.unknown()
    this.run = run
    this.running = true
    if (this.node.properties.lw_run !== run) this.node.properties.lw_run = run
    this.setText("")
  }

  /** When the node has ended, in whatever way. */
  end() {
    if (!this.running) return
    this.running = false
    clearTimeout(this.silence)
    this.askLater()
    this.drawLater()
  }

  setText(text) {
    this.text.value = text
    this.details.open ||= !this.run // there is nothing else to see
    this.details.hidden = !text || this.running
    this.fit()
  }

  /** What a node says while it runs, until steps are counted. */
  setState(text) {
    this.told = text
    this.drawLater()
  }

  askLater() {
    clearTimeout(this.timer)
    this.timer = setTimeout(() => this.ask(), PAUSE)
  }

  /** Other pages than the one that queued a run don't hear of its end, and a page that was loaded anew not of its begin. */
  listen() {
    clearTimeout(this.silence)
    if (this.running) this.silence = setTimeout(() => this.followUp(), SILENCE)
  }

  async followUp() {
    const told = await this.ask()
    if (!told) return
    this.running = told.running
    this.listen()
    this.drawLater()
  }

  /** What the server knows of the run; nothing if it doesn't, or the panel shows another by now. */
  async ask() {
    const { run } = this
    const told = await ask("training", { run }).catch(() => null)
    if (!told || run !== this.run) return null
    const { losses, prior, live, samples, snapshots } = this.known
    if (told.samples.length > samples.length) this.acts.settle("samples")
    if (told.snapshots.length > snapshots.length) this.acts.settle("snapshot")
    this.known = { ...told, live: told.live ?? live }
    if (told.losses.length < losses.length) Object.assign(this.known, { losses, prior }) // more were told meanwhile
    this.drawLater()
    requestAnimationFrame(() => this.fit())
    return told
  }

  /** Show the run that the workflow remembers. @param {string} run */
  remember(run) {
    this.run = run
    return this.followUp()
  }

  fit() {
    growToFit(this.node, TRAINING)
    this.node.setDirtyCanvas?.(true, true)
  }

  drawLater() {
    cancelAnimationFrame(this.frame)
    this.frame = requestAnimationFrame(() => this.draw())
  }

  draw() {
    const { known } = this
    this.state.textContent = this.stateText()
    this.stopButton.hidden = !this.running
    this.bar.hidden = !this.running
    this.bar.value = known.steps ? known.losses.length / known.steps : 0
    this.drawFigures()
    this.canvas.hidden = !known.losses.length
    const best = known.verdict?.best ?? null
    if (known.losses.length) drawCurve(this.canvas, { ...known, best })
    this.canvas.setAttribute("aria-label", t("Loss of {n} steps", { n: known.losses.length }))
    this.samples.show(this.run, known.samples)
    this.acts.show(this.run, this.running, known.can_sample)
    this.drawVerdict()
    this.details.hidden = !this.text.value || this.running
  }

  stateText() {
    const { losses, steps, finished, ended_early, stopped_at, live } = this.known
    const done = losses.length
    if (!this.running) {
      if (finished) return ended_early || t("Finished, {steps} steps", { steps: done })
      if (stopped_at) return t("Stopped at step {done} of {steps}", { done: stopped_at, steps })
      return done ? t("Interrupted at step {done} of {steps}", { done, steps }) : ""
    }
    if (!done || !live?.rate) return this.told || t("Getting ready")
    const rate = live.rate < 1 ? t("{n} s per step", { n: (1 / live.rate).toFixed(1) }) : t("{n} steps/s", { n: live.rate.toFixed(1) })
    return t("Step {done}/{steps}, {rate}, {left} left", { done, steps, rate, left: duration((steps - done) / live.rate) })
  }

  drawFigures() {
    const { losses, prior, figures, snapshots, live, memory } = this.known
    const measured = figures[figures.length - 1]
    const parts = [
      losses.length ? [t("loss"), meanOfLast(losses), "lw-loss"] : null,
      (prior.at(-1) ?? null) !== null ? [t("prior"), meanOfLast(prior), "lw-prior"] : null,
      measured && measured.held !== null ? [t("held out"), measured.held.toFixed(4), "lw-held"] : null,
      live?.learning_rate && this.running ? [t("learning rate"), live.learning_rate.toExponential(1), ""] : null,
      live?.memory && this.running ? [t("memory"), memoryText(live.memory), ""] : null,
      snapshots.length ? [t("snapshots"), String(snapshots.length), ""] : null,
    ].filter((part) => part !== null)
    const made = parts.map(([name, value, className]) =>
      el("span", { className }, `${name} `, el("b", { textContent: value })))
    if (memory) made.push(el("span", { textContent: memory }))
    this.figures.hidden = !made.length
    this.figures.replaceChildren(...made)
  }

  drawVerdict() {
    const { verdict } = this.known
    this.verdict.hidden = !verdict
    if (!verdict) return
    const best = el("b", { textContent: t("Best: step {step}.", { step: verdict.best }) })
    this.verdict.replaceChildren(best, ` ${verdict.reasons.join(" ")}`)
  }
}
