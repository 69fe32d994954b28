"""The page's only script: it shows the sample pictures of one step at a time, where there would be all in rows."""

SCRIPT = """
"use strict"
for (const section of document.querySelectorAll(".samples.over-time")) {
  const frames = [...section.querySelectorAll(".frame")]
  const input = section.querySelector("input")
  const output = section.querySelector("output")
  const show = () => {
    const chosen = frames[input.valueAsNumber]
    for (const frame of frames) frame.hidden = frame !== chosen
    output.value = chosen.dataset.label
    input.setAttribute("aria-valuetext", chosen.dataset.label)
  }
  input.addEventListener("input", show)
  section.querySelector(".slider").hidden = false
  section.classList.add("one-at-a-time")
  show()
}
"""
