// Pictures as previews of adapters: a run's samples, or what the last queued graphs have drawn.

import { api } from "/scripts/api.js"

import { el, popover } from "../kit/parts.js"
import { ask, tell, url } from "../kit/server.js"
import { t } from "../kit/texts.js"
import { say } from "../kit/toasts.js"

const PROMPTS = 16 // queued graphs that are looked at
const MOST = 24 // pictures of them

/** Tells of adapters that have another preview now. */
export const changes = new EventTarget()

/**
 * @typedef {object} Picture
 * @property {string} src
 * @property {string} label
 * @property {object} told what the server knows it by
 */

/** A picture as the output of a node names it. @param {any} image @returns {Picture} */
export function outputPicture(image) {
  const { filename, subfolder = "", type = "output" } = image
  const query = new URLSearchParams({ filename, subfolder, type })
  return { src: api.apiURL(`/view?${query}`), label: filename, told: { filename, subfolder, type } }
}

/** What was drawn last, the newest first. @returns {Promise<Picture[]>} */
async function lastOutputs() {
  const answer = await api.fetchApi(`/history?max_items=${PROMPTS}`)
  const entries = answer.ok ? Object.values(await answer.json()) : []
  const images = entries.reverse().flatMap((entry) => Object.values(entry.outputs ?? {}))
    .flatMap((output) => output?.images ?? []).filter((image) => typeof image?.filename === "string")
  const found = images.map(outputPicture)
  return found.filter((own, at) => found.findIndex(({ src }) => src === own.src) === at).slice(0, MOST)
}

/** Samples of the run that trained an adapter. @param {string} name @returns {Promise<Picture[]>} */
async function samplesOf(name) {
  const { samples } = await ask("vault/pictures", { name })
  return samples.map(({ prompt, ...told }) => (
    { src: url("sample", told), label: `${t("step {step}", told)}: ${prompt}`, told }))
}

/** @param {string} title @param {Picture[]} pictures @param {(picture: Picture) => void} choose */
function group(title, pictures, choose) {
  const made = pictures.map((own) => el("button", {
    type: "button", className: "lw-option lw-shot", title: own.label, "aria-label": own.label, on: { click: () => choose(own) },
  }, el("img", { src: own.src, alt: "", loading: "lazy", decoding: "async" })))
  return made.length ? [el("div", { className: "lw-note", textContent: title }), el("div", { className: "lw-shots" }, ...made)] : []
}

/** @param {any} anchor @param {[string, Picture[]][]} groups @param {(picture: Picture) => void} choose */
export function pickPicture(anchor, groups, choose) {
  const take = (/** @type {Picture} */ own) => (close(), choose(own))
  const made = groups.flatMap(([title, pictures]) => group(title, pictures, take))
  if (!made.length) made.push(el("div", { className: "lw-note", textContent: t("There are no samples of its run, and no pictures drawn since the start.") }))
  const close = popover(anchor, [el("div", { className: "lw-options" }, ...made)], t("Pictures"))
  const [first] = made.flatMap((own) => [...own.querySelectorAll("button")])
  first?.focus()
}

/** Choose the preview of an adapter beside its card. @param {any} anchor @param {string} name */
export async function choosePreview(anchor, name) {
  const found = await Promise.all([samplesOf(name).catch(() => []), lastOutputs().catch(() => [])])
  pickPicture(anchor, [[t("Samples of its training"), found[0]], [t("Last pictures"), found[1]]], (own) => usePicture(name, own))
}

/** Write a picture beside an adapter as its preview. @param {string} name @param {Picture} picture */
export async function usePicture(name, { told }) {
  try {
    await tell("vault/preview", { name, picture: told })
    changes.dispatchEvent(new Event("change"))
    say("success", t("{name} has a new preview; the one before is kept beside it.", { name }))
  } catch (error) {
    say("error", error.message)
  }
}
