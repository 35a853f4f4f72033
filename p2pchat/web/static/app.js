// @ts-check
/** What the page does: enters, hears the stream, opens conversations, says things. It draws nothing. */
import { Model, isRoom } from './model.js';
import { Refused, get, key, listen, page, post } from './net.js';
import { learnInvisible, setLanguage, t } from './words.js';

const AGAIN = [2000, 4000, 8000, 15_000];
const HIDDEN_FOR = 600_000;
const PAGE_OF = 50;
const MOST_READ = 200;
const MOST_UNREAD = 450;
const CHOICES = 'p2pchat.choices';
const NOT_COMMAND = /^\/(\/|[^\s/]*\/)/; // "//x" says "/x", and "/etc/hosts" is a text

export class App {
  model = new Model();
  phase = 'starting'; // starting, open, lost, ended, elsewhere, sleeping, no_key
  problem = ''; // why one could not enter
  view = 'list'; // which of list, talk and side is seen where one has room
  panel = ''; // what lies over the page: search, new, menu, keys
  announced = '';
  found = { words: '', where: '', lines: /** @type {any[] | null} */ (null), more: false, error: '' };
  choices = { language: '', theme: 'system', tell: 'no', side: 'yes', ...JSON.parse(localStorage.getItem(CHOICES) ?? '{}') };
  side = this.choices.side === 'yes' && innerWidth >= 1100;
  place = { run: '', since: 0 }; // where in the stream
  stop = new AbortController();
  tries = 0;
  turn = 0;
  watched = '';
  hiddenSince = 0;
  atEnd = false;
  from = ''; // the conversation from which a search led away
  wake = () => {};

  /** @param {() => void} changed called after each change @param {(line: any) => void} told for each line that is for the person */
  constructor(changed, told) {
    this.changed = changed;
    this.told = told;
    this.wear();
    document.addEventListener('visibilitychange', () => this.looked());
    for (const kind of ['focus', 'online']) addEventListener(kind, () => this.looked());
    setInterval(() => this.hiddenSince && Date.now() - this.hiddenSince > HIDDEN_FOR && this.phase === 'open' && this.become('sleeping'), 20_000);
  }

  // ------------------------------------------------------------ entering, and the stream

  /** Enter with a link or a code, or with the key that is here. @param {string} given */
  async enter(given) {
    const token = given.trim().replace(/^.*token=/s, '');
    try {
      if (token) key.set((await post('session', { token })).key);
      if (token) this.place = { run: '', since: 0 };
      this.problem = '';
    } catch (why) { this.problem = this.sentence(why); }
    if (key.get()) this.stay();
    else this.become('no_key');
  }

  /** Hear the node as long as there is one to hear. */
  async stay() {
    const turn = (this.turn += 1); // a later call ends this one
    this.stop.abort();
    while (turn === this.turn) {
      this.stop = new AbortController();
      try {
        if (!this.place.run) await this.learn();
        this.watched = this.watching() ?? '';
        await listen({ ...this.place, watching: this.watched }, (events, number) => this.heard(events, number), this.stop);
      } catch (why) { if (why instanceof Refused && why.code === 'no_key' && turn === this.turn) this.out(); }
      if (turn !== this.turn || ['elsewhere', 'sleeping', 'no_key'].includes(this.phase)) return;
      if (this.phase !== 'ended') this.become(this.model.state ? 'lost' : 'starting');
      const wait = AGAIN[Math.min(this.tries, AGAIN.length - 1)];
      this.tries += 1;
      await new Promise((resume) => {
        this.wake = () => resume(null);
        setTimeout(resume, wait);
      });
    }
  }

  /** @param {string} phase */
  become(phase) {
    this.phase = phase;
    if (phase === 'elsewhere' || phase === 'sleeping') this.stop.abort();
    this.changed();
  }

  /** The key is void: a link is needed. */
  out() {
    key.set('');
    this.become('no_key');
  }

