// @ts-check
/** Speaks with the node: requests, and the stream of events. The key is a header, never a cookie. */

const KEY = 'p2pchat.key';
const SILENCE = 50_000;
const A_TURN = 20;
/** Which of the pages this is. */
export const page = Array.from(crypto.getRandomValues(new Uint8Array(12)), (each) => each.toString(16).padStart(2, '0')).join('');
export const key = {
  get: () => localStorage.getItem(KEY) ?? '',
  set: (/** @type {string} */ value) => (value ? localStorage.setItem(KEY, value) : localStorage.removeItem(KEY)),
};

/** The node said no: `code` as in docs/control.md, the message is its sentence. */
export class Refused extends Error {
  /** @param {string} code @param {string} sentence */
  constructor(code, sentence) {
    super(sentence);
    this.code = code;
  }
}

/** The answer of the node, if it is no refusal. @param {string} path @param {Record<string, any>} query @param {RequestInit} options */
async function ask(path, query, options) {
  const given = Object.entries(query).filter(([, value]) => value !== undefined && value !== '' && value !== null);
  const asked = given.length ? `?${new URLSearchParams(given.map(([name, value]) => [name, String(value)]))}` : '';
  const headers = { 'Content-Type': 'application/json', ...(key.get() ? { Authorization: `Bearer ${key.get()}` } : {}) };
  const answer = await fetch(`api/v1/${path}${asked}`, { cache: 'no-store', headers, ...options });
  if (answer.ok) return answer;
  const fields = await answer.json().catch(() => ({}));
  throw new Refused(String(fields.code ?? answer.status), String(fields.error ?? answer.statusText));
}

/** Ask for something. Throws `Refused`, or TypeError when nobody answers.
 * @param {string} path @param {Record<string, any>} [query] @returns {Promise<any>} */
export const get = async (path, query = {}) => (await ask(path, query, {})).json();

/** Have something done, and fail as `get` does. @param {string} path @param {object} [body] @returns {Promise<any>} */
export const post = async (path, body = {}) => (await ask(path, {}, { method: 'POST', body: JSON.stringify(body) })).json();

/** Let what else there is have its turn, drawing above all. Not by a timer: those of hidden pages are slow. */
const others = () => new Promise((resume) => {
  const { port1, port2 } = new MessageChannel();
  port1.onmessage = resume;
  port2.postMessage(0);
});

/** Hear events until the stream ends, breaks, or `stop` is called by its signal.
 * @param {Record<string, any>} query @param {(events: any[], number: number) => void} hear @param {AbortController} stop */
export async function listen(query, hear, stop) {
  let silence = setTimeout(() => stop.abort(), SILENCE);
  try {
    const answer = await ask('events', { ...query, page }, { signal: stop.signal });
    const reader = /** @type {ReadableStream<Uint8Array>} */ (answer.body).getReader();
    const decoder = new TextDecoder();
    for (let rest = ''; ;) {
      const { value, done } = await reader.read();
      if (done) return;
      let began = performance.now();
      clearTimeout(silence);
      silence = setTimeout(() => stop.abort(), SILENCE);
      const frames = (rest + decoder.decode(value, { stream: true })).split('\n\n');
      rest = /** @type {string} */ (frames.pop());
      for (const frame of frames) {
        const data = frame.match(/^data: ?(.*)$/m);
        if (data) hear(JSON.parse(data[1]), Number(frame.match(/^id: ?(\d+)$/m)?.[1] ?? 0));
        if (performance.now() - began < A_TURN) continue;
        await others();
        began = performance.now();
      }
    }
  } finally { clearTimeout(silence); }
}
