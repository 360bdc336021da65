// SPDX-License-Identifier: Apache-2.0

// A collection of the API that is kept up to date by a watch: listed once,
// then followed; resumed where it broke off, listed again when that is too
// long ago.

import { ApiError, list, send, url } from './api.js';

const FIRST_WAIT = 500;     // milliseconds
const LONGEST_WAIT = 15000;
// The server says something every 15 seconds.
const SILENCE = 45000;
// Changes within so many milliseconds are shown together; of many items
// in longer, so that the page stays quick.
const FRAME = 16;
const MANY = 1000;
const MANY_WAIT = 250;

function keyOf(item) {
  return `${item.metadata.namespace ?? ''}/${item.metadata.name}`;
}

/** Resolve after some time, or when the signal comes. */
function pause(milliseconds, signal) {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, milliseconds);
    signal.addEventListener('abort', () => {
      clearTimeout(timer);
      resolve();
    }, { once: true });
  });
}

/** Yield the lines of a stream, however they are cut. */
async function* lines(stream) {
  const reader = stream.pipeThrough(new TextDecoderStream()).getReader();
  let rest = '';
  try {
    for (;;) {
      const { value, done } = await reader.read();
      if (done) {
        return;
      }
      const parts = (rest + value).split('\n');
      rest = parts.pop();
      yield parts.filter((part) => part !== '');
    }
  } finally {
    reader.cancel().catch(() => {});
  }
}

/**
 * Events: 'change' when items changed (detail: set of keys), 'state' when
 * `state` did: 'idle', 'loading', 'live' or 'broken'.
 */
export class Collection extends EventTarget {
  constructor(path) {
    super();
    this.path = path;
    this.items = new Map();
    this.loaded = false;
    this.state = 'idle';
    this.error = null;
    // Since when the server has no news itself, and why; null while it has.
    this.stale = null;
    // When it was followed last.
    this.liveAt = null;
    this.version = '';
    this.users = 0;
    this.stopper = null;
    this.pending = null;
  }

  /** Follow it until each call of start() has had one of stop(). */
  start() {
    this.users += 1;
    this.#run();
  }

  stop() {
    this.users -= 1;
    this.pauseIfIdle();
  }

  /** Begin or end as the page is seen: watches hold connections. */
  pauseIfIdle() {
    if (this.users > 0 && !document.hidden) {
      this.#run();
    } else if (this.stopper) {
      this.stopper.abort();
      this.stopper = null;
      this.#setState('idle');
    }
  }

  get(name, namespace = '') {
    return this.items.get(`${namespace}/${name}`);
  }

  /** Take what an own change answered, before the watch tells it. */
  note(item) {
    this.items.set(keyOf(item), item);
    this.#changed([keyOf(item)]);
  }

  /** Try again what needs somebody to log in. */
  retry() {
    this.#run();
  }

  /** Whether it waits for somebody to log in. */
  get refused() {
    return [401, 403].includes(this.error?.code);
  }

  /** Say why there is nothing yet, as long as there is nothing. */
  waiting(what) {
    return this.state === 'broken'
      ? `There are no ${what} to show: ${this.error.message}`
      : `Loading ${what}…`;
  }

  #setState(state, error = null) {
    if (this.state === 'live') {
      this.liveAt = new Date();
    }
    this.error = error;
    this.state = state;
    this.dispatchEvent(new Event('state'));
    if (!this.loaded) {
      this.#changed([]);
    }
  }

  /** Tell of changes, of many that come together only once. */
  #changed(keys) {
    if (this.pending === null) {
      this.pending = new Set();
      setTimeout(() => {
        const detail = this.pending;
        this.pending = null;
        this.dispatchEvent(new CustomEvent('change', { detail }));
      }, this.items.size > MANY ? MANY_WAIT : FRAME);
    }
    for (const key of keys) {
      this.pending.add(key);
    }
  }

  async #run() {
    if (this.stopper) {
      return;
    }
    const stopper = new AbortController();
    this.stopper = stopper;
    let wait = FIRST_WAIT;
    while (!stopper.signal.aborted) {
      try {
        if (!this.version) {
          this.#setState('loading');
          await this.#list(stopper.signal);
        }
        await this.#watch(stopper.signal, () => { wait = FIRST_WAIT; });
      } catch (error) {
        if (stopper.signal.aborted) {
          return;
        }
        if (error.code === 410) {
          this.version = '';
        } else {
          this.#setState('broken', error);
        }
        if (this.refused) {
          // Asking again would ask the operator again, and again.
          this.stopper = null;
          return;
        }
      }
      if (!stopper.signal.aborted) {
        // Not all pages of an operator at the same moment.
        await pause(wait * (0.5 + Math.random() / 2), stopper.signal);
        wait = Math.min(wait * 2, LONGEST_WAIT);
      }
    }
  }

  async #list(signal) {
    const seen = new Set();
    const version = await list(this.path, (items) => {
      for (const item of items) {
        seen.add(keyOf(item));
        this.items.set(keyOf(item), item);
      }
      this.#changed(items.map(keyOf));
    }, signal);
    const gone = [...this.items.keys()].filter((key) => !seen.has(key));
    for (const key of gone) {
      this.items.delete(key);
    }
    this.loaded = true;
    this.version = version;
    this.#changed(gone);
  }

  async #watch(signal, onData) {
    const silence = new AbortController();
    const give = () => silence.abort();
    signal.addEventListener('abort', give);
    let timer = setTimeout(give, SILENCE);
    try {
      const answer = await send(
        url(this.path, { watch: 'true', resourceVersion: this.version }),
        { signal: silence.signal });
      this.#setState('live');
      for await (const batch of lines(answer.body)) {
        clearTimeout(timer);
        timer = setTimeout(give, SILENCE);
        onData();
        this.#changed(batch.map((line) => this.#take(JSON.parse(line)))
          .filter((key) => key !== null));
      }
    } finally {
      clearTimeout(timer);
      signal.removeEventListener('abort', give);
    }
  }

  /** Note whether the server's news end somewhere. */
  #noteAge(notes) {
    const since = notes['ironic-ext/stale-since'] ?? '';
    if (since !== (this.stale?.since ?? '')) {
      this.stale = since
        ? { since, reason: notes['ironic-ext/stale-reason'] } : null;
      this.dispatchEvent(new Event('state'));
    }
  }

  /** Take an event; return the key of what changed. */
  #take(event) {
    const { type, object } = event;
    if (type === 'ERROR') {
      throw new ApiError(object.code, object.message);
    }
    this.version = object.metadata.resourceVersion ?? this.version;
    if (type === 'BOOKMARK') {
      this.#noteAge(object.metadata.annotations ?? {});
      return null;
    }
    const key = keyOf(object);
    if (type === 'DELETED') {
      this.items.delete(key);
    } else {
      this.items.set(key, object);
    }
    return key;
  }
}

export const hosts = new Collection('baremetalhosts');
export const isos = new Collection('iscsi-cdroms');
export const configs = new Collection('bootconfigs');
export const all = [hosts, isos, configs];

document.addEventListener('visibilitychange', () => {
  for (const collection of all) {
    collection.pauseIfIdle();
  }
});
