// The learning rate over a run, and how dense the trained noise levels lie, drawn small.

import { el } from "../kit/parts.js"
import { t } from "../kit/texts.js"

const HEIGHT = 44 // pixels
const WIDTH = 200
const EDGE = 4

function figure(label) {
  const canvas = el("canvas", { width: 2 * WIDTH, height: 2 * HEIGHT, role: "img", "aria-label": label })
  const caption = el("figcaption", { textContent: label })
  return { canvas, caption, element: el("figure", {}, canvas, caption) }
}

/** A filled curve; points from 0 to 1. @param {HTMLCanvasElement} canvas @param {number[]} points */
function draw(canvas, points) {
  const pen = canvas.getContext("2d")
  if (!pen) return
  pen.setTransform(2, 0, 0, 2, 0, 0)
  pen.clearRect(0, 0, WIDTH, HEIGHT)
  if (!points.length) return
  const color = getComputedStyle(canvas).color // the style sheet's accent
  const place = (at) => [(at / (points.length - 1)) * WIDTH, HEIGHT - EDGE - points[at] * (HEIGHT - 2 * EDGE)]
  pen.beginPath()
  points.forEach((_, at) => pen.lineTo(.../** @type {[number, number]} */ (place(at))))
  pen.strokeStyle = pen.fillStyle = color
  pen.lineWidth = 1.5
  pen.stroke()
  pen.lineTo(WIDTH, HEIGHT)
  pen.lineTo(0, HEIGHT)
  pen.globalAlpha = 0.18
  pen.fill()
  pen.globalAlpha = 1
}

export class Plots {
  constructor() {
    this.rates = figure(t("Learning rate"))
    this.levels = figure(t("Noise levels"))
    this.element = el("div", { className: "lw-recipe-plots" }, this.rates.element, this.levels.element)
  }

  /** @param {any} told what the settings will be */
  show({ learning_rates: rates, noise_levels: levels, whole }) {
    this.element.style.display = whole ? "" : "none" // settings that conflict make no recipe
    this.tell(this.rates, rates?.shares ?? [], ratesInWords(rates))
    const most = Math.max(1, ...(levels?.density ?? []))
    const words = levels ? t("Noise levels, clean to noise") : t("Noise levels: depends on the base model")
    this.tell(this.levels, (levels?.density ?? []).map((one) => one / most), words)
  }

  tell({ canvas, caption }, points, words) {
    canvas.setAttribute("aria-label", words)
    caption.textContent = words
    draw(canvas, points)
  }
}

function ratesInWords(rates) {
  if (!rates) return t("Learning rate: depends on the number of steps")
  if (rates.peak === null) return t("Learning rate over {steps} steps, peak not known yet", rates)
  return t("Learning rate over {steps} steps, peak {peak}", rates)
}
