// Gives Stack its editor in place of a plain text field. Without this script, the rows are that field.

import { app } from "/scripts/app.js"

import { addStyle } from "../kit/style.js"
import { addElement } from "../kit/widgets.js"
import { StackEditor } from "./editor.js"
import { STYLE } from "./style.js"

const NODE = "LW_Stack"
const INPUT = "rows"
// A type unknown to the front end: for known ones, Vue nodes replace our element with their own.
const TYPE = "LW_STACK_ROWS"

function addEditor(node, name, spec) {
  addStyle("stack", STYLE)
  const editor = new StackEditor(node)
  const value = { get: () => editor.text, set: (text) => (editor.text = String(text ?? "")) }
  const widget = addElement(node, name, TYPE, editor.element, { least: () => editor.height, value })
  editor.widget = widget
  widget.value = spec[1]?.default ?? ""
  return { widget, minWidth: StackEditor.leastWidth }
}

app.registerExtension({
  name: "LoRAWorkbench.Stack",

  addCustomNodeDefs(definitions) {
    const rows = definitions[NODE]?.input?.required?.[INPUT]
    if (rows) rows[1] = { ...rows[1], widgetType: TYPE }
  },

  getCustomWidgets() {
    return { [TYPE]: addEditor }
  },
})
