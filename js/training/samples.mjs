// Sample pictures of a run over time: those of one step, and a slider between the steps.

import { el } from "../kit/parts.js"
import { url } from "../kit/server.js"
import { t } from "../kit/texts.js"

export class Samples {
  constructor() {
    this.run = ""
    /** @type {{step: number, prompts: string[]}[]} */
    this.steps = []
    this.follows = true // shows the newest until the user chooses another
    this.pictures = el("div", { className: "lw-samples" })
    this.label = el("span", { className: "lw-samples-step" })
    this.slider = el("input", {
      type: "range", min: "0", value: "0", "aria-label": t("Samples by step"),
      on: { input: () => this.choose() },
    })
    const bar = el("div", { className: "lw-samples-bar" }, this.slider, this.label)
    this.element = el("div", { hidden: true }, this.pictures, bar)
  }

  /** @param {string} run @param {{step: number, prompts: string[]}[]} steps */
  show(run, steps) {
    const isNew = run !== this.run || steps.length !== this.steps.length
    Object.assign(this, { run, steps })
    this.element.hidden = !steps.length
    if (!isNew || !steps.length) return
    this.slider.max = String(steps.length - 1)
    this.slider.hidden = steps.length < 2
    if (this.follows) this.slider.value = this.slider.max
    this.draw()
  }

  choose() {
    this.follows = this.slider.value === this.slider.max
    this.draw()
  }

  draw() {
    const { step, prompts } = this.steps[Math.min(Number(this.slider.value), this.steps.length - 1)]
    this.label.textContent = t("step {step}", { step })
    this.slider.setAttribute("aria-valuetext", this.label.textContent)
    const made = prompts.map((prompt, at) =>
      el("img", { src: url("sample", { run: this.run, step, number: at + 1 }), alt: prompt, title: prompt }))
    this.pictures.replaceChildren(...made)
  }
}
