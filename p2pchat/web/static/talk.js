// @ts-check
/** The conversation that is open: its head, its lines, and the field to write in. */
import { Component, html } from './vendor/preact-htm.js';
import { Line, continues, icon, submitted } from './line.js';
import { day, dayNumber, duration, shown, t } from './words.js';

const IN_DOM = 200;
const A_STEP = 40;
const FLOOD = 20;
const STEP = 60;
const NEAR = 300;
const AT_END = 24;
const ANNOUNCED = 3;
const CALM = 500;

/** @param {any} app @param {string} id */
export const nameOf = (app, id) => (id === '*' ? t('everyone') : shown(app.model.peers.get(id)?.alias || id));

/** The lines around the place that is read. What is read stays where it is when lines come above it. */
export class Log extends Component {
  start = 0; // the first line that is drawn
  stuck = true; // whether the end is seen
  top = 0; // where the end was
  above = false; // whether the first new line is above what is seen
  quiet = true; // whether a screen reader is not told of new lines
  unheard = 0;
  drawn = 0;
  turn = -1;
  /** @type {any} */ log = null;
  /** @type {number[]} */ times = [];

  /** How many lines of the end are drawn: few at first, and while they come faster than anybody reads. */
  room() {
    const { talk: { lines }, app } = this.props;
    this.rush = Boolean(this.newest) && lines.length > FLOOD && !lines.slice(-FLOOD).some((line) => line.key === this.newest);
    this.newest = lines.at(-1)?.key;
    this.drawn = this.rush ? A_STEP : Math.min(IN_DOM, this.drawn + A_STEP);
    clearTimeout(this.calm);
    if (this.drawn < Math.min(IN_DOM, lines.length)) this.calm = setTimeout(() => app.changed(), this.rush ? CALM : 0);
    return this.drawn;
  }

  /** Where the first line on the screen is now. */
  getSnapshotBeforeUpdate() {
    if (!this.log || this.stuck) return null;
    const first = [...this.log.children].find((each) => each.dataset.key && each.offsetTop + each.offsetHeight > this.log.scrollTop);
    return first && { first, above: first.offsetTop - this.log.scrollTop };
  }

  componentDidMount() { this.begin(); }

  componentWillUnmount() {
    clearTimeout(this.calm);
    clearTimeout(this.timer);
  }

  componentDidUpdate(_, __, place) {
    if (this.turn !== this.props.talk.turn) return this.begin();
    if (this.stuck) this.end();
    else if (place?.first.isConnected) this.log.scrollTop = place.first.offsetTop - place.above;
    this.announce();
  }

  /** Show a conversation: its end, its first unread line, or what was searched for. */
  begin() {
    const { talk } = this.props;
    Object.assign(this, { turn: talk.turn, last: talk.lines.at(-1)?.key, newest: '', drawn: 0 });
    const wanted = talk.lines.findIndex((line) => (talk.hit ? line.id === talk.hit : line.key === talk.fresh));
    this.stuck = wanted < 0;
    this.start = Math.max(0, Math.min(wanted < 0 ? Infinity : wanted - IN_DOM / 2, talk.lines.length - IN_DOM));
    this.hush();
    this.setState({}, () => {
      const line = this.log.querySelector(talk.hit ? '.hit' : '.new-line');
      if (this.stuck) this.end();
      else if (line) this.log.scrollTop = line.offsetTop - this.log.clientHeight / 3;
      if (talk.hit) line?.focus({ preventScroll: true });
      this.scrolled();
      this.props.app.changed();
    });
  }

  end() {
    this.log.scrollTop = this.log.scrollHeight;
    this.top = this.log.scrollTop;
  }

