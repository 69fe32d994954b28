// Our tabs in the sidebar, whose scripts are read when one is opened.

import { app } from "/scripts/app.js"

import { addSidebarTab, RUNS, VAULT } from "./kit/sidebar.js"
import { t } from "./kit/texts.js"

app.registerExtension({
  name: "LoRAWorkbench.Sidebars",

  setup() {
    const vault = { id: VAULT, icon: "pi pi-box", title: t("Vault"), tooltip: t("Adapters of LoRA Workbench") }
    addSidebarTab(vault, () => import("./vault/tab.mjs").then(({ VaultTab }) => VaultTab))
    const runs = { id: RUNS, icon: "pi pi-chart-line", title: t("Runs"), tooltip: t("Trainings of LoRA Workbench") }
    addSidebarTab(runs, () => import("./runs/tab.mjs").then(({ RunsTab }) => RunsTab))
  },
})
