// @ts-check
/**
 * The page's own words in the chosen language, and the words of others made safe to look at.
 * What is invisible, or turns the text around it, is shown as an escape: the node says what that is.
 */
/** Every text of the page: [English, Brazilian Portuguese]; "one|many" where a number chooses. @type {Record<string, [string, string]>} */
const TEXTS = await (await fetch('static/texts.json')).json();

const LANGUAGES = ['en', 'pt-BR'];
const MOST_NAMES = 4000;
const preferred = (navigator.languages ?? []).map((each) => each.toLowerCase())
  .find((each) => each.startsWith('pt') || each.startsWith('en')) ?? 'en';
let invisible = /[\p{Cc}\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]/gu;
// In a name also what could close its bracket, and spaces where none is seen.
const ODD = '[[\\]\\\\\\uff3b\\uff3d]|^ | $|(?<= ) ';
let hidden = new RegExp(`\\p{C}|${ODD}`, 'gu');
let marks = marksBeyond(8);
/** @type {Map<string, string>} */
const names = new Map();
/** @type {Record<string, any>} */
let formats = {};
export let language = 'en';

/** @param {string | null} value one of LANGUAGES; anything else: what the browser prefers */
export function setLanguage(value) {
  language = LANGUAGES.includes(value ?? '') ? String(value) : preferred.startsWith('pt') ? 'pt-BR' : 'en';
  document.documentElement.lang = language;
  const clock = /** @type {const} */ ({ hour: '2-digit', minute: '2-digit', hourCycle: 'h23' });
  const date = (/** @type {object} */ options) => new Intl.DateTimeFormat(language, options);
  formats = {
    number: new Intl.NumberFormat(language), plural: new Intl.PluralRules(language),
    short: new Intl.NumberFormat(language, { maximumSignificantDigits: 3 }), clock: date(clock),
    day: date({ weekday: 'long', day: 'numeric', month: 'long', year: 'numeric' }),
    date: date({ day: 'numeric', month: 'short' }), whole: date({ dateStyle: 'medium', timeStyle: 'medium' }),
  };
  return language;
}

/** A text of the page. `n` chooses between "one|many". @param {string} key @param {Record<string, any>} [values] */
export function t(key, values = {}) {
  const [one, many = one] = (TEXTS[key] ?? [key, key])[language === 'en' ? 0 : 1].split('|');
  const text = 'n' in values && formats.plural.select(values.n) !== 'one' ? many : one;
  return text.replace(/\{(\w+)\}/g, (_, name) => {
    const value = values[name] ?? '';
    return typeof value === 'number' ? formats.number.format(value) : String(value);
  });
}

/** @param {number} at milliseconds */
export const clock = (at) => (Number.isFinite(at) ? formats.clock.format(at) : '');
export const day = (/** @type {number} */ at) => formats.day.format(Number.isFinite(at) ? at : 0);
export const whole = (/** @type {number} */ at) => (Number.isFinite(at) ? formats.whole.format(at) : '');
export const dayNumber = (/** @type {number} */ at) => new Date(at).toDateString();
/** As short as it is clear. @param {number} at */
export const moment = (at) => (dayNumber(at) === dayNumber(Date.now()) ? clock(at) : formats.date.format(at));
/** @param {number | null | undefined} seconds */
export function duration(seconds) {
  if (seconds == null) return '';
  return seconds < 1 ? `${formats.short.format(seconds * 1000)} ms` : `${formats.short.format(seconds)} s`;
}

/** What the node says is invisible in a text, and in a name. @param {{invisible: string, hidden?: string, marks: number}} state */
export function learnInvisible(state) {
  invisible = new RegExp(state.invisible, 'gu');
  hidden = new RegExp(`${state.hidden ?? '\\p{C}'}|${ODD}`, 'gu');
  marks = marksBeyond(state.marks);
  names.clear();
}

/** @param {number} most */
function marksBeyond(most) { return new RegExp(`([\\p{M}\\p{Cf}]{${most}})([\\p{M}\\p{Cf}]+)`, 'gu'); }

/** @param {string} found one or more characters */
function escaped(found) {
  return Array.from(found, (each) => {
    const code = /** @type {number} */ (each.codePointAt(0));
    if (code < 256) return { 9: '\\t', 10: '\\n', 13: '\\r' }[code] ?? `\\x${code.toString(16).padStart(2, '0')}`;
    return code < 65536 ? `\\u${code.toString(16).padStart(4, '0')}` : `\\U${code.toString(16).padStart(8, '0')}`;
  }).join('');
}

const countedMarks = (/** @type {string} */ text) => text.replace(marks,
  (_, kept, more) => `${kept}(+${formats.number.format([...more].length)} ${t('marks')})`);

/** What somebody wrote, with its lines. @param {string} text */
export function visible(text) {
  const lines = text.replace(/\r\n/g, '\n').trimEnd().replace(/\n(?:[ \t]*\n){5,}/g,
    (blank) => `\n\n(+${formats.number.format(blank.split('\n').length - 4)} ${t('blank_lines')})\n`);
  return countedMarks(lines.replace(invisible, (found) => found.replace(/[^\n\t]+/g, escaped)));
}

/** A peer_id or a room in the one form in which it can be shown and typed. @param {string} name */
export function shown(name) {
  let found = names.get(name);
  if (found === undefined) {
    found = countedMarks((name.length > 200 ? `${name.slice(0, 199)}…` : name).replace(hidden, escaped).replace(invisible, escaped));
    if (names.size >= MOST_NAMES) names.clear();
    names.set(name, found);
  }
  return found;
}

/** Text and links, in turn: [text, link, text, link, …]. @param {string} text */
export const withLinks = (text) => text.split(/(\bhttps?:\/\/[^\s<>"'`\\()[\]{}]*[^\s<>"'`\\()[\]{}.,;:!?])/g);

/** One of eight colours, the same for a name in every session. @param {string} name */
export function hue(name) {
  let sum = 0;
  for (let at = 0; at < Math.min(name.length, 200); at += 1) sum = (sum * 31 + name.charCodeAt(at)) >>> 0;
  return `hue-${sum % 8}`;
}
