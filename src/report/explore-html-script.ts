/**
 * The page's script. Row `k` (from 0) is drawn by element `s<k>`; behind it word `w` holds what the last `set` of rows 0..k says. `at`
 * is how many rows have happened, 0 .. rows. The page is complete without it.
 */
export const PAGE_SCRIPT = `
'use strict';
(() => {
  const data = JSON.parse(document.getElementById('data').textContent);
  const rows = data.rows;
  const id = (name) => document.getElementById(name);
  const slider = id('slider');
  let at = rows.length;

  const mark = (element, name, on) => element.classList.toggle(name, on);

  const words = () => {
    const values = data.words.map((word) => word.initial);
    const changed = new Set();
    for (let k = 0; k < at; k++)
      for (const [w, v] of rows[k].set) {
        if (k === at - 1 && values[w] !== v) changed.add(w);
        values[w] = v;
      }
    data.words.forEach((_, w) => {
      const element = id('w' + w);
      element.textContent = values[w] === null ? '?' : String(values[w]);
      mark(element, 'changed', changed.has(w));
    });
  };

  const locks = () => {
    const holders = at === 0 ? {} : rows[at - 1].locks;
    data.locks.forEach((_, l) => {
      const element = id('l' + l);
      const now = holders[l] || 'free';
      mark(element, 'changed', at > 0 && now !== ((at > 1 && rows[at - 2].locks[l]) || 'free'));
      element.textContent = now;
    });
  };

  const show = (to, scroll) => {
    at = Math.max(0, Math.min(rows.length, to));
    rows.forEach((_, k) => {
      mark(id('s' + k), 'later', k >= at);
      mark(id('s' + k), 'now', k === at - 1);
    });
    data.labels.forEach((k, n) => mark(id('p' + n), 'later', k >= at));
    mark(id('finding'), 'later', at < rows.length);
    words();
    locks();
    slider.value = String(at);
    id('where').textContent = at === 0 ? 'before step 1' : 'step ' + rows[at - 1].n + ' of ' + data.steps;
    id('first').disabled = id('back').disabled = at === 0;
    id('last').disabled = id('on').disabled = at === rows.length;
    id('switch').disabled = nextSwitch() === at;
    if (scroll && at > 0) id('s' + (at - 1)).scrollIntoView({ block: 'nearest' });
  };

  const nextSwitch = () => {
    for (let k = at; k < rows.length; k++) if (rows[k].switch) return k + 1;
    return at;
  };

  const click = (name, to) => id(name).addEventListener('click', () => show(to(), true));
  click('first', () => 0);
  click('back', () => at - 1);
  click('on', () => at + 1);
  click('last', () => rows.length);
  click('switch', nextSwitch);
  slider.addEventListener('input', () => show(Number(slider.value), true));
  rows.forEach((_, k) => id('s' + k).addEventListener('click', () => show(k + 1, false)));
  document.addEventListener('keydown', (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    const to = { ArrowRight: at + 1, ArrowDown: at + 1, ArrowLeft: at - 1, ArrowUp: at - 1, Home: 0, End: rows.length, s: nextSwitch() }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    show(to, true);
  });
  // '#12' opens the page behind step 12.
  const open = () => {
    const step = Number(location.hash.slice(1));
    if (!Number.isInteger(step) || location.hash.length < 2) return show(rows.length, false);
    const k = rows.findIndex((row) => row.n >= step);
    show(step === 0 ? 0 : k < 0 ? rows.length : k + 1, true);
  };
  window.addEventListener('hashchange', open);
  id('nav').hidden = false;
  open();
})();
`;
