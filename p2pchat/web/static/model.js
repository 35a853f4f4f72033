// @ts-check
/**
 * What the page knows. Events go in at once, and it is drawn once a frame.
 * Bounded: lines of a conversation, conversations, and characters in all. No line changes: another takes its place.
 *
 * @typedef {{key: string, id: number, kind: string, conversation: string, from: string, own: boolean, at: number,
 *   said: number, text: string, msgId: string, state: string, security: string, claims: string, note: string,
 *   of: string, changeId: string, edited: boolean, odd: string}} Line
 */
export const MOST_LINES = 500;
const MOST_TALKS = 1000;
const MOST_CHARACTERS = 4_000_000;
const MOST_AWAITED = 2000;
const MOST_SAMPLES = 900;
const MOST_TRIPS = 50;
const SAFETY = ['plain', 'encrypted', 'verified'];
const STRANGER = { status: 'UNKNOWN', links: 0, rtt_seconds: null, security: '', alias: '', away: '' };
let keys = 0;

/** Whether a conversation is with a room or everybody. @param {string} id */
export const isRoom = (id) => id.startsWith('#') || id === '*';

/** What each kind of event does. @type {Record<string, (model: Model, event: any) => any>} */
const HEARD = {
  message: (model, event) => model.say(model.line(event, isRoom(event.to) ? event.to : event.from)),
  sent: (model, event) => void model.say(model.line(event, event.to)),
  delivered: (model, event) => model.became(event.msg_id, 'delivered', String(event.seconds)),
  undelivered: (model, event) => model.became(event.msg_id, 'failed', event.reason),
  queued: (model, event) => model.became(event.msg_id, 'queued'),
  read: (model, event) => model.read(event.conversation, event.upto),
  peer: (model, event) => model.peer(event.peer_id, { status: event.status, ignored: event.ignored ?? false }),
  away: (model, event) => model.peer(event.peer_id, { away: event.text }),
  links: (model, { peer_id, links }) => model.peer(peer_id, { links: links.length, security: links[0]?.security ?? '' }),
  round_trip: (model, { peer_id, time, seconds, average_seconds }) => {
    const samples = model.trips.get(peer_id) ?? [];
    samples.push([Date.parse(time) / 1000, seconds]);
    if (samples.length > MOST_SAMPLES) samples.shift();
    model.trips.delete(peer_id); // the latest are last
    model.trips.set(peer_id, samples);
    if (model.trips.size > MOST_TRIPS) model.trips.delete(model.trips.keys().next().value ?? '');
    if (model.peers.has(peer_id)) model.peer(peer_id, { rtt_seconds: average_seconds });
  },
  forgotten: (model, { peer_id }) => void (peer_id === model.current
    ? Object.assign(model.talk(peer_id), new Talk(peer_id), { loaded: true }) : model.talks.delete(peer_id)),
  notice: (model, event) => model.alert({ what: 'notice', text: event.text }),
  outcome: (model, event) => void model.note(event.line),
  key: (model, event) => {
    if (/refused|refuses_us|own_key/.test(event.what)) model.alert(event);
    else if (event.what === 'verified' && model.peers.get(event.peer_id)?.links) model.peer(event.peer_id, { security: 'verified' });
  },
};

/** One conversation: a part of it without gaps, up to its end unless `after`. */
export class Talk {
  /** @type {Line[]} */ lines = [];
  /** @type {Line | null} */ last = null;
  before = true; // perhaps there are earlier lines
  after = false; // there are later ones
  loaded = false;
  busy = false; // lines are asked for
  unread = 0;
  urgent = false; // something unread is for the person
  fresh = ''; // the key of the first unread line when it was opened
  reading = false; // the person looks at what is earlier
  below = 0; // what came meanwhile
  hit = 0; // the id that a search opened
  turn = 0; // how often it was opened, or read anew

  /** @param {string} id a peer_id, `#namespace` or `*` */
  constructor(id) {
    this.id = id;
    this.kind = id === '*' ? 'all' : isRoom(id) ? 'room' : 'peer';
  }

  /** Put a line at its place, the end if it has no id; false if it is there already. @param {Line} line */
  put(line) {
    let at = this.lines.length;
    while (line.id && at > 0 && this.lines[at - 1].id > line.id) at -= 1;
    if (line.id && at > 0 && this.lines[at - 1].id === line.id) return false;
    this.after ||= this.reading && this.lines.length >= MOST_LINES;
    if (this.after) return true;
    if (at === this.lines.length) this.lines.push(line);
    else this.lines.splice(at, 0, line);
    if (this.lines.length > MOST_LINES) this.before = Boolean(this.lines.shift());
    return true;
  }

