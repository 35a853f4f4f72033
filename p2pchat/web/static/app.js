// @ts-check
/** What the page does: enters, hears the stream, opens conversations, says things. It draws nothing. */
import { Model } from './model.js';
import { Refused, get, key, listen, page, post } from './net.js';
import { learnInvisible, setLanguage, t } from './words.js';

const AGAIN = [2000, 4000, 8000, 15_000];
const HIDDEN_FOR = 600_000;
const PAGE_OF = 50;
const MOST_READ = 200;
const NOT_COMMAND = /^\/(\/|[^\s/]*\/)/; // "//x" says "/x", and "/etc/hosts" is a text

export class App {
  /** @param {() => void} changed called after each change @param {(line: any) => void} told for each line that is for the person */
  constructor(changed, told) {
    this.changed = changed;
    this.told = told;
    this.model = new Model();
    this.phase = 'starting';
    this.problem = '';
    this.view = 'list';
    this.announced = '';
    this.side = localStorage.getItem('p2pchat.side') !== 'no' && innerWidth >= 1100;
    /** @type {Record<string, string>} */
    this.choices = { language: '', theme: 'system', tell: 'no', ...JSON.parse(localStorage.getItem('p2pchat.choices') ?? '{}') };
    this.wear();
    this.panel = ''; // what lies over the page: search, new, menu, keys
    this.found = { words: '', where: '', lines: /** @type {any[] | null} */ (null), more: false, error: '' };
    this.place = { run: '', since: 0 };
    this.stop = new AbortController();
    this.tries = this.turn = 0;
    this.watched = '';
    this.hiddenSince = 0;
    this.wake = () => {};
    document.addEventListener('visibilitychange', () => this.looked());
    addEventListener('focus', () => this.looked());
    addEventListener('online', () => this.wake());
    setInterval(() => {
      if (document.hidden && this.hiddenSince && Date.now() - this.hiddenSince > HIDDEN_FOR) this.become('sleeping');
    }, 20_000);
  }

  // ------------------------------------------------------------ entering, and the stream

