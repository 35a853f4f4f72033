// @ts-check
/** The conversations, who is here, a new conversation, and the menu. */
import { Component, html } from './vendor/preact-htm.js';
import { Still, icon, submitted } from './line.js';
import { isRoom } from './model.js';
import { post } from './net.js';
import { nameOf } from './talk.js';
import { hue, moment, shown, t, visible } from './words.js';

const MOST_HERE = 30;
const OPTIONS = 300;
const CHOSEN = 'insertReplacementText'; // from the list, and not typed

/** One conversation. */
class Row extends Still {
  render({ id, name, kind, last, unread, urgent, status, current, app }) {
    const words = last && `${last.own ? `${t('you')}: ` : kind !== 'peer' ? `${shown(last.from).split('@')[0]}: ` : ''}${visible(last.text.slice(0, 200)).replace(/\s+/g, ' ')}`;
    return html`<li><button class="conversation" data-id=${id} aria-current=${current ? 'true' : null} onClick=${() => app.open(id)}>
      <span class="round ${kind === 'peer' ? hue(id) : 'room'}" aria-hidden="true">${kind === 'peer' ? [...name][0] : kind === 'all' ? '∗' : '#'}
        ${kind === 'peer' && html`<span class="dot ${status}"></span>`}</span>
      <span class="top"><bdi class="name">${name}</bdi>${last && html`<time>${moment(last.at)}</time>`}</span>
      <span class="under"><span class="last" dir="auto">${kind === 'peer' && html`<span class="state ${status}">${t(status)}</span>`}${words && html`<span>${words}</span>`}</span>
        ${unread > 0 && html`<span class="unread ${urgent ? 'urgent' : ''}" aria-label=${t('unread', { n: unread })}>${unread > 999 ? '999+' : unread}</span>`}</span>
    </button></li>`;
  }
}

/** Peers and rooms that a new conversation can be with. */
class New extends Component {
  componentDidMount() { /** @type {any} */ (this).base.querySelector('input').focus(); }

  /** @param {string} name as it was typed or chosen */
  open(name) {
    const { app } = this.props;
    const found = [...app.model.peers.keys()].find((id) => shown(id) === name) ?? app.called(name);
    if (found) app.open(found);
    else this.setState({ wrong: name });
  }

  render({ app }, { wrong }) {
    const { me, peers, state } = app.model;
    const rooms = [...peers.keys()].map((id) => `#${id.split('@').pop()}`);
    const options = new Set([state.home, '*', ...peers.keys(), ...rooms].filter((id) => id !== me));
    const about = (id) => (isRoom(id) ? id === '*' && nameOf(app, id)
      : `${shown(peers.get(id).alias)} ${t(peers.get(id).status)}`);
    return html`<form id="new-form" onSubmit=${submitted(({ to }) => this.open(to.value.trim()))}>
      <label for="new-to">${t('new_to')}</label>
      <div class="beside"><input id="new-to" name="to" list="new-options" autocomplete="off"
        onInput=${({ inputType, target }) => inputType === CHOSEN && target.form.requestSubmit()} />
      <button id="new-open" class="main" type="submit">${t('open')}</button></div>
      <datalist id="new-options">${[...options].slice(0, OPTIONS).map((id) => html`
        <option key=${id} value=${shown(id)}>${about(id)}</option>`)}</datalist>
      ${wrong && html`<p class="wrong" role="alert">${t('nobody', { name: wrong })}</p>`}
    </form>`;
  }
}

/** Language, looks, and leaving. */
function Menu({ app }) {
  const choice = (id, values) => html`<label>${t(id)} <select id=${id} value=${app.choices[id]} onChange=${(event) => app.choose(id, event.target.value)}>
    ${values.map((value) => html`<option value=${value} selected=${app.choices[id] === value}>${t(`${id}_${value}`)}</option>`)}</select></label>`;
  return html`<div id="menu">${choice('language', ['en', 'pt-BR'])}${choice('theme', ['system', 'light', 'dark'])}
    <button id="tell-me" aria-pressed=${app.choices.tell === 'yes'} onClick=${() => app.tellMe()}>${t(app.choices.tell === 'yes' ? 'tells' : 'tell')}</button>
    <button id="keys-button" onClick=${() => app.over('keys')}>${t('keys')}</button>
    <button id="leave" onClick=${() => post('leave')}>${t('leave')}</button></div>`;
}

/** Everything at the left. */
export class List extends Component {
  state = { filter: '' };

  render({ app }, { filter }) {
    const { model } = app;
    const wanted = filter.toLowerCase();
    const matches = (id) => !wanted || id.toLowerCase().includes(wanted) || nameOf(app, id).toLowerCase().includes(wanted);
    const listed = model.listed();
    const here = [...model.peers.values()].filter((peer) => peer.status === 'CONNECTED' && !peer.ignored && !model.talks.has(peer.peer_id) && matches(peer.peer_id));
    const status = model.state?.status ?? {};
    const row = (id, talk) => html`<${Row} key=${id} id=${id} name=${nameOf(app, id)} kind=${talk?.kind ?? 'peer'} last=${talk?.last}
      unread=${talk?.unread ?? 0} urgent=${talk?.urgent} status=${model.peers.get(id)?.status ?? 'UNKNOWN'} current=${model.current === id} app=${app} />`;
    return html`<div id="left" role=${app.view === 'list' && app.narrow ? 'main' : null}><nav id="list" aria-label=${t('conversations')}>
      <div class="own-head"><div class="titles"><p id="me"><bdi>${shown(model.me)}</bdi></p>
        <p id="node-status"><span class="dot ${app.phase === 'open' && status.registered ? 'CONNECTED' : 'STALE'}" aria-hidden="true"></span>${t(app.phase !== 'open' ? `phase_${app.phase}` : status.registered ? 'registered' : 'not_registered')}</p></div>
        <button id="menu-button" class="icon" aria-label=${t('menu')} aria-expanded=${app.panel === 'menu'} onClick=${() => app.over('menu')}>${icon('menu')}</button></div>
      ${app.panel === 'menu' && html`<${Menu} app=${app} />`}
      <input id="filter" type="search" aria-label=${t('filter')} placeholder=${t('filter')} value=${filter} onInput=${(event) => this.setState({ filter: event.target.value })}
        onKeyDown=${(event) => event.key === 'Enter' && listed.find((talk) => matches(talk.id)) && app.open(listed.find((talk) => matches(talk.id)).id)} />
      <div class="scrolls"><ul id="conversations" aria-label=${t('conversations')}>${listed.filter((talk) => matches(talk.id)).map((talk) => row(talk.id, talk))}</ul>
        ${here.length > 0 && html`<h2 class="small">${t('here')}</h2><ul id="here" aria-label=${t('here')}>${here.slice(0, MOST_HERE).map((peer) => row(peer.peer_id, null))}</ul>`}
        ${here.length > MOST_HERE && html`<p class="quiet">${t('more_here', { n: here.length - MOST_HERE })}</p>`}</div>
      ${app.panel === 'new' && html`<${New} app=${app} />`}
      <button id="new" aria-expanded=${app.panel === 'new'} onClick=${() => app.over('new')}>${icon('plus')} ${t('new_conversation')}</button>
    </nav></div>`;
  }
}