  /** Ask for everything as it is now. */
  async learn() {
    const state = await get('state');
    this.place = { run: state.run, since: state.last };
    learnInvisible(state);
    this.model.learn(state);
    const talk = this.model.talks.get(this.model.current);
    if (talk?.reading) [talk.loaded, talk.after] = [true, true];
    else if (talk) await this.load(talk.id);
  }

  /** A frame of the stream. @param {any[]} events @param {number} number of the last one */
  heard(events, number) {
    for (const event of events) {
      const line = this.model.hear(event);
      if (line && document.hidden && this.model.isForMe(line)) this.told(line);
      if (event.event === 'hello') {
        [this.tries, this.phase] = [0, 'open'];
        if (event.missed === null) this.relearn(0);
        this.looked();
      } else if (event.event === 'left_out') this.relearn(event.count);
      else if (event.event === 'elsewhere') this.become('elsewhere');
      else if (event.event === 'closed') this.out();
      else if (event.event === 'stopping') this.phase = 'ended';
    }
    if (number) this.place.since = number;
    this.changed();
  }

  /** Something was left out: the history has it. @param {number} count */
  async relearn(count) {
    await this.learn().catch(() => {});
    if (count) this.model.note(t('left_out', { n: count }), 'left-out');
    this.changed();
  }

  // ------------------------------------------------------------ what the person sees

  watching() { return !document.hidden && this.model.seen && this.model.current ? this.model.current : null; }

  /** The page is seen, or not any more. */
  looked() {
    this.hiddenSince = document.hidden ? this.hiddenSince || Date.now() : 0;
    if (!document.hidden && this.phase === 'sleeping') this.stay();
    else if (!document.hidden) this.wake();
    this.watch();
  }

  /** Whether the end of the current conversation is on the screen: then the node takes it as read. */
  watch(atEnd = this.atEnd) {
    this.atEnd = atEnd;
    this.model.seen = Boolean(atEnd && !document.hidden && this.model.current && (!this.narrow || this.view === 'talk'));
    if (this.phase !== 'open') return;
    const seen = this.watching();
    if (this.watched !== (seen ?? '')) {
      this.watched = seen ?? '';
      post('watch', { page, watching: seen }).catch(() => (this.watched = '?'));
    }
    const talk = seen && this.model.talks.get(seen);
    if (!talk || !talk.unread || talk.after || !talk.loaded) return;
    [talk.unread, talk.urgent] = [0, false];
    post('read', { conversation: seen, upto: Math.max(0, ...talk.lines.map((line) => line.id)) }).catch(() => {});
    this.changed();
  }

  /** Open a conversation, at its end, at the first unread line, or around a line. @param {string} id @param {number} [around] */
  async open(id, around = 0) {
    const { model } = this;
    const old = model.talks.get(model.current);
    const cameBy = old?.hit;
    if (old) Object.assign(old, { fresh: '', reading: false, below: 0, hit: 0 });
    const talk = model.talk(id);
    if (around && !cameBy) this.from = model.current;
    Object.assign(talk, { hit: around, reading: around > 0, turn: talk.turn + 1 });
    [model.current, model.seen, this.atEnd, this.panel, this.view] = [id, false, false, '', 'talk'];
    this.changed();
    await this.load(id, around);
    this.changed();
  }

  /** Read the end of a conversation, with all that is unread, or what is around a line. @param {string} id @param {number} [around] */
  async load(id, around = 0) {
    const talk = this.model.talk(id);
    // Without a history there is what the page has heard.
    if (this.model.state.status.history === false) Object.assign(talk, { loaded: true, before: false, after: false, turn: talk.turn + 1 });
    const wanted = around ? 0 : Math.min(talk.unread, MOST_UNREAD);
    if (around) await this.read(talk, 'all', { around, count: 2 * PAGE_OF });
    else if (!talk.loaded || talk.after) await this.read(talk, 'all', { count: Math.min(MOST_READ, wanted + PAGE_OF) });
    let had = -1;
    while (talk.before && talk.lines.length < wanted && talk.lines.length > had) {
      had = talk.lines.length;
      await this.read(talk, 'before', { before: this.edge(talk, 0), count: MOST_READ });
    }
    const others = talk.lines.filter((line) => !line.own && line.kind === 'line');
    if (wanted) [talk.fresh, talk.turn] = [others.at(-Math.min(wanted, others.length))?.key ?? '', talk.turn + 1];
  }

