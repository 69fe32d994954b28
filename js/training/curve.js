// The losses of a run as a curve: of each step, smoothed, and what was measured of snapshots.

const HEIGHT = 120 // pixels
const EDGE = { left: 44, right: 8, top: 8, bottom: 18 }
const SMOOTHING = 0.97 // share of the last value that the next one keeps
const FAINT = 0.3 // opacity of single steps
const SHOWN = [0.01, 0.99] // quantiles between which single steps set the scale
const ENOUGH = 2000 // values that the quantiles are taken of

/** @typedef {(number | null)[]} Values */

/**
 * @typedef {object} Course
 * @property {number} steps of the whole run
 * @property {number[]} losses of the steps from the first on
 * @property {Values} prior what regularization pictures have of them; empty without any
 * @property {{step: number, training: number, held: number | null}[]} figures
 * @property {number[]} snapshots their steps
 * @property {number | null} best step of the snapshot that the verdict picks
 */

/** Exponential moving average, without the bias of its first value. @param {Values} values */
export function smoothed(values) {
  let [sum, weight] = [0, 0]
  return values.map((value) => {
    if (value === null) return null
    sum = SMOOTHING * sum + (1 - SMOOTHING) * value
    weight = SMOOTHING * weight + 1 - SMOOTHING
    return sum / weight
  })
}

/** The least and the largest value that are shown. @param {Values[]} raw @param {Values[]} smooth */
function rangeOf(raw, smooth) {
  let [least, most] = [Infinity, -Infinity]
  for (const values of [...raw.map(usual), ...smooth]) {
    for (const value of values) {
      if (value === null || !Number.isFinite(value)) continue
      if (value < least) least = value
      if (value > most) most = value
    }
  }
  if (!Number.isFinite(least)) return [0, 1]
  const room = (most - least || most || 1) * 0.06
  return [Math.max(0, least - room), most + room]
}

/** The quantiles between which values are usual, of some of them. @param {Values} values */
function usual(values) {
  const every = Math.ceil(values.length / ENOUGH)
  const some = []
  for (let at = 0; at < values.length; at += every) if (Number.isFinite(values[at])) some.push(values[at])
  some.sort((a, b) => a - b)
  return some.length ? SHOWN.map((share) => some[Math.round(share * (some.length - 1))]) : []
}

/** @param {HTMLElement} element */
function colorsOf(element) {
  const style = getComputedStyle(element)
  const color = (/** @type {string} */ name, /** @type {string} */ other) => style.getPropertyValue(name).trim() || other
  return {
    text: color("--descrip-text", "#999"),
    raw: color("--p-primary-color", "#60a5fa"),
    prior: color("--p-pink-400", "#f472b6"),
    held: color("--p-orange-400", "#fb923c"),
    edge: color("--border-color", "#4e4e4e"),
    best: color("--p-green-400", "#4ade80"),
  }
}

/** Draws a course on a canvas as wide as the page shows it. @param {HTMLCanvasElement} canvas @param {Course} course */
export function drawCurve(canvas, course) {
  const width = canvas.clientWidth || 360
  const scale = window.devicePixelRatio || 1
  Object.assign(canvas, { width: Math.round(width * scale), height: Math.round(HEIGHT * scale) })
  const context = canvas.getContext("2d")
  if (!context) return
  context.scale(scale, scale)
  const [smooth, smoothPrior] = [smoothed(course.losses), smoothed(course.prior)]
  const [least, most] = rangeOf([course.losses, course.prior], [smooth, smoothPrior])
  const x = (/** @type {number} */ step) =>
    EDGE.left + ((width - EDGE.left - EDGE.right) * (step - 1)) / Math.max(1, course.steps - 1)
  const y = between(least, most)
  const colors = colorsOf(canvas)
  drawAxes(context, colors, { width, least, most, steps: course.steps, y })
  drawSteps(context, course.losses, colors.raw, x, y)
  drawSteps(context, course.prior, colors.prior, x, y)
  for (const [values, color] of [[smooth, colors.raw], [smoothPrior, colors.prior]]) {
    drawLine(context, byPixel(values, x).map(({ left, last }) => [left, y(last)]), color, 1.8)
  }
  drawHeld(context, course.figures, colors.held, x)
  drawSnapshots(context, course, colors, x)
}

