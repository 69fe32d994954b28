"""The page's style sheet: system fonts, one accent, light or dark as the reader's system is."""

STYLE = """
:root {
  --paper: #fbfbfa; --card: #ffffff; --ink: #1d2430; --quiet: #5c6574; --line: #e3e6eb;
  --accent: #2f6fde; --pale: #b4cbf3; --warm: #b5651d; --soft: #f1f4f9;
  --part-1: #2e8b57; --part-2: #7b52ab; --part-3: #b83a5b; --part-4: #1f8a99; --part-5: #8a6d1d;
}
@media (prefers-color-scheme: dark) {
  :root {
    --paper: #12151a; --card: #191d24; --ink: #e5e9f0; --quiet: #98a2b3; --line: #2a303a;
    --accent: #7caaf8; --pale: #3a5584; --warm: #e0a063; --soft: #1f242d;
    --part-1: #6cc592; --part-2: #b596e0; --part-3: #ea7f9c; --part-4: #62c6d4; --part-5: #d3b35a;
  }
}
* { box-sizing: border-box; margin: 0; }
html { -webkit-text-size-adjust: 100%; text-size-adjust: 100%; }
body {
  background: var(--paper); color: var(--ink); overflow-wrap: anywhere;
  font: 16px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", "Liberation Sans", sans-serif;
}
main { max-width: 1080px; margin: 0 auto; padding: clamp(28px, 6vw, 72px) clamp(20px, 5vw, 40px) 96px; }
h1 { font-size: clamp(32px, 6vw, 48px); line-height: 1.1; letter-spacing: -0.02em; font-weight: 650; }
h2 { font-size: 21px; line-height: 1.3; letter-spacing: -0.01em; font-weight: 620; margin-bottom: 6px; }
h3 { font-size: 14px; line-height: 1.4; font-weight: 620; }
section { margin-top: clamp(48px, 8vw, 76px); }
.kicker { color: var(--accent); font-size: 13px; font-weight: 600; letter-spacing: 0.06em; text-transform: uppercase; }
.subtitle { color: var(--quiet); margin-top: 10px; }
.result { font-size: clamp(18px, 2.6vw, 22px); line-height: 1.5; margin-top: 26px; max-width: 34em; }
.result strong { font-weight: 620; white-space: nowrap; font-variant-numeric: tabular-nums; }
.result q { color: var(--accent); font-weight: 560; }
.about { color: var(--quiet); max-width: 46em; margin-bottom: 20px; }
a { color: var(--accent); text-underline-offset: 3px; }
a:focus-visible, input:focus-visible, summary:focus-visible {
  outline: 2px solid var(--accent); outline-offset: 3px; border-radius: 4px;
}
ul { padding-left: 1.2em; }
ul li + li { margin-top: 6px; }
section > ul { max-width: 46em; }

.verdict {
  background: var(--card); border: 1px solid var(--line); border-radius: 14px; padding: clamp(20px, 4vw, 32px);
}
.verdict h2 { font-size: 14px; letter-spacing: 0; color: var(--accent); }
.verdict .sentence { font-size: clamp(18px, 2.4vw, 21px); font-weight: 560; line-height: 1.45; }
.verdict ul { margin-top: 14px; color: var(--quiet); }

.charts {
  display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 290px), 1fr)); gap: 40px 44px;
  margin-top: 18px;
}
.charts figcaption { color: var(--quiet); font-size: 13px; margin-top: 8px; }
.chart { display: block; margin-top: 8px; overflow: visible; }
.chart .grid { stroke: var(--line); }
.chart .tick { fill: var(--quiet); font-size: 12px; font-variant-numeric: tabular-nums; }
.chart .mark { stroke: var(--accent); stroke-dasharray: 2 4; }
.line {
  fill: none; vector-effect: non-scaling-stroke; stroke-width: 2px; stroke-linejoin: round; stroke-linecap: round;
}
.legend { display: flex; flex-wrap: wrap; gap: 4px 18px; list-style: none; padding: 0; }
.legend li + li { margin: 0; }
.key { display: inline-block; width: 16px; height: 3px; border-radius: 2px; margin-right: 7px; vertical-align: middle; }
.line.dots { stroke: var(--accent); stroke-width: 7px; }
.line.raw { stroke: var(--pale); stroke-width: 1.25px; } .key.raw { background: var(--pale); }
.line.smooth { stroke: var(--accent); stroke-width: 2.5px; } .key.smooth { background: var(--accent); }
.line.rate { stroke: var(--warm); } .key.rate { background: var(--warm); }
.line.part-1 { stroke: var(--part-1); } .key.part-1 { background: var(--part-1); }
.line.part-2 { stroke: var(--part-2); } .key.part-2 { background: var(--part-2); }
.line.part-3 { stroke: var(--part-3); } .key.part-3 { background: var(--part-3); }
.line.part-4 { stroke: var(--part-4); } .key.part-4 { background: var(--part-4); }
.line.part-5 { stroke: var(--part-5); } .key.part-5 { background: var(--part-5); }

img { display: block; max-width: 100%; height: auto; border-radius: 8px; background: var(--soft); }
figcaption { font-size: 13px; line-height: 1.45; }
.slider {
  display: flex; align-items: center; gap: 14px; position: sticky; top: 0; z-index: 1; padding: 10px 0;
  background: var(--paper); font-variant-numeric: tabular-nums; max-width: 720px;
}
.slider[hidden], .frame[hidden] { display: none; }
.slider label { color: var(--quiet); }
.slider input { flex: 1; min-width: 0; height: 32px; accent-color: var(--accent); }
.slider output { min-width: 3.2em; text-align: right; font-weight: 620; }
.frame + .frame { margin-top: 32px; }
.frame h3 { margin-bottom: 10px; }
.one-at-a-time .frame { margin-top: 10px; }
.one-at-a-time .frame h3 { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
.row { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 210px), 1fr)); gap: 24px; }
.row figure { max-width: 320px; }
.row img { width: 100%; }
.row figcaption { color: var(--quiet); margin-top: 8px; }

.wide { overflow-x: auto; }
.grid-of-steps { border-spacing: 6px; margin-left: -6px; font-size: 13px; line-height: 1.4; }
.grid-of-steps th { font-weight: 560; vertical-align: bottom; text-align: left; }
.grid-of-steps tbody th { vertical-align: middle; min-width: 130px; max-width: 190px; padding-right: 10px; }
.grid-of-steps th span { display: block; color: var(--quiet); font-weight: 400; }
.grid-of-steps img { width: 104px; max-width: none; }
.grid-of-steps .picked { color: var(--accent); }

.pictures { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 240px), 1fr)); gap: 22px 28px; }
.pictures figure { display: grid; grid-template-columns: 96px 1fr; gap: 14px; align-items: start; }
.pictures img { width: 96px; height: 96px; object-fit: contain; background: none; }
.pictures figcaption:only-child { grid-column: 1 / -1; }
.pictures b { font-weight: 580; margin-right: 6px; }
.pictures .caption {
  display: -webkit-box; -webkit-box-orient: vertical; -webkit-line-clamp: 4; overflow: hidden; color: var(--quiet);
  margin-top: 2px;
}
.pictures .caption:focus { -webkit-line-clamp: unset; outline: none; }
.pictures .mark {
  display: inline-block; font-size: 11px; line-height: 1.6; padding: 0 6px; margin-right: 4px; border-radius: 5px;
  background: var(--soft); color: var(--quiet); border: 1px solid var(--line);
}

.groups { columns: 320px; column-gap: 48px; margin-top: 24px; }
.group { break-inside: avoid; padding-bottom: 30px; }
.group h3 { padding-bottom: 6px; border-bottom: 1px solid var(--line); }
dl { font-size: 14px; }
dl > div { display: flex; flex-wrap: wrap; gap: 0 12px; padding: 5px 0; border-bottom: 1px solid var(--line); }
dt { color: var(--quiet); }
dl dd { margin-left: auto; text-align: right; font-variant-numeric: tabular-nums; }
dl .source { color: var(--quiet); font-size: 12px; line-height: 21px; opacity: 0.85; }
dl .long { flex-basis: 100%; text-align: left; white-space: pre-line; }
dl .other { font-weight: 620; color: var(--warm); }
details summary { color: var(--quiet); font-size: 13px; cursor: pointer; padding: 7px 0; }
.facts { max-width: 820px; margin-top: 18px; }
.facts > div { gap: 0 24px; padding: 8px 0; }
.facts dt { flex: 0 0 130px; }
.facts dd { flex: 1 1 260px; margin: 0; text-align: left; }
.facts code { font-size: 12px; }
code, pre { font-family: ui-monospace, "SF Mono", Menlo, Consolas, "Liberation Mono", monospace; }
pre {
  font-size: 12px; line-height: 1.5; max-height: 420px; overflow: auto; padding: 16px; border-radius: 10px;
  background: var(--soft); overflow-wrap: normal;
}
@media (min-width: 760px) { .group .source + dd { margin-left: 0; min-width: 3.6em; } }
@media (max-width: 759px) {
  .group dl > div { display: grid; grid-template-columns: 1fr auto; }
  .group .source { grid-area: 2 / 1 / auto / -1; margin: 0; text-align: left; line-height: 1.4; }
  .group .long { grid-column: 1 / -1; }
}
@media (max-width: 520px) {
  .row { grid-template-columns: repeat(2, 1fr); gap: 18px 14px; }
  .row figure:only-child { grid-column: 1 / -1; }
}
@media print { .slider { display: none; } details { break-inside: avoid; } }
"""
