"""The script of a batch's page: filters and layout by axes, and one picture large. It makes elements, never HTML."""

SCRIPT = """
"use strict"
const { axes, pictures } = JSON.parse(document.getElementById("data").textContent)
const controls = document.getElementById("controls")
const place = document.getElementById("pictures")
const dialog = document.getElementById("closer")
const ANY = "-1"

const make = (tag, properties = {}, ...children) => {
  const element = Object.assign(document.createElement(tag), properties)
  element.append(...children)
  return element
}
const select = (label, options, value) => {
  const input = make("select", {}, ...options.map(([v, text]) => make("option", { value: v, textContent: text })))
  input.value = value
  return [make("label", {}, label, input), input]
}

const filters = axes.map((axis) => {
  const [label, input] = select(axis.name, [[ANY, "all"], ...axis.values.map((v, n) => [String(n), v])], ANY)
  controls.append(label)
  return input
})
const names = axes.map((axis, n) => [String(n), axis.name])
const usual = ["adapters", "snapshot"].map((name) => axes.findIndex((axis) => axis.name === name)).find((n) => n >= 0)
const across = usual ?? axes.length - 1
const down = axes.findIndex((_, n) => n !== across)
const layout = make("div", { className: "layout" })
const [acrossLabel, acrossInput] = select("columns", [[ANY, "none"], ...names], String(across))
const [downLabel, downInput] = select("rows", [[ANY, "none"], ...names], String(down))
if (axes.length) layout.append(acrossLabel, downLabel)
const size = make("input", { type: "range", min: 64, max: 512, step: 16 })
size.value = Math.min(256, Math.max(112, pictures.length ? pictures[0].width : 112))
layout.append(make("label", {}, "zoom", size))
controls.append(layout)
controls.addEventListener("submit", (event) => event.preventDefault())

let visible = []
const words = (picture) => {
  const own = axes.map((axis, n) => axis.values[picture.places[0][n]])
  return own.length ? own.join(" · ") : picture.about.prompt
}
const frame = (picture) => {
  const image = make("img", {
    src: picture.file.split("/").map(encodeURIComponent).join("/"), loading: "lazy", alt: words(picture),
    width: picture.width, height: picture.height,
  })
  const button = make("button", { type: "button", className: "frame-of-picture", title: words(picture) }, image)
  button.addEventListener("click", () => show(visible.indexOf(picture)))
  return button
}

const chosen = (n) => filters[n].value
const fits = (spot) => spot.every((value, n) => chosen(n) === ANY || chosen(n) === String(value))
const values = (n) => axes[n].values.map((_, v) => v).filter((v) => chosen(n) === ANY || chosen(n) === String(v))

const gallery = (found) => make("div", { className: "gallery" }, ...found.map(({ picture }) =>
  make("figure", {}, frame(picture), make("figcaption", { className: "words", textContent: words(picture) }))))

const table = (found, columns, rows) => {
  const at = new Map()
  const spot = (row, column) => row + "," + column
  for (const one of found) {
    const key = spot(rows < 0 ? 0 : one.spot[rows], columns < 0 ? 0 : one.spot[columns])
    at.set(key, [...(at.get(key) || []), one.picture])
  }
  const head = columns < 0 ? [0] : values(columns)
  const side = rows < 0 ? [0] : values(rows)
  const corner = [rows < 0 ? "" : axes[rows].name + " ↓", columns < 0 ? "" : axes[columns].name + " →"].join(" ")
  const heading = (text, scope) => make("th", { textContent: text, scope })
  const top = make("tr", {}, ...(rows < 0 ? [] : [make("td", { className: "corner", textContent: corner })]),
    ...head.map((c) => heading(columns < 0 ? "" : axes[columns].values[c], "col")))
  const body = side.map((r) => make("tr", {},
    ...(rows < 0 ? [] : [heading(axes[rows].values[r], "row")]),
    ...head.map((c) => {
      const own = [...new Set(at.get(spot(r, c)) || [])]
      return make("td", {}, own.length
        ? make("div", { className: "cell" }, ...own.map(frame)) : make("span", { className: "none", textContent: "–" }))
    })))
  return make("div", { className: "table" },
    make("table", {}, make("thead", {}, top), make("tbody", {}, ...body)))
}

const draw = () => {
  const columns = Number(acrossInput.value)
  const rows = Number(downInput.value) === columns ? -1 : Number(downInput.value)
  const found = pictures.flatMap((picture) =>
    picture.places.filter(fits).map((spot) => ({ picture, spot })))
  visible = [...new Set(found.map((one) => one.picture))]
  document.getElementById("shown").textContent =
    visible.length === pictures.length ? "" : visible.length + " of " + pictures.length + " pictures"
  document.body.style.setProperty("--side", size.value + "px")
  const single = visible.map((picture) => ({ picture }))
  place.replaceChildren(columns < 0 && rows < 0 ? gallery(single) : table(found, columns, rows))
}

let current = 0
const show = (number) => {
  current = (number + visible.length) % visible.length
  const picture = visible[current]
  const address = picture.file.split("/").map(encodeURIComponent).join("/")
  const facts = Object.entries(picture.about).filter(([, value]) => value !== "").map(([name, value]) =>
    make("div", {}, make("dt", { textContent: name }), make("dd", { textContent: value })))
  const step = (text, by, label) => {
    const button = make("button", { type: "button", textContent: text, ariaLabel: label })
    button.addEventListener("click", () => show(current + by))
    return button
  }
  const shut = make("button", { type: "button", textContent: "Close" })
  shut.addEventListener("click", () => dialog.close())
  dialog.replaceChildren(make("div", { className: "both" },
    make("img", { src: address, alt: words(picture), width: picture.width, height: picture.height }),
    make("div", { className: "facts" }, make("dl", {}, ...facts),
      make("div", { className: "buttons" }, step("←", -1, "previous"), step("→", 1, "next"),
        make("a", { href: address, textContent: "File" }), shut))))
  if (!dialog.open) dialog.showModal()
}
dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close() })
addEventListener("keydown", (event) => {
  if (!dialog.open) return
  if (event.key === "ArrowLeft") show(current - 1)
  if (event.key === "ArrowRight") show(current + 1)
})
controls.addEventListener("input", draw)
if (pictures.length && pictures[0].width < 256) document.body.style.setProperty("--rendering", "pixelated")
draw()
"""
