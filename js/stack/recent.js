// Which adapters were chosen last in this browser.

const KEY = "lora_workbench.recent_adapters"
const MOST = 12
const LONGEST = 3000 // characters of all names in an address

/** @returns {string[]} the last one first */
export function recentAdapters() {
  try {
    const kept = JSON.parse(localStorage.getItem(KEY) ?? "[]")
    return Array.isArray(kept) ? kept.filter((name) => typeof name === "string").slice(0, MOST) : []
  } catch {
    return [] // the browser keeps nothing, or another program wrote there
  }
}

/** @param {string} name */
export function noteUse(name) {
  const names = [name, ...recentAdapters().filter((other) => other !== name)].slice(0, MOST)
  while (encodeURIComponent(names.join("\n")).length > LONGEST) names.pop()
  try {
    localStorage.setItem(KEY, JSON.stringify(names))
  } catch {
    // without storage there are no recent ones
  }
}
