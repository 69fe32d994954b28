// Gives Stack its editor in place of a plain text field. Without this script, the rows are that field.

import { app } from "/scripts/app.js"

import { addLater } from "../kit/later.js"
import { ownWidget } from "../kit/widgets.js"
import { STACK } from "../kit/widths.js"

const NODE = "LW_Stack"
const INPUT = "rows"
// A type unknown to the front end: for known ones, Vue nodes replace our element with their own.
const TYPE = "LW_STACK_ROWS"

function addEditor(node, name, spec) {
  const make = () => import("./editor.mjs").then(({ StackEditor }) => new StackEditor(node))
  return { widget: addLater(node, name, TYPE, spec[1]?.default ?? "", make), minWidth: STACK }
}

app.registerExtension({
  name: "LoRAWorkbench.Stack",

  ...ownWidget(NODE, "required", INPUT, TYPE),

  getCustomWidgets() {
    return { [TYPE]: addEditor }
  },
})
