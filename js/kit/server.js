// Our routes below /lora_workbench/, which docs/routes.md describes.

import { api } from "/scripts/api.js"

const PREFIX = "/lora_workbench/"

/** @param {string} path @param {Record<string, unknown>} query */
function address(path, query) {
  const given = Object.entries(query).filter(([, value]) => value !== undefined && value !== null && value !== "")
  const text = new URLSearchParams(given.map(([name, value]) => [name, String(value)])).toString()
  return PREFIX + path + (text && `?${text}`)
}

/** The JSON of an answer, or an error with the server's words. @param {Response} answer */
async function read(answer) {
  const told = await answer.json().catch(() => null)
  if (answer.ok) return told
  throw Object.assign(new Error(told?.error?.message ?? answer.statusText), { status: answer.status, told })
}

/** @param {string} path without our prefix @param {Record<string, unknown>} [query] @returns {Promise<any>} */
export async function ask(path, query = {}) {
  return read(await api.fetchApi(address(path, query)))
}

/** @param {string} path without our prefix @param {object} body @returns {Promise<any>} */
export async function tell(path, body) {
  const headers = { "Content-Type": "application/json" }
  return read(await api.fetchApi(PREFIX + path, { method: "POST", headers, body: JSON.stringify(body) }))
}

/** An address for pictures and links. @param {string} path without our prefix @param {Record<string, unknown>} [query] */
export function url(path, query = {}) {
  return api.apiURL(address(path, query))
}