  scrolled() {
    const { log, props: { app, talk } } = this;
    const left = log.scrollHeight - log.scrollTop - log.clientHeight;
    const last = this.start + IN_DOM >= talk.lines.length;
    const before = `${this.start} ${this.stuck} ${this.above}`;
    // Lines may have come since this was scrolled: only who goes up leaves the end.
    this.stuck = (this.stuck && (log.scrollTop >= this.top - 1 || left < AT_END)) || (last && !talk.after && left < AT_END);
    if (log.scrollTop < NEAR && this.start > 0) this.start = Math.max(0, this.start - STEP);
    else if (log.scrollTop < NEAR && talk.loaded) this.older();
    else if (left < NEAR && !last && !this.stuck) this.start += STEP;
    else if (left < NEAR && talk.after) app.more('after');
    const fresh = log.querySelector('.new-line');
    this.above = Boolean(fresh && fresh.offsetTop < log.scrollTop);
    talk.reading = !this.stuck;
    if (this.stuck) talk.below = 0;
    app.watch(this.stuck);
    if (before !== `${this.start} ${this.stuck} ${this.above}`) app.changed();
  }

  async older() {
    const { app, talk } = this.props;
    const [first] = talk.lines;
    await app.more('before');
    const added = talk.lines.indexOf(first);
    if (added > 0) this.start = Math.max(0, added - STEP);
    app.changed();
  }

  /** A screen reader hears three lines a second, and the number of the others. */
  announce() {
    const { lines } = this.props.talk;
    const at = lines.findIndex((line) => line.key === this.last);
    const [count, now] = [lines.length - 1 - at, Date.now()];
    this.last = lines.at(-1)?.key;
    if (at < 0 || !count) return;
    this.times = [...this.times, ...Array(Math.min(count, 10)).fill(now)].filter((time) => now - time < 1000);
    if (this.times.length <= ANNOUNCED || !this.stuck) return;
    this.unheard += count;
    this.hush();
  }

  /** Nothing is announced for a second. */
  hush() {
    this.quiet = true;
    clearTimeout(this.timer);
    this.timer = setTimeout(() => {
      const { app } = this.props;
      if (this.unheard) app.announced = t('more_came', { n: this.unheard });
      [this.quiet, this.unheard] = [false, 0];
      app.changed();
    }, 1000);
  }

  render({ app, talk }) {
    if (this.stuck && this.turn === talk.turn) this.start = Math.max(0, talk.lines.length - this.room());
    this.start = Math.min(this.start, Math.max(0, talk.lines.length - 1));
    const lines = talk.lines.slice(this.start, this.start + IN_DOM);
    const rows = lines.flatMap((line, at) => {
      const [before, fresh] = [lines[at - 1], line.key === talk.fresh];
      const another = !before || dayNumber(before.at) !== dayNumber(line.at);
      return [another && html`<div class="day" role="separator" key=${`d${line.key}`}><span>${day(line.at)}</span></div>`,
        fresh && html`<div class="new-line" role="separator" key="new"><span>${t('new')}</span></div>`,
        html`<${Line} key=${line.key} line=${line} first=${fresh || !continues(line, before)} app=${app}
          name=${nameOf(app, line.from)} hit=${talk.hit > 0 && line.id === talk.hit} />`].filter(Boolean);
    });
    return html`<div class="log-frame">
      <div id="log" class=${this.stuck && this.rush ? 'rush' : ''} role="log" aria-live=${this.stuck && !this.quiet ? 'polite' : 'off'} tabindex="0"
          aria-label=${t('log', { name: nameOf(app, talk.id) })} ref=${(log) => (this.log = log)} onScroll=${() => this.scrolled()}>
        ${talk.before && talk.loaded && lines.length > 0 && html`<button id="older" class="link" key="older" onClick=${() => (this.start ? this.scrolled() : this.older())}>${t('older')}</button>`}
        ${!lines.length && html`<p class="empty" key="empty">${t(talk.loaded ? 'nothing_yet' : 'loading')}</p>`}
        ${rows}
      </div>
      ${!this.stuck && html`<button id="to-end" onClick=${() => app.toEnd()}>${talk.below ? t('below', { n: talk.below }) : t('to_end')} ↓</button>`}
      ${this.above && html`<button id="to-new" onClick=${() => {
        this.stuck = false;
        this.log.scrollTop = this.log.querySelector('.new-line').offsetTop - 60;
      }}>${t('to_new')} ↑</button>`}
    </div>`;
  }
}

/** Where one writes: a draft for each conversation, kept while the tab is. */
export class Field extends Component {
  /** @type {any} */ field = null;

  componentDidMount() { this.put(sessionStorage.getItem(`draft ${this.props.talk.id}`) ?? ''); }