/** Where a value is on the canvas, from top to bottom. @param {number} least @param {number} most */
function between(least, most) {
  return (/** @type {number} */ value) =>
    EDGE.top + (HEIGHT - EDGE.top - EDGE.bottom) * (1 - (Math.min(most, Math.max(least, value)) - least) / (most - least))
}

/** The least, the most and the last value of the steps that share a pixel, as there may be more of them than pixels. */
function byPixel(values, x) {
  const pixels = []
  let own = null
  for (let at = 0; at < values.length; at++) {
    const value = values[at]
    if (value === null) continue
    const left = x(at + 1)
    if (own === null || left >= own.left + 1) pixels.push((own = { left, least: value, most: value, last: value }))
    if (value < own.least) own.least = value
    if (value > own.most) own.most = value
    own.last = value
  }
  return pixels
}

/** Held-out pictures, on a scale of their own: their noise levels are others than those of the steps. */
function drawHeld(context, figures, color, x) {
  const held = figures.filter((own) => own.held !== null)
  const values = held.map((own) => own.held)
  const y = between(.../** @type {[number, number]} */ (rangeOf([values], [values])))
  drawMarked(context, held.map((own) => [x(own.step), y(own.held)]), color)
}

/** Single steps; where there are more than pixels, from the least to the largest of each. */
function drawSteps(context, losses, color, x, y) {
  const points = byPixel(losses, x).flatMap(({ left, least, most }) => [[left, y(most)], [left, y(least)]])
  context.globalAlpha = FAINT
  drawLine(context, points, color, 1)
  context.globalAlpha = 1
}

function drawLine(context, points, color, width) {
  if (!points.length) return
  context.beginPath()
  points.forEach(([left, top], at) => (at ? context.lineTo(left, top) : context.moveTo(left, top)))
  Object.assign(context, { strokeStyle: color, lineWidth: width, lineJoin: "round" })
  context.stroke()
}

function drawMarked(context, points, color) {
  drawLine(context, points, color, 1.5)
  context.fillStyle = color
  for (const [left, top] of points) {
    context.beginPath()
    context.arc(left, top, 2.4, 0, 2 * Math.PI)
    context.fill()
  }
}

function drawAxes(context, colors, { width, least, most, steps, y }) {
  Object.assign(context, { fillStyle: colors.text, strokeStyle: colors.edge, lineWidth: 1, font: "10px Inter, Arial, sans-serif" })
  context.textBaseline = "middle"
  context.textAlign = "right"
  for (const share of [0.1, 0.5, 0.9]) {
    const loss = least + share * (most - least)
    const top = Math.round(y(loss)) + 0.5
    context.fillText(loss.toPrecision(2), EDGE.left - 6, top)
    context.globalAlpha = 0.4
    context.beginPath()
    context.moveTo(EDGE.left, top)
    context.lineTo(width - EDGE.right, top)
    context.stroke()
    context.globalAlpha = 1
  }
  context.fillText(String(steps), width - EDGE.right, HEIGHT - 7)
  context.textAlign = "left"
  context.fillText("1", EDGE.left, HEIGHT - 7)
}

/** Snapshots as ticks on the lower edge; the picked one in another color, as high as the curve. */
function drawSnapshots(context, { snapshots, best }, colors, x) {
  for (const step of snapshots) {
    const picked = step === best
    context.fillStyle = picked ? colors.best : colors.text
    context.globalAlpha = picked ? 0.8 : 1
    const tall = picked ? HEIGHT - EDGE.top - EDGE.bottom : 5
    context.fillRect(Math.round(x(step)) - 0.5, HEIGHT - EDGE.bottom - tall, picked ? 1.5 : 1, tall)
    context.globalAlpha = 1
  }
}
