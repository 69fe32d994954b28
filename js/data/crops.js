// Crops drawn over a picture.

import { el } from "../kit/parts.js"

/**
 * A crop over an element that has the picture's shape.
 * @param {any} record @param {any} crop @param {boolean} named by its size
 */
export function cropOver(record, { box, size }, named) {
  const [left, top, right, bottom] = box
  const words = size.join(" × ")
  const label = named ? el("span", { className: "lw-label", textContent: words }) : null
  const own = el("div", { className: "lw-crop", title: words }, label)
  place(own, left / record.width, top / record.height, (right - left) / record.width, (bottom - top) / record.height)
  return own
}

/** All crops over a square that has the whole picture in its middle. @param {any} record */
export function cropsInSquare(record) {
  const longer = Math.max(record.width, record.height)
  const [wide, tall] = [record.width / longer, record.height / longer]
  const own = el("div", { className: "lw-fitted" }, ...record.crops.map((crop) => cropOver(record, crop, false)))
  place(own, (1 - wide) / 2, (1 - tall) / 2, wide, tall)
  return own
}

/** By shares. @param {HTMLElement} element @param {number} left @param {number} top @param {number} width @param {number} height */
function place(element, left, top, width, height) {
  const percent = (share) => `${100 * share}%`
  Object.assign(element.style, { left: percent(left), top: percent(top), width: percent(width), height: percent(height) })
}