  /** The id of the first (0) or last (-1) line that is kept. @param {any} talk @param {number} at */
  edge(talk, at) { return talk.lines.filter((/** @type {any} */ line) => line.id).at(at)?.id ?? 0; }

  /** @param {any} talk @param {string} where @param {object} query */
  async read(talk, where, query) {
    try {
      const found = await get('history', { conversation: talk.id, ...query });
      talk.take(found.lines.map((/** @type {any} */ line) => this.model.line(line, talk.id)), found, where);
    } catch (why) {
      this.model.note(this.sentence(why), 'problem', talk.id);
      Object.assign(talk, { loaded: true, turn: talk.turn + 1 });
    }
  }

  /** More lines before or after those that are here. @param {'before' | 'after'} where */
  async more(where) {
    const talk = this.model.talk(this.model.current);
    const id = this.edge(talk, where === 'before' ? 0 : -1);
    if (talk.busy || !talk[where] || !id) return;
    talk.busy = true;
    await this.read(talk, where, { [where]: id, count: 2 * PAGE_OF });
    talk.busy = false;
    this.changed();
  }

  /** Back to the latest words. */
  async toEnd() {
    const talk = this.model.talk(this.model.current);
    Object.assign(talk, { reading: false, below: 0, hit: 0, fresh: '', turn: talk.turn + 1 });
    if (talk.after) await this.load(talk.id);
    this.changed();
  }

  /** Another conversation: by so many places in the list, or the next with unread messages (0). @param {number} step */
  go(step) {
    const listed = this.model.listed();
    const at = listed.findIndex((talk) => talk.id === this.model.current);
    const next = step ? listed[(at < 0 && step < 0 ? 0 : at + step + listed.length) % listed.length]
      : listed.find((talk) => talk.urgent) ?? listed.find((talk) => talk.unread);
    if (next) this.open(next.id);
  }

  // ------------------------------------------------------------ what the person says

