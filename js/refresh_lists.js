// After a run that saved adapters, adds them to the lists of all nodes that choose files.

import { api } from "/scripts/api.js"
import { app } from "/scripts/app.js"

// Results from ComfyUI's cache name their files again, which is no reason to fetch the lists again.
const seen = new Set()
let outdated = false

function note(files) {
  for (const { path, kind } of files ?? []) {
    if (kind !== "adapter" || seen.has(path)) continue
    seen.add(path)
    outdated = true
  }
}

async function refresh() {
  if (!outdated) return
  outdated = false
  await app.refreshComboInNodes()
}

app.registerExtension({
  name: "LoRAWorkbench.Lists",

  setup() {
    api.addEventListener("executed", ({ detail }) => note(detail.output?.lw_files))
    for (const end of ["execution_success", "execution_error", "execution_interrupted"]) {
      api.addEventListener(end, refresh)
    }
  },
})