  /** @param {string} text */
  put(text) {
    this.field.value = text;
    this.typed();
  }

  typed() {
    const { field, props: { talk } } = this;
    try {
      if (field.value) sessionStorage.setItem(`draft ${talk.id}`, field.value);
      else sessionStorage.removeItem(`draft ${talk.id}`);
    } catch { /* a draft that has no room is only in the field */ }
    field.style.height = 'auto';
    field.style.height = `${field.scrollHeight + 2}px`;
    this.setState({});
  }

  async send() {
    const text = this.field.value;
    if (!text.trim() || this.room(text) < 0) return;
    this.last = text;
    this.put('');
    await this.props.app.say(text);
  }

  /** Bytes that are left. @param {string} text */
  room(text) {
    const most = (this.props.app.model.state?.longest ?? 32768) - 300;
    // As it is on the wire, where some characters are escapes.
    return text.length * 6 < most ? most : most - new TextEncoder().encode(JSON.stringify(text)).length;
  }

  /** @param {KeyboardEvent} event */
  pressed(event) {
    if (event.key === 'Enter' && !event.shiftKey && !event.isComposing) {
      event.preventDefault();
      this.send();
    } else if (event.key === 'ArrowUp' && !this.field.value) {
      event.preventDefault();
      this.put(this.last ?? this.props.talk.lines.findLast((line) => line.own && line.kind === 'line')?.text ?? '');
    }
  }

  render({ app, talk }) {
    const text = this.field?.value ?? '';
    const room = this.room(text);
    return html`<form id="compose" onSubmit=${submitted(() => this.send())}>
      <textarea id="field" rows="1" dir="auto" ref=${(field) => (this.field = field)} aria-label=${t('message_to', { name: nameOf(app, talk.id) })}
        placeholder=${t('message_to', { name: nameOf(app, talk.id) })} onInput=${() => this.typed()} onKeyDown=${(event) => this.pressed(event)}></textarea>
      <button id="send" type="submit" class="main" disabled=${!text.trim() || room < 0}>${t('send')}</button>
      <span id="count" role="status" class=${room < 0 ? 'over' : ''}>${room < 2000 && (room < 0 ? t('too_long', { n: -room }) : t('left', { n: room }))}</span>
    </form>`;
  }
}

/** Who it is, whether they are there, and how safe it is. */
export function Head({ app, talk }) {
  const peer = app.model.peers.get(talk.id);
  const rooms = [...app.model.peers.values()].filter((each) => each.status === 'CONNECTED' && (talk.kind === 'all' || each.peer_id.endsWith(`@${talk.id.slice(1)}`)));
  const state = talk.kind === 'peer' ? [t(peer?.status ?? 'UNKNOWN'), peer?.away && t('away', { text: shown(peer.away) }), peer?.links > 0 && duration(peer.rtt_seconds)]
    : [t('connected_there', { n: rooms.length })];
  const security = talk.kind === 'peer' && peer?.links ? peer.security || 'plain' : '';
  return html`<header>
    <button id="back" class="icon" aria-label=${t('back')} onClick=${() => app.show('list')}>${icon('back')}</button>
    <div class="titles"><h2 id="title" tabindex="-1"><bdi>${nameOf(app, talk.id)}</bdi></h2>
      <p id="peer-state">${peer && html`<span class="dot ${peer.status}" aria-hidden="true"></span>`}${state.filter(Boolean).join(' · ')}</p></div>
    ${security && html`<button id="security" class="security ${security}" data-security=${security} title=${t(`came_${security}`)}
      onClick=${() => app.command(`/verify ${talk.id}`)}>${sign_of(security)}${t(security)}</button>`}
    <button id="open-search" class="icon" aria-label=${t('search')} title=${t('search')} onClick=${() => app.search('', talk.id)}>${icon('search')}</button>
    <button id="open-side" class="icon" aria-label=${t('details')} title=${t('details')} aria-pressed=${app.side} onClick=${() => app.toggleSide()}>${icon('details')}</button>
  </header>`;
}

const sign_of = (/** @type {string} */ security) => ({ verified: '+ ', plain: '~ ' })[security] ?? '';