  /** @param {string} typed */
  async say(typed) {
    if (typed.startsWith('/') && !NOT_COMMAND.test(typed)) return this.command(typed);
    const [to, text] = [this.model.current, typed.replace(/^\/\//, '/')];
    const given = { event: 'sent', time: new Date().toISOString(), text };
    try {
      const answer = await post('send', { to, text, page });
      const note = answer.state === 'published' ? t('to_peers', { n: answer.peers }) : '';
      this.model.say(this.model.line({ ...given, ...answer }, answer.to));
      if (note) this.model.became(answer.msg_id, 'published', answer.dropped ? `${note}, ${t('dropped', { n: answer.dropped })}` : note);
    } catch (why) { this.model.say(this.model.line({ ...given, state: 'failed', note: this.sentence(why) }, to)); }
    return this.toEnd();
  }

  /** A line that begins with a slash: what the page has itself, or the node's command. @param {string} line */
  async command(line) {
    const [, word, rest] = /** @type {RegExpMatchArray} */ (line.match(/^\/(\S*)\s*([^]*)$/));
    const { model } = this;
    const { current } = model;
    if (word === 'search') return this.search(rest, '');
    if (word === 'list' || (word === 'to' && !rest)) return this.show('list');
    if (word === 'clear') model.talk(current).lines = [];
    else if (word === 'to') {
      const [whom] = rest.split(/\s/, 1);
      const id = this.called(whom);
      if (id) await this.open(id);
      else model.note(t('nobody', { name: whom }), 'problem');
      if (id && rest.slice(whom.length).trim()) await this.say(rest.slice(whom.length).trim());
    } else {
      try {
        const answer = await post('command', { page, line, conversation: current });
        if (answer.lines.length || answer.leave) model.note(answer.leave ? t('not_left') : answer.lines.join('\n'), 'note', current);
        if (model.talk(current).reading) this.toEnd(); // where the answer stands
      } catch (why) { model.note(this.sentence(why), 'problem', current); }
    }
    return this.changed();
  }

  /** The conversation that a person means; empty if there is none, or several. @param {string} name */
  called(name) {
    if (isRoom(name) || name.includes('@')) return name;
    const found = [...this.model.peers.values()].filter((peer) => peer.alias === name || peer.peer_id.split('@')[0] === name);
    return found.length === 1 ? found[0].peer_id : '';
  }

  /** Say once more what was not sent. @param {any} line */
  again(line) {
    const talk = this.model.talk(line.conversation);
    talk.lines = talk.lines.filter((each) => each.key !== line.key);
    return this.say(line.text.startsWith('/') ? `/${line.text}` : line.text);
  }

  /** Take a message out of the outbox. @param {string} msgId */
  async cancel(msgId) {
    try {
      const { cancelled, reason } = await post('cancel', { msg_ids: [msgId] });
      if (cancelled) this.model.became(msgId, 'abandoned');
      if (reason) this.model.note(reason, 'problem');
    } catch (why) { this.model.note(this.sentence(why), 'problem'); }
    this.changed();
  }

  /** @param {string} words @param {string} where a conversation, or all @param {number} [before] */
  async search(words, where, before) {
    const { found } = this;
    [this.panel, this.view] = ['search', 'talk'];
    Object.assign(found, { words, where, error: '', lines: before ? found.lines : null, more: false });
    this.changed();
    if (!words.trim()) return;
    try {
      const { lines, more_before } = await get('search', { q: words, conversation: where, before });
      const fresh = lines.reverse().map((/** @type {any} */ line) => this.model.line(line, line.conversation));
      [found.lines, found.more] = [[...(found.lines ?? []), ...fresh], more_before];
    } catch (why) { found.error = this.sentence(why); }
    this.changed();
  }

  // ------------------------------------------------------------ how it looks

  /** @param {string} id of a choice @param {string} value */
  choose(id, value) {
    this.choices[id] = value;
    localStorage.setItem(CHOICES, JSON.stringify(this.choices));
    this.wear();
    this.changed();
  }

  /** Language and looks as they were chosen. */
  wear() {
    this.choices.language = setLanguage(this.choices.language);
    const { theme, language } = this.choices;
    if (theme === 'system') delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = theme;
    this.look = `${theme} ${matchMedia('(prefers-color-scheme: dark)').matches} ${language}`;
  }

  async tellMe() {
    const may = this.choices.tell !== 'yes' && (await globalThis.Notification?.requestPermission()) === 'granted';
    this.choose('tell', may ? 'yes' : 'no');
  }

  /** Something that lies over the page: again takes it away. @param {string} panel */
  over(panel) {
    this.panel = this.panel === panel ? '' : panel;
    this.changed();
  }

  /** What Esc does. */
  back() {
    const talk = this.model.talks.get(this.model.current);
    if (this.panel) this.over('');
    else if (this.view === 'side') this.toggleSide();
    else if (talk?.hit && this.from && this.from !== talk.id) this.open(this.from);
    else if (talk?.hit || talk?.reading) this.toEnd();
  }

  /** Whether one of the three parts is seen at a time. */
  get narrow() { return matchMedia('(max-width: 639px)').matches; }

  toggleSide() {
    this.side = !this.side || (this.narrow && this.view !== 'side');
    this.choose('side', this.side ? 'yes' : 'no');
    this.show(this.side ? 'side' : 'talk');
  }

  /** @param {any} alert that the person has seen */
  dismiss(alert) {
    this.model.alerts = this.model.alerts.filter((each) => each !== alert);
    this.changed();
  }

  /** Show one of the three parts, where only one has room. @param {string} view */
  show(view) {
    this.view = view;
    this.watch();
    this.changed();
  }

  /** What went wrong, for a person. @param {any} why */
  sentence(why) { return why instanceof Refused ? why.message : t('no_answer'); }
}
