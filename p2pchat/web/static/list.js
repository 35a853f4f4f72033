// @ts-check
/** The conversations, who is here, a new conversation, and the menu. */
import { Component, html } from './vendor/preact-htm.js';
import { Still, icon } from './line.js';
import { post } from './net.js';
import { nameOf } from './talk.js';
import { hue, moment, shown, t, visible } from './words.js';

const MOST_HERE = 30;
const OPTIONS = 8;

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
  state = { text: '', at: -1 };
  /** @type {any} */ input = null;

  componentDidMount() { this.input.focus(); }

  /** @returns {string[]} */
  options() {
    const { model } = this.props.app;
    const all = [model.state?.home, '*', ...model.peers.keys(), ...[...model.peers.keys()].map((id) => `#${id.split('@').pop()}`)];
    const text = this.state.text.toLowerCase();
    return [...new Set(all)].filter((id) => id && id !== model.me && (id.toLowerCase().includes(text)
      || nameOf(this.props.app, id).toLowerCase().includes(text))).slice(0, OPTIONS);
  }

  /** @param {string} id */
  open(id) {
    const found = this.props.app.called(id.trim());
    if (found) this.props.app.open(found);
    else this.setState({ wrong: true });
  }

  pressed(event, options) {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (!step) return;
    event.preventDefault();
    this.setState({ at: Math.max(-1, Math.min(options.length - 1, this.state.at + step)) });
  }

  render({ app }, { text, at, wrong }) {
    const options = this.options();
    return html`<form id="new-form" onSubmit=${(event) => { event.preventDefault(); this.open(options[at] ?? text); }}>
      <label for="new-to">${t('new_to')}</label>
      <div class="beside"><input id="new-to" role="combobox" aria-expanded="true" aria-controls="new-options" aria-autocomplete="list" autocomplete="off"
        aria-activedescendant=${at >= 0 ? `option-${at}` : null} value=${text} ref=${(input) => (this.input = input)}
        onInput=${(event) => this.setState({ text: event.target.value, at: -1, wrong: false })} onKeyDown=${(event) => this.pressed(event, options)} />
      <button id="new-open" class="main" type="submit">${t('open')}</button></div>
      ${wrong && html`<p class="wrong" role="alert">${t('nobody', { name: text })}</p>`}
      <ul id="new-options" role="listbox" aria-label=${t('new_to')}>${options.map((id, each) => html`<li id="option-${each}" key=${id} role="option"
        aria-selected=${each === at ? 'true' : 'false'} onClick=${() => app.open(id)}><bdi>${nameOf(app, id)}</bdi> <span>${id.includes('@') ? t(app.model.peers.get(id)?.status ?? 'UNKNOWN') : ''}</span></li>`)}</ul>
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
