// @ts-check
/** The mesh as this node knows it: itself in the middle, a line for each link, as long as its round trip. */
import { Component, html } from './vendor/preact-htm.js';
import { duration, shown, t } from './words.js';

const { d3 } = /** @type {any} */ (globalThis);
const TICKS = 60;
const A_FRAME = 10;
const [WIDTH, HEIGHT] = [320, 240];

/** From the first to the last of these places, with room beside them. @param {number[]} places */
function reach(places, beside, least) {
  const [first, last] = [Math.min(...places) - beside, Math.max(...places) + beside];
  const missing = Math.max(0, least - (last - first)) / 2;
  return places.length ? [first - missing, last + missing] : [-least / 2, least / 2];
}

export class Graph extends Component {
  /** @type {Map<string, any>} */ nodes = new Map();

  /** Nodes stay where they are when others come. @param {any} graph */
  place(graph) {
    this.graph = graph;
    this.nodes = new Map(graph.nodes.map((node) => [node.id, { ...this.nodes.get(node.id), ...node, ...(node.me ? { fx: 0, fy: 0 } : {}) }]));
    this.edges = graph.edges.filter((edge) => this.nodes.has(edge.a) && this.nodes.has(edge.b)).map((edge) => ({ ...edge, source: edge.a, target: edge.b }));
    const slowest = Math.max(1e-6, ...this.edges.map((edge) => edge.rtt ?? 0));
    const reach = this.nodes.size > 40 ? 1.6 : 1;
    const simulation = d3.forceSimulation([...this.nodes.values()]).stop()
      .force('link', d3.forceLink(this.edges).id((node) => node.id).distance((edge) => reach * (edge.linked ? 64 + 46 * Math.sqrt((edge.rtt ?? slowest) / slowest) : 120)))
      .force('charge', d3.forceManyBody().strength(this.nodes.size > 40 ? -30 : -320)).force('x', d3.forceX().strength(0.03)).force('y', d3.forceY().strength(0.06));
    const still = matchMedia('(prefers-reduced-motion: reduce)').matches;
    cancelAnimationFrame(this.frame);
    let ticks = 0;
    const move = () => {
      simulation.tick(still ? TICKS : A_FRAME);
      this.setState({});
      if (!still && (ticks += A_FRAME) < TICKS) this.frame = requestAnimationFrame(move);
    };
    move();
  }

  componentDidMount() { if (this.props.graph) this.place(this.props.graph); }

  componentDidUpdate() { if (this.props.graph !== this.graph) this.place(this.props.graph); }

  componentWillUnmount() { cancelAnimationFrame(this.frame); }

  render({ app, graph }) {
    const nodes = [...this.nodes.values()];
    const trips = new Map((this.edges ?? []).map((edge) => [edge.b, edge.rtt]));
    const few = nodes.length <= 40;
    const [left, right] = reach(nodes.map((node) => node.x || 0), few ? 55 : 12, WIDTH);
    const [top, bottom] = reach(nodes.map((node) => node.y || 0), few ? 34 : 12, HEIGHT);
    return html`<div><svg id="graph" role="img" aria-label=${t('graph_of', { n: nodes.length - 1 })} viewBox="${left} ${top} ${right - left} ${bottom - top}">
      <defs><marker id="arrow" viewBox="0 0 8 8" refX="15" refY="4" markerWidth="7" markerHeight="7" orient="auto-start-reverse"><path d="M0 0L8 4L0 8z" /></marker></defs>
      ${(this.edges ?? []).map((edge) => html`<g key=${edge.b}><line class="edge ${edge.linked ? '' : 'unlinked'}" x1=${edge.source.x} y1=${edge.source.y} x2=${edge.target.x} y2=${edge.target.y}
        marker-end=${edge.direction === 'outbound' && few ? 'url(#arrow)' : null} marker-start=${edge.direction === 'inbound' && few ? 'url(#arrow)' : null} /></g>`)}
      ${nodes.map((node) => html`<g class="node ${node.me ? 'me' : node.status}" key=${node.id} data-id=${node.id} transform="translate(${node.x || 0} ${node.y || 0})" onClick=${() => !node.me && app.open(node.id)}>
        <title>${shown(node.id)} ${node.me ? '' : t(node.status)}</title><circle r=${node.me ? 9 : 6} />
        ${few && html`<text y=${node.me ? 21 : 18}>${[...shown(node.id)].slice(0, 18).join('')}</text><text class="trip" y="29">${duration(trips.get(node.id))}</text>`}</g>`)}</svg>
      ${graph?.more > 0 && html`<p class="quiet">${t('and_more', { n: graph.more })}</p>`}
      <details id="graph-figures"><summary>${t('as_table')}</summary><table><thead><tr><th>${t('peer')}</th><th>${t('state')}</th><th>${t('round_trip')}</th></tr></thead><tbody>
        ${(this.edges ?? []).map((edge) => html`<tr key=${edge.b}><td><bdi>${shown(edge.b)}</bdi></td><td>${t(this.nodes.get(edge.b)?.status ?? 'UNKNOWN')}</td><td>${duration(edge.rtt)}</td></tr>`)}</tbody></table></details></div>`;
  }
}
