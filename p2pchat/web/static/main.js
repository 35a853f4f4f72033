// @ts-check
/** Starts the page: draws once a frame, and looks after keys, title and notifications. */
import { html, render } from './vendor/preact-htm.js';
import { App } from './app.js';
import { Page } from './page.js';
import { language, shown, t, visible } from './words.js';

const AGAIN = 250;
const root = /** @type {HTMLElement} */ (document.getElementById('app'));
let drawing = 0;
let rest = 0;
let title = '';
let current = '';

function draw() {
  drawing = 0;
  const { model, phase, view, side } = app;
  Object.assign(document.documentElement.dataset, { phase, view, side });
  head();
  const began = performance.now();
  render(html`<${Page} key=${language} app=${app} />`, root);
  rest = 2 * performance.now() - began; // as long as it took is for everything else
  if (current !== model.current) {
    current = model.current;
    document.getElementById('title')?.focus();
  }
}

/** The title and the icon of the tab. */
function head() {
  const unread = [...app.model.talks.values()].reduce((sum, talk) => sum + talk.unread, 0);
  const wanted = `${unread ? `(${unread}) ` : ''}p2pchat${app.model.me ? ` - ${shown(app.model.me)}` : ''}`;
  if (wanted === title) return;
  document.title = title = wanted;
  document.getElementById('favicon')?.setAttribute('href', `static/favicon${unread ? '-dot' : ''}.svg`);
}

/** A notification, when the person looks elsewhere and asked for it. @param {any} line */
function tell(line) {
  if (app.choices.tell !== 'yes' || !document.hidden || globalThis.Notification?.permission !== 'granted') return;
  const note = new Notification(shown(line.from), { body: visible(line.text.slice(0, 200)), tag: line.conversation });
  note.onclick = () => {
    window.focus();
    app.open(line.conversation);
  };
}

const app = new App(() => {
  if (drawing) return;
  const wait = document.hidden ? AGAIN : rest - performance.now();
  drawing = wait > 0 ? window.setTimeout(draw, wait) : requestAnimationFrame(draw);
}, tell);

document.addEventListener('visibilitychange', () => {
  drawing = 0; // a frame that was asked for while the page was hidden may never come
  app.changed();
});

const focus = (/** @type {string} */ id) => requestAnimationFrame(() => document.getElementById(id)?.focus());
/** @type {Record<string, () => any>} */
const DOES = {
  'Alt arrowdown': () => app.go(1), 'Alt arrowup': () => app.go(-1), 'Alt a': () => app.go(0),
  'Ctrl k': () => (app.show('list'), focus('filter')), Escape: () => app.back(),
};
/** @type {Record<string, () => any>} where nobody writes */
const FREE = { '/': () => app.search('', app.model.current), '?': () => app.over('keys') };

document.addEventListener('keydown', (event) => {
  const { target, key, altKey, ctrlKey, metaKey } = event;
  const writes = target instanceof Element && target.matches('input:not([type=checkbox]), textarea, select');
  const held = `${altKey ? 'Alt ' : ''}${ctrlKey || metaKey ? 'Ctrl ' : ''}`;
  const does = DOES[held + (held ? key.toLowerCase() : key)] ?? (writes ? null : FREE[held + key]);
  // Who just types means the field.
  const idle = target instanceof Element && target.matches('body, #title, #log, .line');
  if (idle && !does && key.length === 1 && !held) document.getElementById('field')?.focus();
  if (!does || event.isComposing || !app.model.state) return;
  event.preventDefault();
  does();
});

const { hash } = location;
if (hash) history.replaceState(null, '', location.pathname + location.search);
addEventListener('hashchange', () => {
  const given = location.hash;
  history.replaceState(null, '', location.pathname + location.search);
  if (given.includes('token=')) app.enter(given);
});
app.enter(hash.includes('token=') ? hash : '');
app.changed();
