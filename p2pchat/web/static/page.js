// @ts-check
/** The whole page: three columns, what lies over them, and the way in. */
import { Component, html } from './vendor/preact-htm.js';
import { icon, submitted } from './line.js';
import { List } from './list.js';
import { Search } from './search.js';
import { Side } from './side.js';
import { Field, Head, Log, nameOf } from './talk.js';
import { shown, t } from './words.js';

const KEYS = ['Alt ↑ ↓', 'Alt A', 'Ctrl K', '/', 'Esc', 'Enter', 'Shift Enter', '↑', '?'];

/** Without a key: one sentence, and a field for a code. */
function Entrance({ app }) {
  return html`<div class="card"><h1>p2pchat</h1><p>${t(app.phase === 'starting' ? 'phase_starting' : 'no_key')}</p>
    ${app.phase !== 'starting' && html`<pre class="command">p2pchat web --print</pre>
      <form class="beside" onSubmit=${submitted(({ code }) => app.enter(code.value))}><input id="code" name="code" type="text" aria-label=${t('code')} placeholder=${t('code')} autocomplete="off" spellcheck="false" />
      <button id="enter" class="main" type="submit">${t('enter')}</button></form>`}
    ${app.problem && html`<p id="entrance-error" class="wrong" role="alert">${app.problem}</p>`}</div>`;
}

/** What is wrong with the page itself. */
function Banner({ app }) {
  if (['open', 'starting'].includes(app.phase)) return html`<div id="banner" role="status"></div>`;
  return html`<div id="banner" role="status" data-state=${app.phase}><p>${t(`banner_${app.phase}`)}</p>
    ${app.phase === 'elsewhere' && html`<button id="use-here" class="main" onClick=${() => app.stay()}>${t('use_here')}</button>`}
    ${['lost', 'ended'].includes(app.phase) && html`<button id="try-now" onClick=${() => app.wake()}>${t('try_now')}</button>`}</div>`;
}

/** What the person should know, until they have seen it. */
const Alerts = ({ app }) => html`<div id="alerts">${app.model.alerts.map((alert) => html`<div class="alert ${alert.what}" role="alert" key=${alert.key}>
  <p>${alert.what === 'notice' ? alert.text : t(`alert_${alert.what}`, { name: `[${shown(alert.peer_id)}]` })}</p>
  ${alert.what !== 'notice' && html`<button class="link" onClick=${() => app.command(alert.what === 'refuses_us' ? '/verify' : `/keys ${alert.peer_id}`)}>${t('show_keys')}</button>`}
  <button class="dismiss icon" aria-label=${t('dismiss')} onClick=${() => app.dismiss(alert)}>${icon('close')}</button></div>`)}</div>`;

/** Before a conversation is open: who one is, who is here, and where to begin. */
function Welcome({ app }) {
  const { state, peers, me } = app.model;
  const here = [...peers.values()].filter((peer) => peer.status === 'CONNECTED' && !peer.ignored);
  const to = (id) => html`<button class="chip" key=${id} onClick=${() => app.open(id)}><bdi>${nameOf(app, id)}</bdi></button>`;
  return html`<div class="card" id="welcome"><h2>${t('welcome')} <bdi>${shown(me)}</bdi></h2><p>${t('connected_there', { n: here.length })}. ${t(here.length ? 'begin' : 'nobody_here')}</p>
    <p class="chips">${state.home && to(state.home)}${here.slice(0, 8).map((peer) => to(peer.peer_id))}</p>
    ${state.start?.sentence && html`<p class="hint">${state.start.sentence}</p><pre class="command">${state.start.command}</pre>`}
    ${state.status.history === false && html`<p class="hint">${t('keeps_nothing')}</p>`}</div>`;
}

/** The list of keys. */
class Keys extends Component {
  componentDidMount() { /** @type {any} */ (this).base.showModal(); }

  render({ app }) {
    return html`<dialog id="keys" aria-labelledby="keys-title" onClose=${() => app.over('')}><h2 id="keys-title">${t('keys')}</h2>
      <dl>${KEYS.map((key, at) => html`<dt><kbd>${key}</kbd></dt><dd>${t(`key_${at}`)}</dd>`)}</dl><p>${t('slash')}</p>
      <button class="main" onClick=${() => app.over('')}>${t('close')}</button></dialog>`;
  }
}

export function Page({ app }) {
  const { model } = app;
  if (!model.state) return html`<main id="entrance"><${Entrance} app=${app} /></main>`;
  const talk = model.talks.get(model.current);
  return html`<header class="unseen"><h1>p2pchat - <bdi>${shown(model.me)}</bdi></h1></header><${List} app=${app} />
    <main id="talk"><${Banner} app=${app} />${app.phase === 'no_key' && html`<${Entrance} app=${app} />`}<${Alerts} app=${app} />
      ${talk ? html`<${Head} app=${app} talk=${talk} />` : null}
      ${app.panel === 'search' ? html`<${Search} app=${app} />` : talk ? html`<${Log} key=${`l${talk.id}`} app=${app} talk=${talk} />` : html`<${Welcome} app=${app} />`}
      ${talk && app.panel !== 'search' && html`<${Field} key=${`f${talk.id}`} app=${app} talk=${talk} />`}
      <p id="announce" class="unseen" aria-live="polite">${app.announced}</p></main>
    ${app.side && html`<${Side} app=${app} look=${app.look} phase=${app.phase} />`}
    ${app.panel === 'keys' && html`<${Keys} app=${app} />`}`;
}