  /** Whether a line is another text for one that is here, by the same sender and no less safe: then it takes its place.
   * @param {Line} line */
  changes(line) {
    if (!line.of) return false;
    const at = this.lines.findIndex((each) => each.msgId === line.of && each.from === line.from && !each.claims && !line.claims);
    const first = this.lines[at];
    if (!first || (!line.own && SAFETY.indexOf(line.security) < SAFETY.indexOf(first.security))) return false;
    const { key, id, at: when, said, msgId } = first;
    this.lines[at] = { ...line, key, id, at: when, said, msgId, of: '', changeId: line.msgId };
    if (this.last?.key === key) this.last = this.lines[at];
    return true;
  }

  /** Lines of the history: `where` is "before" or "after" what is there, or "all" instead of it.
   * @param {Line[]} lines @param {{more_before: boolean, more_after: boolean}} page @param {string} where */
  take(lines, page, where) {
    const known = new Set(where === 'all' ? [] : this.lines.map((line) => line.id));
    const fresh = lines.filter((line) => !known.has(line.id));
    const { id, at } = lines.at(-1) ?? { id: 0, at: 0 };
    // What came while the history was asked, and what only this page knows.
    const since = where !== 'all' ? this.lines : page.more_after ? [] : this.lines.filter((line) => (line.id ? line.id > id : line.at > at - 1000));
    const all = where === 'after' ? [...since, ...fresh] : [...fresh, ...since];
    this.lines = where === 'before' ? all.slice(0, MOST_LINES) : all.slice(-MOST_LINES);
    const changing = this.lines.filter((line) => line.of);
    const changed = changing.filter((line) => this.changes(line));
    this.lines = this.lines.filter((line) => !changed.includes(line));
    if (where !== 'after') this.before = page.more_before;
    else this.before ||= all.length > MOST_LINES;
    if (where !== 'before') this.after = page.more_after;
    else this.after ||= all.length > MOST_LINES;
    if (where === 'all') [this.turn, this.loaded] = [this.turn + 1, true];
  }
}

export class Model {
  me = '';
  /** @type {any} what the node said last of what seldom changes */ state = null;
  /** @type {Map<string, Talk>} */ talks = new Map();
  /** @type {Map<string, any>} */ peers = new Map();
  /** @type {Map<string, [number, number][]>} */ trips = new Map();
  /** @type {Map<string, string>} msg_id to conversation of what may still change */ awaited = new Map();
  /** @type {Set<string>} msg_ids of what waits for its peer */ queued = new Set();
  /** @type {any[]} */ alerts = [];
  current = '';
  seen = false; // whether the person sees the end of the current conversation
  characters = 0;
  named = /$^/;

  /** Everything as the node tells it now; lines stay. @param {any} state */
  learn(state) {
    [this.state, this.me] = [state, state.me];
    const name = this.me.slice(0, this.me.lastIndexOf('@')).replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
    this.named = new RegExp(`(?<![\\p{L}\\p{N}_])${name}(?![\\p{L}\\p{N}_])`, 'iu');
    this.peers = new Map(state.peers.map((/** @type {any} */ peer) => [peer.peer_id, peer]));
    const waits = state.outbox.messages.filter((/** @type {any} */ each) => each.stage === 'waits');
    this.queued = new Set(waits.map((/** @type {any} */ each) => each.msg_id));
    for (const talk of this.talks.values()) [talk.loaded, talk.unread, talk.urgent] = [false, 0, false];
    for (const { conversation, last, unread, unread_named } of state.conversations) {
      const talk = this.talk(conversation);
      talk.unread = unread;
      talk.urgent = unread > 0 && (talk.kind === 'peer' || unread_named > 0);
      if (last) talk.last = this.line(last, conversation);
    }
    if (state.home) this.talk(state.home);
  }

  /** @param {string} id @returns {Talk} */
  talk(id) {
    const known = this.talks.get(id);
    if (known) return known;
    const talk = new Talk(id);
    this.talks.set(id, talk);
    const quiet = this.talks.size > MOST_TALKS && this.listed().findLast((each) => each.id !== this.current && each !== talk);
    if (quiet) this.talks.delete(quiet.id);
    return talk;
  }

  /** The conversations, those of the latest words first. */
  listed() {
    return [...this.talks.values()].sort((one, other) => (other.last?.at ?? 0) - (one.last?.at ?? 0) || (other.last?.id ?? 0) - (one.last?.id ?? 0));
  }

