// The losses of a run as a small curve.

import { t } from "../kit/texts.js"

const SVG = "http://www.w3.org/2000/svg"
const [WIDTH, HEIGHT] = [100, 32] // of its own units, which stretch

/** @param {string} tag @param {Record<string, string | number>} attributes */
function shape(tag, attributes) {
  const own = document.createElementNS(SVG, tag)
  for (const [name, value] of Object.entries(attributes)) own.setAttribute(name, String(value))
  return own
}

/**
 * As wide as all steps of the run: one in progress leaves room for those to come.
 * @param {{curve?: [number, number][], steps: number, best?: number | null}} run step and mean loss of each point
 */
export function lossCurve({ curve, steps, best }) {
  if (!curve || curve.length < 2) return null
  const losses = curve.map(([, loss]) => loss)
  const [least, most] = [Math.min(...losses), Math.max(...losses)]
  const x = (/** @type {number} */ step) => (WIDTH * step) / Math.max(1, steps)
  const y = (/** @type {number} */ loss) => HEIGHT - 2 - ((HEIGHT - 4) * (loss - least)) / (most - least || 1)
  const [first, last] = [losses[0], losses[losses.length - 1]]
  const told = t("loss {first} to {last}", { first: first.toFixed(4), last: last.toFixed(4) })
  const svg = shape("svg", {
    class: "lw-run-curve", viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", role: "img", "aria-label": told,
  })
  if (best) svg.append(shape("line", { class: "lw-best", x1: x(best), x2: x(best), y1: 0, y2: HEIGHT }))
  svg.append(shape("polyline", { points: curve.map(([step, loss]) => `${x(step).toFixed(2)},${y(loss).toFixed(2)}`).join(" ") }))
  return svg
}
