// @ts-check
/** Round trips of the last 15 minutes, a line for each of the eight peers that answered last. */
import { Component, html } from './vendor/preact-htm.js';
import { duration, shown, t } from './words.js';

const { uPlot } = /** @type {any} */ (globalThis);
const MINUTES = 15;
const MOST = 8;

export class Plot extends Component {
  state = { log: false };

  /** @returns {[string, [number, number][]][]} */
  series() {
    const since = Date.now() / 1000 - MINUTES * 60;
    const recent = [...this.props.trips].map(([id, samples]) => /** @type {[string, any]} */ ([id, samples.filter(([at]) => at > since)]));
    return recent.filter(([, samples]) => samples.length).sort(([, one], [, other]) => other.at(-1)[0] - one.at(-1)[0]).slice(0, MOST);
  }

  /** @param {any[]} series */
  draw(series) {
    const joined = series.length ? uPlot.join(series.map(([, samples]) => [samples.map(([at]) => at), samples.map(([, seconds]) => seconds * 1000)])) : [];
    const kind = `${this.state.log} ${this.props.look} ${series.map(([id]) => id)}`;
    if (kind === this.kind && this.plot) return void this.plot.setData(joined);
    this.kind = kind;
    this.plot?.destroy();
    this.plot = null;
    if (!series.length || !this.box) return;
    const style = getComputedStyle(document.documentElement);
    const [ink, faint] = [style.getPropertyValue('--quiet'), style.getPropertyValue('--line')];
    const axis = { stroke: ink, grid: { stroke: faint, width: 1 }, ticks: { stroke: faint }, font: '11px system-ui' };
    this.plot = new uPlot({
      width: this.box.clientWidth || 280, height: 170, cursor: { y: false }, legend: { show: false },
      scales: { x: { range: () => [Date.now() / 1000 - MINUTES * 60, Date.now() / 1000] }, y: { distr: this.state.log ? 3 : 1 } }, axes: [{ ...axis, values: (_, ticks) => ticks.map((at) => new Date(at * 1000).toTimeString().slice(0, 5)) },
        { ...axis, size: 46, values: (_, ticks) => ticks.map((value) => (value == null ? '' : String(value))) }],
      series: [{}, ...series.map(([id], at) => ({ label: id, stroke: style.getPropertyValue(`--plot-${at}`), width: 1.5, spanGaps: true, points: { size: 4 } }))],
    }, joined, this.box);
  }

  componentDidMount() { this.draw(this.series()); }

  componentDidUpdate() { this.draw(this.series()); }

  componentWillUnmount() { this.plot?.destroy(); }

  render() {
    const series = this.series();
    return html`<div><p class="quiet" key="none">${series.length ? '' : t('no_trips')}</p>
      <div id="plot" key="plot" role="img" aria-label=${t('plot_of')} ref=${(base) => (this.box = base)}></div>
      <ul class="legend">${series.map(([id], at) => html`<li key=${id}><span class="plot-${at}" aria-hidden="true">━</span> <bdi>${shown(id)}</bdi></li>`)}</ul>
      <label><input id="log-scale" type="checkbox" checked=${this.state.log} onChange=${() => this.setState({ log: !this.state.log })} /> ${t('log_scale')}</label>
      <details id="plot-figures"><summary>${t('as_table')}</summary><table><thead><tr><th>${t('peer')}</th><th>${t('latest')}</th><th>${t('fastest')}</th><th>${t('slowest')}</th></tr></thead><tbody>
        ${series.map(([id, samples]) => html`<tr key=${id}><td><bdi>${shown(id)}</bdi></td>${[samples.at(-1)[1], Math.min(...samples.map(([, each]) => each)), Math.max(...samples.map(([, each]) => each))]
          .map((seconds) => html`<td>${duration(seconds)}</td>`)}</tr>`)}</tbody></table></details></div>`;
  }
}
