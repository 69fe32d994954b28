"""What the page of a batch adds to the style sheet of reports."""

OWN_STYLE = """
main { max-width: none; padding-bottom: 48px; }
h1 { font-size: clamp(26px, 4vw, 38px); }
.controls {
  display: flex; flex-wrap: wrap; gap: 14px 20px; align-items: end; position: sticky; top: 0; z-index: 3;
  margin: 28px calc(-1 * clamp(20px, 5vw, 40px)) 0; padding: 14px clamp(20px, 5vw, 40px);
  background: var(--paper); border-bottom: 1px solid var(--line);
}
.controls label { display: grid; gap: 3px; font-size: 12px; color: var(--quiet); }
.controls select, .controls input[type=search] {
  font: inherit; font-size: 14px; color: var(--ink); background: var(--card); border: 1px solid var(--line);
  border-radius: 8px; padding: 6px 9px; max-width: 240px; min-height: 36px;
}
.controls input[type=range] { width: 130px; height: 36px; accent-color: var(--accent); }
.controls .layout { border-left: 1px solid var(--line); padding-left: 20px; display: flex; gap: 14px; }
.controls .layout:first-child { border: 0; padding: 0; }
.controls select:focus-visible, .frame-of-picture:focus-visible, dialog button:focus-visible {
  outline: 2px solid var(--accent); outline-offset: 2px;
}
.shown { color: var(--quiet); font-size: 13px; margin: 14px 0; font-variant-numeric: tabular-nums; }
.shown:empty { display: none; }
.frame-of-picture {
  display: block; padding: 0; border: 0; background: none; cursor: zoom-in; border-radius: 8px; font: inherit;
  color: inherit; text-align: left;
}
.frame-of-picture img { width: var(--side); height: auto; border-radius: 8px; image-rendering: var(--rendering, auto); }
.frame-of-picture:hover img { outline: 2px solid var(--accent); outline-offset: 1px; }
.gallery { display: grid; grid-template-columns: repeat(auto-fill, minmax(var(--side), 1fr)); gap: 18px 14px; }
.gallery .words { font-size: 12px; line-height: 1.4; color: var(--quiet); margin-top: 5px; max-width: var(--side);
  display: -webkit-box; -webkit-box-orient: vertical; -webkit-line-clamp: 3; overflow: hidden; }
.table { overflow-x: auto; padding-bottom: 12px; }
.table table { border-spacing: 8px; margin-left: -8px; font-size: 13px; line-height: 1.35; }
.table th { font-weight: 600; text-align: left; vertical-align: bottom; }
.table thead th { max-width: var(--side); }
.table tbody th {
  vertical-align: middle; min-width: 110px; max-width: 200px; padding-right: 12px; position: sticky; left: 0;
  z-index: 1; background: var(--paper);
}
.table td { vertical-align: top; }
.table .corner { vertical-align: bottom; color: var(--quiet); }
.table .cell { display: flex; flex-wrap: wrap; gap: 6px; }
.table .none { color: var(--quiet); }
dialog {
  margin: auto; padding: 0; border: 1px solid var(--line); border-radius: 14px; background: var(--card);
  color: var(--ink); max-width: min(96vw, 1400px); max-height: 94vh;
}
dialog::backdrop { background: rgb(0 0 0 / 0.7); }
dialog .both { display: flex; flex-wrap: wrap; }
dialog img { max-width: 100%; max-height: 92vh; min-width: min(60vw, 512px); border-radius: 0; object-fit: contain;
  image-rendering: var(--rendering, auto); }
dialog .facts { flex: 1 1 260px; max-width: 380px; margin: 0; padding: 22px; }
dialog dl > div { display: block; } dialog dl dd { text-align: left; margin: 0; }
dialog .buttons { display: flex; gap: 8px; margin-top: 18px; }
dialog button, dialog .buttons a {
  font: inherit; font-size: 14px; padding: 6px 14px; border: 1px solid var(--line); border-radius: 8px;
  background: var(--soft); color: var(--ink); cursor: pointer; text-decoration: none;
}
"""
