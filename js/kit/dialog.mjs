// Dialogs over the page.

import { button, el } from "./parts.js"
import { t } from "./texts.js"

/**
 * Opens a dialog; it closes on Escape and on clicks beside it.
 * @param {string} title @param {string} className @param {(Node | string)[]} content @param {() => void} [closed]
 * @returns {HTMLDialogElement}
 */
export function openDialog(title, className, content, closed) {
  const dialog = el("dialog", { className: `lw lw-dialog ${className}`, "aria-label": title },
    el("div", { className: "lw-dialog-bar" }, el("b", { textContent: title }),
      button("lw-close", "×", t("Close"), () => dialog.close())), ...content)
  dialog.addEventListener("keydown", (event) => event.stopPropagation())
  dialog.addEventListener("close", () => (dialog.remove(), closed?.()))
  dialog.addEventListener("click", (event) => event.target === dialog && dialog.close())
  document.body.append(dialog)
  dialog.showModal()
  return dialog
}
