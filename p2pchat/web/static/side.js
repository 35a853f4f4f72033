// @ts-check
/** What the node knows and does, in parts that can be closed. Each asks while it is open and seen. */
import { html } from './vendor/preact-htm.js';
import { Graph } from './graph.js';
import { Still, icon } from './line.js';
import { get } from './net.js';
import { Plot } from './plots.js';
import { duration, shown, t, visible } from './words.js';

const EVERY = 5000;
const PARTS = /** @type {[string, string, object][]} */ ([
  ['graph', 'graph', {}], ['trips', '', {}], ['waiting', 'outbox', { count: 100 }], ['links', 'links', {}],
  ['stats', 'stats', {}], ['log', 'log', { count: 100 }], ['settings', '', {}],
]);
const opened = new Set((localStorage.getItem('p2pchat.parts') ?? 'graph trips').split(' '));

/** Is drawn when it has asked, and not with each message. */
export class Side extends Still {
  /** @type {Record<string, any>} */ state = {};

  componentDidMount() {
    this.timer = setInterval(() => this.ask(), EVERY);
    this.ask();
    get('round_trips', { minutes: 15 }).then(({ round_trips }) => {
      const all = round_trips.map(({ peer_id, samples }) => [peer_id, samples]);
      this.props.app.model.trips = new Map(all);
      this.setState({});
    }, () => {});
  }

  componentWillUnmount() { clearInterval(this.timer); }

  ask() {
    this.setState({});
    if (document.hidden || this.props.app.phase !== 'open') return;
    for (const [part, path, query] of PARTS) {
      if (path && opened.has(part)) get(path, query).then((answer) => this.setState({ [part]: answer }), (why) => this.setState({ [part]: { error: this.props.app.sentence(why) } }));
    }
  }

  toggled(part, open) {
    if (opened.has(part) === open) return;
    if (open) opened.add(part); else opened.delete(part);
    localStorage.setItem('p2pchat.parts', [...opened].join(' '));
    this.ask();
  }

  inside(part) {
    const { app } = this.props;
    const given = this.state[part];
    if (given?.error) return html`<p class="quiet">${given.error}</p>`;
    if (part === 'trips') return html`<${Plot} trips=${app.model.trips} look=${app.look} />`;
    if (part === 'settings') return sections(app.model.state?.settings ?? {}, 'settings-table', html`<p class="quiet">${t('settings_how')}</p>`);
    if (!given) return html`<p class="quiet">${t('loading')}</p>`;
    if (part === 'graph') return html`<${Graph} app=${app} graph=${given} />`;
    if (part === 'stats') return sections(given.stats, 'stats-table');
    if (part === 'log') return html`<pre id="log-lines" tabindex="0" aria-label=${t('part_log')}>${given.lines.join('\n')}</pre>`;
    if (part === 'waiting') return given.messages.length ? html`<ul id="waiting">${given.messages.map((each) => html`<li key=${each.msg_id}><bdi>${shown(each.to)}</bdi>: <span dir="auto">${visible(each.text.slice(0, 100))}</span>
      <button class="link" onClick=${() => app.cancel(each.msg_id).then(() => this.ask())}>${t('cancel')}</button></li>`)}</ul>` : html`<p class="quiet">${t('nothing_waits')}</p>`;
    return html`<table id="links-table"><thead><tr><th>${t('peer')}</th><th>${t('address')}</th><th>${t('since')}</th><th>${t('security')}</th></tr></thead><tbody>${given.links.map((link, at) => html`<tr key=${at}>
      <td><bdi>${shown(link.peer_id)}</bdi></td><td>${link.direction === 'outbound' ? '→' : '←'} ${shown(link.address)}</td><td>${duration(Math.round(link.age_seconds))}</td><td>${t(link.security)}</td></tr>`)}</tbody></table>`;
  }

  render({ app }) {
    return html`<aside id="side" aria-label=${t('details')}><div class="own-head"><h2>${t('details')}</h2>
      <button id="close-side" class="icon" aria-label=${t('close')} onClick=${() => app.toggleSide()}>${icon('close')}</button></div>
      <div class="scrolls">${PARTS.map(([part]) => html`<details class="part" id="part-${part}" key=${part} open=${opened.has(part)} onToggle=${(event) => this.toggled(part, event.target.open)}>
        <summary>${t(`part_${part}`)}</summary>${opened.has(part) && this.inside(part)}</details>`)}</div></aside>`;
  }
}

/** A table of sections, names and values. */
function sections(given, id, beside = null) {
  return html`${beside}<table id=${id}><tbody>${Object.entries(given).map(([section, figures]) => [html`<tr key=${section}><th colspan="2" scope="rowgroup">${section}</th></tr>`,
    ...Object.entries(figures ?? {}).map(([name, value]) => html`<tr key=${`${section} ${name}`}><td>${name}</td><td>${typeof value === 'object' ? JSON.stringify(value) : visible(String(value))}</td></tr>`)])}</tbody></table>`;
}