  /** A line of the history, or an event, as it is shown. @param {any} given @param {string} conversation @returns {Line} */
  line(given, conversation) {
    const own = given.from === this.me || given.event === 'sent';
    const odd = [given.kept === false && 'not_kept', given.other_text && 'other_text'].filter(Boolean).join(' ');
    return {
      key: given.id ? `i${given.id}` : `k${(keys += 1)}`, id: given.id ?? 0, kind: 'line', conversation, own,
      from: own ? this.me : given.from, at: Date.parse(given.time), said: Date.parse(given.said), text: given.text,
      state: own && this.queued.has(given.msg_id) ? 'queued' : given.state ?? (isRoom(conversation) ? 'published' : 'waiting'),
      msgId: given.msg_id ?? '', security: given.security ?? '', claims: given.claims ?? '', note: given.note ?? '',
      of: given.of ?? '', changeId: '', edited: Boolean(given.of), odd,
    };
  }

  /** Something the page itself says in a conversation. @param {string} text @param {string} kind */
  note(text, kind = 'note', conversation = this.current) {
    this.talk(conversation).put({ ...this.line({ from: '', time: new Date().toISOString(), text }, conversation), kind });
  }

  /** @param {any} alert what the person should know, until they have seen it */
  alert(alert) { this.alerts = [...this.alerts, { ...alert, key: (keys += 1) }].slice(-5); }

  /** Something that was said; returns it if it is new. @param {Line} line */
  say(line) {
    const talk = this.talk(line.conversation);
    if (line.own && line.msgId) {
      if (this.awaited.has(line.msgId)) return null;
      this.awaited.set(line.msgId, line.conversation);
      if (this.awaited.size > MOST_AWAITED) this.awaited.delete(this.awaited.keys().next().value ?? '');
    }
    if (talk.changes(line) || !talk.put(line)) return null;
    talk.last = line;
    this.characters += line.text.length;
    if (this.characters > MOST_CHARACTERS) this.forgetLines();
    const here = line.conversation === this.current;
    if (!line.own && here && talk.reading) talk.below += 1;
    if (line.own || line.of || (here && this.seen)) return line; // a change was counted when it was said
    talk.unread += 1;
    talk.urgent ||= this.isForMe(line);
    if (here) talk.fresh ||= line.key;
    return line;
  }

  /** Direct, or with the person's name. @param {Line} line */
  isForMe(line) { return !line.own && (!isRoom(line.conversation) || this.named.test(line.text.slice(0, 2000))); }

  /** Make room: lines of conversations that are not open go, those of the quietest first. */
  forgetLines() {
    const size = (/** @type {Talk} */ talk) => talk.lines.reduce((sum, line) => sum + line.text.length, 0);
    this.characters = [...this.talks.values()].reduce((sum, talk) => sum + size(talk), 0);
    for (const talk of this.listed().reverse()) {
      if (talk.id === this.current || this.characters < MOST_CHARACTERS / 2) continue;
      this.characters -= size(talk);
      [talk.lines, talk.loaded, talk.before] = [[], false, true];
    }
    this.characters = Math.min(this.characters, MOST_CHARACTERS / 2); // what is open is bounded by its lines
  }

  /** @param {Talk} talk @param {string} key @param {Partial<Line>} changes */
  change(talk, key, changes) {
    const at = talk.lines.findIndex((line) => line.key === key);
    if (at >= 0) talk.lines[at] = { ...talk.lines[at], ...changes };
    if (talk.last?.key === key) talk.last = { ...talk.last, ...changes };
  }

  /** What became of a message of ours. @param {string} msgId @param {string} state @param {string} [note] */
  became(msgId, state, note = '') {
    this.queued[state === 'queued' ? 'add' : 'delete'](msgId);
    for (const talk of [this.talks.get(this.awaited.get(msgId) ?? this.current), ...this.talks.values()]) {
      const line = talk?.lines.findLast((each) => each.own && (each.changeId || each.msgId) === msgId);
      if (talk && line) return this.change(talk, line.key, { state, note });
    }
  }

  /** The person has seen a conversation, up to an id or all of it. @param {string} conversation @param {number} [upto] */
  read(conversation, upto = 0) {
    const talk = this.talks.get(conversation);
    if (!talk) return;
    talk.unread = Math.min(talk.unread, upto ? talk.lines.filter((line) => !line.own && line.id > upto).length : 0);
    talk.urgent &&= talk.unread > 0;
  }

  /** @param {any} event as in docs/control.md @returns {Line | null | undefined} the line of a message */
  hear(event) { return HEARD[event.event]?.(this, event); }

  /** @param {string} peer_id @param {object} changes */
  peer(peer_id, changes) {
    this.peers.set(peer_id, { peer_id, ...STRANGER, ...this.peers.get(peer_id), ...changes });
    if (this.peers.size > 2 * MOST_TALKS) this.peers.delete(this.peers.keys().next().value ?? '');
  }
}
