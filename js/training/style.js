// How the panel of a training looks.

export const STYLE = `
.lw-training { display: flex; flex-direction: column; gap: 6px; width: 100%; height: 100%; overflow: hidden auto;
  padding: 2px; }
.lw-training-bar { display: flex; align-items: center; gap: 8px; min-height: 26px; }
.lw-training-state { flex: 1; min-width: 0; font-weight: 600; overflow: hidden; text-overflow: ellipsis;
  white-space: nowrap; }
.lw-training progress { width: 100%; height: 4px; border: 0; border-radius: 2px; overflow: hidden; appearance: none;
  background: var(--lw-field); }
.lw-training progress::-webkit-progress-bar { background: var(--lw-field); }
.lw-training progress::-webkit-progress-value { background: var(--lw-accent); }
.lw-training progress::-moz-progress-bar { background: var(--lw-accent); }
.lw-training canvas { width: 100%; height: 120px; flex: none; display: block; }
.lw-figures { display: flex; flex-wrap: wrap; gap: 2px 14px; color: var(--lw-muted); font-size: 11px; }
.lw-figures b { color: var(--input-text); font-weight: 600; font-variant-numeric: tabular-nums; }
.lw-figures :is(.lw-loss, .lw-prior, .lw-held)::before { content: ""; display: inline-block; width: 7px; height: 7px;
  margin-right: 4px; border-radius: 50%; background: var(--p-primary-color, #60a5fa); }
.lw-figures .lw-prior::before { background: var(--p-pink-400, #f472b6); }
.lw-figures .lw-held::before { background: var(--p-orange-400, #fb923c); }
.lw-training-acts { display: flex; align-items: center; gap: 8px; font-size: 11px; }
.lw-training-acts span { color: var(--lw-muted); }
.lw-samples { display: flex; gap: 4px; overflow-x: auto; scrollbar-width: thin; }
.lw-samples img { height: 96px; border-radius: 6px; image-rendering: auto; background: var(--lw-field); }
.lw-samples-bar { display: flex; align-items: center; gap: 8px; color: var(--lw-muted); font-size: 11px; }
.lw .lw-samples-bar input { flex: 1; padding: 0; accent-color: var(--lw-accent); }
.lw-verdict { padding: 5px 8px; border-radius: 8px; background: var(--lw-field); font-size: 11px; }
.lw-verdict b { color: var(--p-green-400, #4ade80); }
.lw-training details { font-size: 11px; color: var(--lw-muted); }
.lw-training summary { cursor: pointer; border-radius: 4px; }
.lw-training textarea { width: 100%; min-height: 80px; padding: 6px 8px; resize: none; font: 11px/1.5 monospace;
  color: var(--input-text); }
`
