// How long something takes, in few words.

import { t } from "./texts.js"

/** @param {number} seconds */
export function duration(seconds) {
  if (seconds < 100) return t("{n} s", { n: Math.round(seconds) })
  if (seconds < 6000) return t("{n} min", { n: Math.round(seconds / 60) })
  return t("{n} h", { n: (seconds / 3600).toFixed(1) })
}