  /** Enter with a link or a code, or with the key that is here. @param {string} given */
  async enter(given) {
    const token = given.trim().replace(/^.*token=/s, '');
    try {
      if (token) key.set((await post('session', { token })).key);
    } catch (why) {
      this.problem = this.sentence(why);
      if (!key.get()) return this.become('no_key');
    }
    if (!key.get()) return this.become('no_key');
    if (token && this.phase === 'no_key') this.place = { run: '', since: 0 };
    this.stay();
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
      } catch (why) {
        if (why instanceof Refused && why.code === 'no_key') this.become('no_key', key.set(''));
      }
      if (turn !== this.turn || ['elsewhere', 'sleeping', 'no_key'].includes(this.phase)) return;
      if (this.phase !== 'ended') this.become(this.model.state ? 'lost' : 'starting');
      const wait = AGAIN[Math.min(this.tries, AGAIN.length - 1)];
      this.tries += 1;
      await new Promise((resume) => void (this.wake = () => resume(null)) ?? setTimeout(resume, wait));
    }
  }

  /** @param {string} phase what the page says of itself; a pause hears nothing for now @param {any} [_] */
  become(phase, _) {
    this.phase = phase;
    if (phase === 'elsewhere' || phase === 'sleeping') this.stop.abort();
    this.changed();
  }

  /** Ask for everything as it is now. */
  async learn() {
    const state = await get('state');
    if (this.place.run && this.place.run !== state.run) this.watched = '';
    this.place = { run: state.run, since: state.last };
    learnInvisible(state);
    this.model.learn(state);
    const talk = this.model.talks.get(this.model.current);
    if (talk?.reading) [talk.loaded, talk.after] = [true, true];
    else if (talk) await this.load(talk.id);
    this.problem = '';
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
      else if (event.event === 'closed') this.become('no_key', key.set(''));
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

  watching() {
    return !document.hidden && this.model.seen && this.model.current ? this.model.current : null;
  }

  /** The page is seen, or not any more. */
  looked() {
    this.hiddenSince = document.hidden ? this.hiddenSince || Date.now() : 0;
    if (!document.hidden && this.phase === 'sleeping') this.stay();
    if (!document.hidden) this.wake();
    this.watch();
  }

  /** Whether the end of the current conversation is on the screen. @param {boolean} [atEnd] */
  watch(atEnd = this.atEnd) {
    this.atEnd = atEnd;
    this.model.seen = Boolean(atEnd && !document.hidden && this.model.current && this.view !== 'list');
    const seen = this.watching();
    if (this.phase !== 'open') return;
    if (this.watched !== (seen ?? '')) {
      this.watched = seen ?? '';
      post('watch', { page, watching: seen }).catch(() => (this.watched = '?'));
    }
    const talk = seen && this.model.talks.get(seen);
    if (!talk || !talk.unread || talk.after) return;
    const upto = Math.max(0, ...talk.lines.map((line) => line.id));
    [talk.unread, talk.urgent] = [0, false];
    post('read', { conversation: seen, upto }).catch(() => {});
    this.changed();
  }

  atEnd = false;

  /** Open a conversation, at its end, at the first unread line, or around a line. @param {string} id @param {number} [around] */
  async open(id, around = 0) {
    const model = this.model;
    const old = model.talks.get(model.current);
    if (old && id !== model.current) [old.fresh, old.reading, old.below, old.hit] = ['', false, 0, 0];
    const talk = model.talk(id);
    [model.current, model.seen, this.atEnd, this.panel, this.view] = [id, false, false, '', 'talk'];
    talk.hit = around;
    talk.reading = around > 0;
    talk.turn += 1;
    this.changed();
    await this.load(id, around);
    this.changed();
  }

  /** Read the end of a conversation, with all that is unread, or what is around a line. @param {string} id @param {number} [around] */
  async load(id, around = 0) {
    const talk = this.model.talk(id);
    const wanted = Math.min(talk.unread, 450);
    if (!talk.loaded || talk.after || around) {
      const where = around ? { around } : {};
      await this.page(talk, 'all', { ...where, count: around ? 100 : Math.min(MOST_READ, wanted + PAGE_OF) });
      while (!around && talk.before && talk.lines.length < wanted) {
        const had = talk.lines.length;
        await this.page(talk, 'before', { before: this.edge(talk, 1), count: MOST_READ });
        if (talk.lines.length === had) break;
      }
    }
    const others = talk.lines.filter((line) => !line.own && line.id);
    if (wanted && !around) talk.fresh = others.at(-Math.min(wanted, others.length))?.key ?? '';
  }

  /** The id of the first (1) or last (-1) line. @param {any} talk @param {number} side */
  edge(talk, side) {
    const kept = talk.lines.filter((/** @type {any} */ line) => line.id);
    return kept.at(side > 0 ? 0 : -1)?.id ?? 0;
  }

  /** @param {any} talk @param {string} where @param {object} query */
  async page(talk, where, query) {
    try {
      const found = await get('history', { conversation: talk.id, ...query });
      talk.take(found.lines.map((/** @type {any} */ line) => this.model.line(line, talk.id)), found, where);
    } catch (why) {
      [talk.before, talk.loaded] = [false, true];
      if (!(why instanceof Refused && why.code === 'refused')) this.model.note(this.sentence(why), 'problem', talk.id);
    }
  }

  /** More lines before or after those that are here. @param {'before' | 'after'} where */
  async more(where) {
    const talk = this.model.talk(this.model.current);
    if (talk.busy || !talk[where]) return;
    talk.busy = true;
    const id = this.edge(talk, where === 'before' ? 1 : -1);
    if (id) await this.page(talk, where, { [where]: id, count: 2 * PAGE_OF });
    else talk[where] = false;
    talk.busy = false;
    this.changed();
  }

  /** Back to the latest words. */
  async toEnd() {
    const talk = this.model.talk(this.model.current);
    [talk.reading, talk.below, talk.hit, talk.fresh] = [false, 0, 0, ''];
    if (talk.after) await this.load(talk.id);
    this.changed();
  }

  /** Another conversation: by so many places in the list, or the next with unread messages (0). @param {number} step */
  go(step) {
    const listed = this.model.listed();
    const at = listed.findIndex((talk) => talk.id === this.model.current);
    const next = step ? listed[(at + step + listed.length) % listed.length]
      : listed.find((talk) => talk.urgent && talk.unread) ?? listed.find((talk) => talk.unread);
    if (next) this.open(next.id);
  }

  // ------------------------------------------------------------ what the person says

  /** @param {string} typed @returns {Promise<boolean>} whether the field may be emptied */
  async say(typed) {
    if (typed.startsWith('/') && !NOT_COMMAND.test(typed)) return this.command(typed);
    const to = this.model.current;
    const text = typed.startsWith('//') ? typed.slice(1) : typed;
    const given = { from: this.model.me, event: 'sent', time: new Date().toISOString(), text };
    try {
      const answer = await post('send', { to, text, page });
      const note = answer.state === 'published' ? t('to_peers', { n: answer.peers }) + (answer.dropped ? `, ${t('dropped', { n: answer.dropped })}` : '') : '';
      this.model.say(this.model.line({ ...given, ...answer }, answer.to));
      if (note) this.model.became(answer.msg_id, 'published', note);
    } catch (why) {
      this.model.say(this.model.line({ ...given, state: 'failed', note: this.sentence(why) }, to));
    }
    this.toEnd();
    return true;
  }

  /** A line that begins with a slash: what the page has itself, or the node's command. @param {string} line */
  async command(line) {
    const [, word, rest] = /** @type {RegExpMatchArray} */ (line.match(/^\/(\S*)\s*([^]*)$/));
    const [whom, ...words] = rest.split(/\s+/);
    const own = /** @type {Record<string, () => any>} */ ({
      search: () => this.search(rest, ''), s: () => this.search(rest, ''), list: () => this.show('list'),
      clear: () => void (this.model.talk(this.model.current).lines = []),
      to: async () => {
        const found = whom && this.called(whom);
        if (!found) return whom ? this.model.note(t('nobody', { name: whom }), 'problem') : this.show('list');
        await this.open(found);
        if (words.length) await this.say(rest.slice(whom.length).trim());
      },
    })[word];
    if (own) await own();
    else {
      const conversation = this.model.current;
      try {
        const answer = await post('command', { page, line, conversation });
        if (answer.lines.length) this.model.note(answer.lines.join('\n'), 'note', conversation);
        if (answer.leave) this.model.note(t('not_left'), 'note', conversation);
      } catch (why) {
        this.model.note(this.sentence(why), 'problem', conversation);
      }
    }
    this.changed();
    return true;
  }

  /** The conversation that a person means. @param {string} name */
  called(name) {
    if (/^[#*]/.test(name) || name.includes('@')) return name;
    const found = [...this.model.peers.values()].filter((peer) => peer.alias === name || peer.peer_id.split('@')[0] === name);
    return found.length === 1 ? found[0].peer_id : '';
  }

  /** Say once more what was not sent. @param {any} line */
  async again(line) {
    const talk = this.model.talk(line.conversation);
    talk.lines = talk.lines.filter((each) => each.key !== line.key);
    await this.say(line.text.startsWith('/') ? `/${line.text}` : line.text);
  }

  /** Take a message out of the outbox. @param {any} line */
  async cancel(line) {
    try {
      const answer = await post('cancel', { msg_ids: [line.msgId] });
      if (answer.cancelled) this.model.became(line.msgId, 'abandoned');
      if (answer.reason) this.model.note(answer.reason, 'problem');
    } catch (why) {
      this.model.note(this.sentence(why), 'problem');
    }
    this.changed();
  }

  /** @param {string} words @param {string} where a conversation, or all @param {number} [before] */
  async search(words, where, before = 0) {
    const found = this.found;
    this.panel = 'search';
    if (this.view === 'list') this.view = 'talk';
    Object.assign(found, { words, where, error: '', lines: before ? found.lines : null });
    this.changed();
    if (!words.trim()) return;
    try {
      const answer = await get('search', { q: words, conversation: where, before: before || undefined });
      const lines = answer.lines.reverse().map((/** @type {any} */ line) => this.model.line(line, line.conversation));
      [found.lines, found.more] = [[...(before && found.lines || []), ...lines], answer.more_before];
    } catch (why) {
      found.error = this.sentence(why);
    }
    this.changed();
  }

  /** @param {string} id @param {string} value */
  choose(id, value) {
    this.choices[id] = value;
    localStorage.setItem('p2pchat.choices', JSON.stringify(this.choices));
    this.wear();
    this.changed();
  }

  /** Language and looks as they were chosen. */
  wear() {
    this.choices.language = setLanguage(this.choices.language);
    const { language, theme } = this.choices;
    if (theme === 'system') delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = theme;
    this.look = `${theme} ${matchMedia('(prefers-color-scheme: dark)').matches} ${language}`;
  }

  async tellMe() {
    const may = this.choices.tell !== 'yes' && (await Notification.requestPermission()) === 'granted';
    this.choose('tell', may ? 'yes' : 'no');
  }

  async leave() {
    await post('leave').catch(() => {});
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
    else if (talk?.hit || talk?.reading) this.toEnd();
  }

  toggleSide() {
    this.side = !this.side;
    this.view = this.side ? 'side' : 'talk';
    localStorage.setItem('p2pchat.side', this.side ? 'yes' : 'no');
    this.changed();
  }

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
  sentence(why) {
    return why instanceof Refused ? why.message : t('no_answer');
  }
}
