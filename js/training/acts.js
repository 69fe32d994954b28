// What a training in progress is asked for beside a stop: its samples now, and one more snapshot.

import { button, el } from "../kit/parts.js"
import { tell } from "../kit/server.js"
import { t } from "../kit/texts.js"
import { say } from "../kit/toasts.js"

/** @typedef {"samples" | "snapshot"} Kind as the server tells what is kept */

const ROUTES = { samples: "runs/sample", snapshot: "runs/snapshot" }

export class Acts {
  constructor() {
    this.run = ""
    this.canSample = false
    /** @type {Set<Kind>} */
    this.waiting = new Set() // for what was asked
    this.samples = button("", t("Sample now"), t("Draw the sample prompts after this step"), () => this.ask("samples"))
    this.snapshot = button("", t("One more snapshot"), t("Save a snapshot after this step"), () => this.ask("snapshot"))
    this.note = el("span", { role: "status" })
    this.element = el("div", { className: "lw-training-acts", hidden: true }, this.samples, this.snapshot, this.note)
  }

  /** @param {string} run @param {boolean} running @param {boolean | null} canSample null as long as it isn't known */
  show(run, running, canSample) {
    if (run !== this.run || !running) this.waiting.clear()
    Object.assign(this, { run, canSample })
    this.element.hidden = !running
    this.draw()
  }

  /** @param {Kind} kind */
  async ask(kind) {
    this.waiting.add(kind)
    this.draw()
    try {
      const { asked } = await tell(ROUTES[kind], { run: this.run })
      if (asked) return
      say("warn", t("No training is in progress."))
    } catch (error) {
      say("error", error.message)
    }
    this.settle(kind)
  }

  /** It is there. @param {Kind} kind */
  settle(kind) {
    if (this.waiting.delete(kind)) this.draw()
  }

  draw() {
    this.samples.disabled = !this.canSample || this.waiting.has("samples")
    this.snapshot.disabled = this.waiting.has("snapshot")
    this.note.textContent = this.canSample === false ? t("Samples need sample_prompts in the recipe.")
      : this.waiting.size ? t("After this step …") : ""
  }
}
