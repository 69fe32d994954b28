// Our commands: in the menu, in the list of commands, and by keys that people can change.

import { app } from "/scripts/app.js"

import { RUNS, toggleTab, VAULT } from "./kit/sidebar.js"
import { stopTraining } from "./stop_training.js"

const COMMANDS = [
  { id: "LoRAWorkbench.Vault", label: "Open the vault of adapters", icon: "pi pi-box",
    function: () => toggleTab(VAULT) },
  { id: "LoRAWorkbench.Runs", label: "Open the list of trainings", icon: "pi pi-chart-line",
    function: () => toggleTab(RUNS) },
  { id: "LoRAWorkbench.Stop", label: "Stop the training and keep the adapter", icon: "pi pi-stop-circle",
    function: stopTraining },
]

app.registerExtension({
  name: "LoRAWorkbench.Commands",

  commands: COMMANDS,

  // One letter opens a tab, as with ComfyUI's own; beside Ctrl+Alt+Enter, which throws a run away, is what keeps it.
  keybindings: [
    { commandId: "LoRAWorkbench.Vault", combo: { key: "l" } },
    { commandId: "LoRAWorkbench.Runs", combo: { key: "t" } },
    { commandId: "LoRAWorkbench.Stop", combo: { key: "Enter", ctrl: true, alt: true, shift: true } },
  ],

  menuCommands: [{ path: ["Extensions", "LoRA Workbench"], commands: COMMANDS.map(({ id }) => id) }],
})
