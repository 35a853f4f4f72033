// @ts-check
/** One line of a conversation: who, what, when, and what became of it. Texts are only ever text. */
import { Component, html } from './vendor/preact-htm.js';
import { clock, dayNumber, duration, hue, moment, shown, t, visible, whole, withLinks } from './words.js';

const FOLDED_LINES = 20;
const FOLDED_CHARACTERS = 1400;
const GROUP = 300_000;
const MARKS = /** @type {Record<string, string>} */ ({ waiting: '…', queued: '◷', delivered: '✓', failed: '✗', abandoned: '✗', published: '' });

const ICONS = /** @type {Record<string, string>} */ ({
  back: 'M15 5l-7 7 7 7', close: 'M6 6l12 12M18 6L6 18', search: 'M10.5 4a6.5 6.5 0 1 0 0 13 6.5 6.5 0 0 0 0-13zM15.5 15.5L20 20',
  details: 'M4 5h16v14H4zM15 5v14', menu: 'M5 7h14M5 12h14M5 17h14', plus: 'M12 5v14M5 12h14',
});
/** @param {string} name */
export const icon = (name) => html`<svg class="sketch" viewBox="0 0 24 24" aria-hidden="true"><path d=${ICONS[name]} /></svg>`;

/** What a form does when it is sent: something with its fields. @param {(fields: any) => any} does */
export const submitted = (does) => (/** @type {any} */ event) => {
  event.preventDefault();
  does(event.target.elements);
};

/** Is drawn again only when it is given something else. */
export class Still extends Component {
  /** @param {any} next */
  shouldComponentUpdate(next, state = null) {
    const now = /** @type {any} */ (this).props;
    return state !== /** @type {any} */ (this).state || Object.keys(next).some((name) => next[name] !== now[name]);
  }
}

/** Whether a line goes on with what was said before it. @param {any} line @param {any} before */
export const continues = (line, before) => Boolean(before && before.kind === 'line' && before.from === line.from
  && before.security === line.security && before.claims === line.claims && line.at - before.at < GROUP
  && dayNumber(line.at) === dayNumber(before.at) && !line.said);

/** @param {string} text */
const linked = (text) => withLinks(text).map((part, at) => (at % 2
  ? html`<a href=${part} target="_blank" rel="noopener noreferrer nofollow">${part}</a>` : part));

/** How a message came, as on the consoles: a sign and what it means. @param {string} security */
export const sign = (security) => ({ verified: '+', encrypted: '', '': '' })[security] ?? '~';

/** What became of a message of ours. @param {any} line @returns {[string, string]} words beside the mark, and its title */
function fate(line) {
  if (line.state === 'delivered') return ['', line.note ? t('delivered_in', { time: duration(Number(line.note)) }) : t('delivered')];
  if (line.state === 'published') return ['', t('published')];
  if (line.state === 'queued') return [t('queued'), t('queued_title', { name: shown(line.conversation) })];
  if (line.state === 'waiting') return ['', t('waiting')];
  return [line.state === 'abandoned' ? t('abandoned') : line.note || t('failed'), t('failed')];
}

export class Line extends Still {
  state = { whole: false };

  render({ line, first, name, hit, app }) {
    if (line.kind !== 'line') return html`<div class="note ${line.kind} ${/\S {2,}\S/.test(line.text) ? 'table' : ''}" data-key=${line.key}><pre dir="auto">${visible(line.text)}</pre></div>`;
    const text = visible(line.text);
    const breaks = text.split('\n');
    const long = breaks.length > FOLDED_LINES || text.length > FOLDED_CHARACTERS;
    const part = long && !this.state.whole ? breaks.slice(0, FOLDED_LINES).join('\n').slice(0, FOLDED_CHARACTERS) : text;
    const mark = sign(line.security);
    const [words, title] = line.own ? fate(line) : ['', ''];
    const notes = [line.said && t('said', { time: moment(line.said) }), line.edited && t('edited'),
      ...line.odd.split(' ').map((/** @type {string} */ odd) => odd && t(odd))].filter(Boolean);
    return html`<div class="line ${line.own ? 'own' : ''} ${first ? 'first' : ''} ${hit ? 'hit' : ''}" tabindex=${hit ? -1 : null}
        data-key=${line.key} data-id=${line.id || null} data-msg-id=${line.msgId}>
      <div class="who">${mark && !line.own && html`<span class="sign ${line.security}" title=${t(`came_${mark === '+' ? 'verified' : 'plain'}`)}>${mark}<span class="unseen"> ${t(mark === '+' ? 'verified' : 'plain')} </span></span>`}
        <bdi class="from ${hue(line.from)}" title=${shown(line.from)}>${line.own ? t('you') : name}</bdi>
        ${line.claims && html`<span class="claim" title=${t('claims_title')}> (!) ${t('claims')} <bdi>${shown(line.claims)}</bdi></span>`}</div>
      <div class="bubble"><div class="text" dir="auto">${linked(part)}${long && html` <button class="unfold" onClick=${() => this.setState({ whole: !this.state.whole })}>${this.state.whole ? t('fold') : t('unfold', { n: text.length })}</button>`}</div>
        <div class="meta">${notes.map((note) => html`<span>${note} · </span>`)} <time datetime=${Number.isFinite(line.at) ? new Date(line.at).toISOString() : ''} title=${whole(line.at)}>${clock(line.at)}</time>
        ${line.own && html` <span class="mark" data-state=${line.state} title=${title}>${line.state === 'published' ? line.note : html`<span aria-hidden="true">${MARKS[line.state]}</span><span class="unseen">${title}</span>`}</span>`}</div></div>
      ${words && html`<div class="fate ${line.state}">${words}
        ${line.state === 'queued' && html` <button class="cancel link" onClick=${() => app.cancel(line.changeId || line.msgId)}>${t('cancel')}</button>`}
        ${/failed|abandoned/.test(line.state) && html` <button class="again link" onClick=${() => app.again(line)}>${t('again')}</button>`}</div>`}
    </div>`;
  }
}
