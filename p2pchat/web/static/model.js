// @ts-check
/**
 * What the page knows. Events go in at once, and it is drawn once a frame.
 * Bounded: lines of a conversation, conversations, and characters in all. No line changes: another takes its place.
 *
 * @typedef {{key: string, id: number, kind: string, conversation: string, from: string, own: boolean, at: number,
 *   said: number, text: string, msgId: string, state: string, security: string, claims: string, note: string,
 *   edited: boolean, odd: string}} Line
 */
export const MOST_LINES = 500;
const MOST_TALKS = 1000;
const MOST_CHARACTERS = 4_000_000;
const MOST_AWAITED = 2000;
const MOST_SAMPLES = 900;
const SAFETY = ['plain', 'encrypted', 'verified'];
let keys = 0;

/** What each kind of event does. @type {Record<string, (model: Model, event: any) => any>} */
const HEARD = {
  message: (model, event) => {
    const line = model.line(event, /^[#*]/.test(event.to) ? event.to : event.from);
    model.say(line, event.of);
    return line;
  },
  sent: (model, event) => void model.say(model.line(event, event.to), event.of),
  delivered: (model, event) => void model.became(event.msg_id, 'delivered', String(event.seconds)),
  undelivered: (model, event) => void model.became(event.msg_id, 'failed', event.reason),
  queued: (model, event) => void model.became(event.msg_id, 'queued'),
  read: (model, event) => void model.read(event.conversation, event.upto),
  peer: (model, event) => void model.peer(event.peer_id, { status: event.status, ignored: event.ignored ?? false }),
  away: (model, event) => void model.peer(event.peer_id, { away: event.text }),
  links: (model, { peer_id, links }) => void model.peer(peer_id,
    { links: links.length, security: links[0]?.security ?? '', key: links[0]?.key ?? '' }),
  round_trip: (model, { peer_id, time, seconds }) => {
    const samples = (model.trips.get(peer_id) ?? []).slice(1 - MOST_SAMPLES);
    model.trips.set(peer_id, [...samples, [Date.parse(time) / 1000, seconds]]);
    if (model.peers.has(peer_id)) model.peer(peer_id, { rtt_seconds: seconds });
  },
  forgotten: (model, { peer_id }) => void (peer_id === model.current
    ? Object.assign(model.talk(peer_id), new Talk(peer_id)) : model.talks.delete(peer_id)),
  notice: (model, event) => void model.alerts.push({ what: 'notice', text: event.text, key: (keys += 1) }),
  outcome: (model, event) => void model.note(event.line),
  key: (model, event) => {
    const peer = model.peers.get(event.peer_id);
    if (/refused|refuses_us|own_key/.test(event.what)) model.alerts.push({ ...event, key: (keys += 1) });
    else if (event.what === 'verified' && peer) model.peer(event.peer_id, { security: peer.links ? 'verified' : '' });
  },
};

/** One conversation: a part of it without gaps, up to its end unless `after`. */
export class Talk {
  /** @param {string} id a peer_id, `#namespace` or `*` */
  constructor(id) {
    this.id = id;
    this.kind = id === '*' ? 'all' : id.startsWith('#') ? 'room' : 'peer';
    /** @type {Line[]} */
    this.lines = [];
    this.before = true; // perhaps there are earlier ones
    this.after = false; // there are later ones
    this.loaded = false;
    /** @type {Line | null} */
    this.last = null;
    this.unread = 0;
    this.urgent = false;
    this.fresh = ''; // the key of the first unread line when it was opened
    this.reading = false; // the person looks at what is earlier
    this.below = 0; // what came meanwhile
    this.hit = 0; // the id that a search opened
    this.turn = 0; // how often it was opened, or read anew
  }

  /** Put a line at its place, the end if it has no id. Returns false if it is there already. @param {Line} line */
  put(line) {
    let at = this.lines.length;
    while (line.id && at > 0 && (this.lines[at - 1].id || 0) > line.id) at -= 1;
    if (line.id && at > 0 && this.lines[at - 1].id === line.id) return false;
    if (this.reading && this.lines.length >= MOST_LINES) {
      this.after = true;
      return true;
    }
    if (at === this.lines.length) this.lines.push(line);
    else this.lines.splice(at, 0, line);
    if (this.lines.length > MOST_LINES) this.before = Boolean(this.lines.shift());
    return true;
  }

  /** Lines of the history: `where` is "before" or "after" what is there, or "all" instead of it.
   * @param {Line[]} lines @param {{more_before: boolean, more_after: boolean}} page @param {string} where */
  take(lines, page, where) {
    const known = new Set(this.lines.map((line) => line.id));
    const fresh = lines.filter((line) => where === 'all' || !known.has(line.id));
    if (where === 'before') {
      this.lines = [...fresh, ...this.lines];
      if (this.lines.length > MOST_LINES) [this.lines.length, this.after] = [MOST_LINES, true];
    } else if (where === 'after') {
      this.lines = [...this.lines, ...fresh];
      if (this.lines.length > MOST_LINES) [this.lines, this.before] = [this.lines.slice(-MOST_LINES), true];
    } else {
      const end = lines.at(-1)?.id ?? 0;
      const since = page.more_after ? [] : this.lines.filter((line) => line.id > end || (!line.id && line.at > (lines.at(-1)?.at ?? 0) - 1e3));
      this.lines = [...lines, ...since].slice(-MOST_LINES);
    }
    if (where === 'all') this.turn += 1;
    if (where !== 'after') this.before = page.more_before;
    if (where !== 'before') this.after = page.more_after;
    this.loaded = true;
  }
}

export class Model {
  constructor() {
    this.me = '';
    /** @type {any} */
    this.state = null; // the last answer of the node, for what seldom changes
    /** @type {Map<string, Talk>} */
    this.talks = new Map();
    /** @type {Map<string, any>} */
    this.peers = new Map();
    /** @type {Map<string, [number, number][]>} */
    this.trips = new Map();
    /** @type {Map<string, string>} */
    this.awaited = new Map(); // msg_id -> conversation, while its mark may change
    /** @type {Set<string>} */
    this.queued = new Set();
    /** @type {any[]} */
    this.alerts = [];
    this.current = '';
    this.seen = false; // whether the person sees the end of the current conversation
    this.characters = 0;
    this.named = /$^/;
  }

  /** Everything as the node tells it now; lines stay. @param {any} state */
  learn(state) {
    this.state = state;
    this.me = state.me;
    const name = this.me.slice(0, this.me.lastIndexOf('@')).replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
    this.named = new RegExp(`(?<![\\p{L}\\p{N}_])${name}(?![\\p{L}\\p{N}_])`, 'iu');
    this.peers = new Map(state.peers.map((/** @type {any} */ peer) => [peer.peer_id, peer]));
    this.queued = new Set(state.outbox.messages.filter((/** @type {any} */ each) => each.stage === 'waits')
      .map((/** @type {any} */ each) => each.msg_id));
    for (const talk of this.talks.values()) [talk.loaded, talk.unread, talk.urgent] = [false, 0, false];
    state.conversations.forEach((/** @type {any} */ each) => this.list(each));
  }

  /** @param {{conversation: string, last: any, unread: number, unread_named: number}} row */
  list(row) {
    const talk = this.talk(row.conversation);
    talk.unread = row.unread;
    talk.urgent = row.unread > 0 && (talk.kind === 'peer' || row.unread_named > 0);
    if (row.last) talk.last = this.line(row.last, row.conversation);
  }

  /** @param {string} id @returns {Talk} */
  talk(id) {
    let talk = this.talks.get(id);
    if (!talk) {
      this.talks.set(id, (talk = new Talk(id)));
      if (this.talks.size > MOST_TALKS) {
        const quiet = this.listed().reverse().find((each) => each.id !== this.current && each !== talk);
        if (quiet) this.talks.delete(quiet.id);
      }
    }
    return talk;
  }

  /** The conversations, those of the latest words first. */
  listed() {
    return [...this.talks.values()].sort((one, other) => (other.last?.at ?? 0) - (one.last?.at ?? 0));
  }

  /** A line of the history, or an event, as it is shown. @param {any} given @param {string} conversation @returns {Line} */
  line(given, conversation) {
    const own = given.from === this.me || given.event === 'sent';
    const odd = [given.kept === false && 'not_kept', given.other_text && 'other_text'].filter(Boolean).join(' ');
    const state = own && this.queued.has(given.msg_id) ? 'queued' : given.state ?? (own && !/^[#*]/.test(conversation) ? 'waiting' : 'published');
    return {
      key: given.id ? `i${given.id}` : `k${(keys += 1)}`, id: given.id ?? 0, kind: 'line', conversation,
      from: own ? this.me : given.from, own, at: Date.parse(given.time), said: Date.parse(given.said), text: given.text,
      msgId: given.msg_id ?? '', state, security: given.security ?? '', claims: given.claims ?? '', note: given.note ?? '',
      edited: Boolean(given.of), odd,
    };
  }

  /** Something the page itself says in a conversation. @param {string} text @param {string} kind */
  note(text, kind = 'note', conversation = this.current) {
    const line = { ...this.line({ from: '', time: new Date().toISOString(), text }, conversation), kind };
    this.talk(conversation).put(line);
    return line;
  }

  /** Something that was said. @param {Line} line @param {string} of the msg_id of what it changes */
  say(line, of = '') {
    const talk = this.talk(line.conversation);
    if (line.own && line.msgId) {
      if (this.awaited.has(line.msgId)) return;
      this.awaited.set(line.msgId, line.conversation);
      if (this.awaited.size > MOST_AWAITED) this.awaited.delete(this.awaited.keys().next().value ?? '');
    }
    const first = of && talk.lines.find((each) => each.msgId === of && each.from === line.from && !each.claims);
    if (first && SAFETY.indexOf(line.security) >= SAFETY.indexOf(first.security)) {
      this.change(talk, first.key, { ...line, key: first.key, id: first.id, at: first.at, said: first.said, edited: true });
      return;
    }
    if ((talk.after || !talk.put(line)) && !talk.after) return;
    talk.last = line;
    this.characters += line.text.length;
    if (this.characters > MOST_CHARACTERS) this.forgetLines();
    if (line.own) return;
    const seen = this.seen && line.conversation === this.current;
    if (line.conversation === this.current && talk.reading) talk.below += 1;
    if (seen) return;
    talk.unread += 1;
    talk.urgent ||= this.isForMe(line);
    if (line.conversation === this.current) talk.fresh ||= line.key;
  }

  /** Direct, or with the person's name. @param {Line} line */
  isForMe(line) {
    return !/^[#*]/.test(line.conversation) || this.named.test(line.text.slice(0, 2000));
  }

  /** Lines of conversations that are not open, those of the quietest first. */
  forgetLines() {
    const size = (/** @type {Talk} */ talk) => talk.lines.reduce((sum, line) => sum + line.text.length, 0);
    this.characters = [...this.talks.values()].reduce((sum, talk) => sum + size(talk), 0);
    for (const talk of this.listed().reverse()) {
      if (this.characters < MOST_CHARACTERS / 2) return;
      if (talk.id !== this.current) {
        this.characters -= size(talk);
        [talk.lines, talk.loaded, talk.before] = [[], false, true];
      }
    }
    // What is open may be as large as it likes: it is bounded by its lines.
    this.characters = Math.min(this.characters, MOST_CHARACTERS / 2);
  }

  /** @param {Talk} talk @param {string} key @param {Partial<Line>} changes */
  change(talk, key, changes) {
    const at = talk.lines.findIndex((line) => line.key === key);
    if (at >= 0) talk.lines[at] = { ...talk.lines[at], ...changes };
    if (talk.last?.key === key) talk.last = { ...talk.last, ...changes };
  }

  /** What became of a message of ours. @param {string} msgId @param {string} state @param {string} [note] */
  became(msgId, state, note = '') {
    if (state === 'queued') this.queued.add(msgId);
    else this.queued.delete(msgId);
    for (const talk of [this.talks.get(this.awaited.get(msgId) ?? this.current), ...this.talks.values()]) {
      const line = talk?.lines.findLast((each) => each.own && each.msgId === msgId);
      if (talk && line) {
        this.change(talk, line.key, { state, note });
        return;
      }
    }
  }

  /** The person has seen a conversation. @param {string} conversation @param {number} [upto] @param {number} [left] */
  read(conversation, upto = 0, left = 0) {
    const talk = this.talks.get(conversation);
    if (!talk) return;
    const later = upto ? talk.lines.filter((line) => !line.own && line.id > upto).length : 0;
    talk.unread = Math.min(talk.unread, Math.max(left, later));
    talk.urgent &&= talk.unread > 0;
  }

  /** @param {any} event as in docs/control.md @returns {Line | undefined} the line of a message */
  hear(event) {
    if (this.alerts.length > 5) this.alerts.shift();
    return HEARD[event.event]?.(this, event);
  }

  /** @param {string} peer_id @param {object} changes */
  peer(peer_id, changes) {
    const empty = { peer_id, status: 'UNKNOWN', links: 0, rtt_seconds: null, security: '', alias: '', away: '', samples: [] };
    this.peers.set(peer_id, { ...(this.peers.get(peer_id) ?? empty), ...changes });
    if (this.peers.size > 2 * MOST_TALKS) this.peers.delete(this.peers.keys().next().value ?? '');
  }
}
