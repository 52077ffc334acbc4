/** The page's style sheet: light and dark as the reader's system is, one column on a phone. */
export const PAGE_STYLE = `
:root {
  color-scheme: light dark;
  --back: #ffffff; --panel: #f4f5f7; --text: #1c2024; --dim: #667080; --line: #d9dde3; --bar: #8b95a3;
  --now: #fff3c4; --race: #b3261e; --race-back: #fdecea; --switch: #8a5a00; --button: #ffffff; --lit: 34%;
}
@media (prefers-color-scheme: dark) {
  :root {
    --back: #14171a; --panel: #1d2126; --text: #e4e7eb; --dim: #98a2b0; --line: #333a43; --bar: #6b7684;
    --now: #3d3614; --race: #ff8f86; --race-back: #3a1f1d; --switch: #f0bf5a; --button: #262c33; --lit: 72%;
  }
}
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 1400px; padding: 1rem; background: var(--back); color: var(--text); font: 15px/1.45 system-ui, sans-serif; }
h1 { margin: 0 0 .25rem; font-size: 1.25rem; overflow-wrap: anywhere; }
h2 { margin: 0 0 .4rem; font-size: .95rem; }
p { margin: .15rem 0; }
.note, .legend { color: var(--dim); }
.finding { margin: .6rem 0; padding: .5rem .75rem; border-left: 4px solid var(--race); background: var(--race-back); overflow-wrap: anywhere; }
.finding.later { opacity: .35; }
.finding.none { border-color: var(--bar); background: var(--panel); }
nav { position: sticky; top: 0; z-index: 2; display: flex; flex-wrap: wrap; gap: .4rem; align-items: center; padding: .5rem 0; background: var(--back); border-bottom: 1px solid var(--line); }
nav[hidden] { display: none; }
button { min-width: 2.6rem; min-height: 2.4rem; padding: 0 .7rem; border: 1px solid var(--line); border-radius: 6px; background: var(--button); color: inherit; font: inherit; cursor: pointer; }
button:disabled { opacity: .4; cursor: default; }
button:focus-visible, input:focus-visible { outline: 2px solid var(--bar); outline-offset: 1px; }
nav input { flex: 1 1 8rem; min-width: 6rem; }
nav output { min-width: 8.5rem; font-variant-numeric: tabular-nums; color: var(--dim); }
main { display: grid; grid-template-columns: minmax(0, 1fr) 16rem; gap: 1.25rem; align-items: start; }
table { width: 100%; border-collapse: collapse; table-layout: fixed; font: 13px/1.4 ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, monospace; }
th { position: sticky; top: 3.5rem; z-index: 1; padding: .35rem .5rem; background: var(--back); text-align: left; font-weight: 600; border-bottom: 2px solid var(--line); overflow-wrap: anywhere; }
th.thread, td.own::before { color: hsl(calc(var(--t) * 137 + 210) 65% var(--lit)); }
th.n, td.n { width: 3.4rem; color: var(--dim); text-align: right; padding-right: .5rem; white-space: nowrap; font-weight: 400; }
td { padding: .16rem .5rem; vertical-align: top; overflow-wrap: anywhere; }
td.c { --bars: 0; padding-left: calc(.5rem + var(--bars) * 9px); border-left: 1px solid var(--line); background-repeat: no-repeat;
  background-image: repeating-linear-gradient(90deg, transparent 0 6px, var(--bar) 6px 9px); background-size: calc(var(--bars) * 9px) 100%; }
tr.label td { color: var(--dim); font-style: italic; }
tr.switch td { border-top: 1px dashed var(--switch); }
tr.switch td.n::before { content: "~"; color: var(--switch); margin-right: .25rem; }
tr.race td.own { color: var(--race); font-weight: 700; }
tr.race td.own::after { content: " race"; font-weight: 400; font-size: .85em; }
tr.step { cursor: pointer; scroll-margin: 7rem 0 3rem; }
tr.now td { background-color: var(--now); }
tr.later td { opacity: .35; }
tr.odd td { color: var(--switch); }
aside { position: sticky; top: 4.2rem; max-height: calc(100vh - 5rem); overflow: auto; padding: .75rem; background: var(--panel); border-radius: 8px; }
dl { display: grid; grid-template-columns: minmax(0, 1fr) auto; gap: .1rem .75rem; margin: 0 0 .9rem; font: 13px/1.5 ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, monospace; }
dl:last-child { margin-bottom: 0; }
dt { overflow-wrap: anywhere; }
dd { margin: 0; text-align: right; font-variant-numeric: tabular-nums; }
dd.changed { font-weight: 700; background: var(--now); }
@media (max-width: 720px) {
  body { padding: .6rem; font-size: 14px; }
  main { grid-template-columns: minmax(0, 1fr); gap: .8rem; }
  aside { position: static; max-height: none; order: 2; }
  nav { position: fixed; left: 0; right: 0; bottom: 0; top: auto; padding: .4rem .6rem; border-top: 1px solid var(--line); border-bottom: 0; }
  nav input, nav output { order: 1; }
  nav output { min-width: 0; }
  button { padding: 0 .5rem; }
  body { padding-bottom: 7rem; }
  thead { display: none; }
  table, tbody { display: block; }
  tr { display: flex; border-bottom: 1px solid var(--line); }
  tr.step { scroll-margin: 1rem 0 8rem; }
  td.n { flex: 0 0 3rem; padding-left: 0; }
  td.c { display: none; }
  td.c.own { display: block; flex: 1; border-left: 3px solid hsl(calc(var(--t) * 137 + 210) 65% var(--lit)); margin-left: calc(var(--t) * 10px); }
  td.own::before { content: attr(data-thread) "  "; font-weight: 600; white-space: pre; }
  tr.label td.own::before { font-style: normal; }
}
@media (prefers-reduced-motion: no-preference) { tr td { transition: opacity .12s; } }
@media print { nav { display: none; } tr.later td { opacity: 1; } main { display: block; } }
`;
