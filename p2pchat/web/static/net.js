// @ts-check
/** Speaks with the node: requests, and the stream of events. The key is a header, never a cookie. */

const KEY = 'p2pchat.key';
const SILENCE = 50_000;
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

/** @param {Response} answer @returns {Promise<never>} */
async function refuse(answer) {
  const fields = await answer.json().catch(() => ({}));
  throw new Refused(String(fields.code ?? answer.status), String(fields.error ?? answer.statusText));
}

/** Ask for something. Throws `Refused`, or TypeError when nobody answers.
 * @param {string} path @param {Record<string, any>} [query] @returns {Promise<any>} */
export async function get(path, query = {}) {
  const answer = await fetch(`api/v1/${path}${asQuery(query)}`, { headers: headers(), cache: 'no-store' });
  return answer.ok ? answer.json() : refuse(answer);
}

/** Have something done. @param {string} path @param {object} [body] @returns {Promise<any>} */
export async function post(path, body = {}) {
  const answer = await fetch(`api/v1/${path}`, {
    method: 'POST', body: JSON.stringify(body), headers: { ...headers(), 'Content-Type': 'application/json' },
  });
  return answer.ok ? answer.json() : refuse(answer);
}

function headers() {
  return key.get() ? { Authorization: `Bearer ${key.get()}` } : {};
}

/** @param {Record<string, any>} query */
function asQuery(query) {
  const given = Object.entries(query).filter(([, value]) => value !== undefined && value !== '' && value !== null);
  return given.length ? `?${new URLSearchParams(given.map(([name, value]) => [name, String(value)]))}` : '';
}

/** Hear events until the stream ends, breaks, or `stop` is called by its signal.
 * @param {Record<string, any>} query @param {(events: any[], number: number) => void} hear
 * @param {AbortController} stop */
export async function listen(query, hear, stop) {
  let silence = setTimeout(() => stop.abort(), SILENCE);
  try {
    const answer = await fetch(`api/v1/events${asQuery({ ...query, page })}`,
      { headers: headers(), cache: 'no-store', signal: stop.signal });
    if (!answer.ok || !answer.body) await refuse(answer);
    const reader = /** @type {ReadableStream<Uint8Array>} */ (answer.body).getReader();
    const decoder = new TextDecoder();
    let rest = '';
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      clearTimeout(silence);
      silence = setTimeout(() => stop.abort(), SILENCE);
      const frames = (rest + decoder.decode(value, { stream: true })).split('\n\n');
      rest = /** @type {string} */ (frames.pop());
      for (const frame of frames) {
        const data = frame.match(/^data: ?(.*)$/m);
        if (data) hear(JSON.parse(data[1]), Number(frame.match(/^id: ?(\d+)$/m)?.[1] ?? 0));
      }
    }
  } finally {
    clearTimeout(silence);
  }
}
