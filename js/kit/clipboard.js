// Texts to the clipboard.

import { t } from "./texts.js"
import { say } from "./toasts.js"

/** @param {string} text */
export async function copy(text) {
  try {
    await navigator.clipboard.writeText(text)
    say("success", t("Copied: {text}", { text }))
  } catch {
    say("warn", t("The browser doesn't let pages copy here; the text is: {text}", { text }))
  }
}
