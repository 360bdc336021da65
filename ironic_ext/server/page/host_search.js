// SPDX-License-Identifier: Apache-2.0

// Which hosts are shown, and in which order. Pure: thousands of them are
// looked through at each keystroke, so what can be kept of a host is.

import { LOCAL_BOOT } from './assignment.js';

const collator = new Intl.Collator('en', { numeric: true });
export const { compare } = collator;

/** Return the state that a host is shown in. */
export function stateOf({ status }) {
  return status.maintenance ? 'maintenance'
    : status.provisionState ?? 'unknown';
}

/** Return what is wrong with a host, its cause first; '' for nothing. */
export function trouble({ status }) {
  return status.problem ?? status.lastErrorCause ?? status.lastError ?? '';
}

export function needsAttention(host) {
  const { status } = host;
  return !!(status.maintenance || trouble(host) || status.power === 'error'
    || status.bootMedium || /fail|error/.test(status.provisionState ?? ''));
}

/** What is shown by the "Show" control. */
export const KINDS = {
  all: { text: 'All hosts', test: () => true },
  attention: { text: 'Need attention', test: needsAttention },
  assigned: {
    text: 'With an ISO',
    test: (host) => (host.spec.image ?? LOCAL_BOOT) !== LOCAL_BOOT,
  },
  on: {
    text: 'Switched on', test: (host) => host.status.power === 'power on',
  },
  off: {
    text: 'Switched off', test: (host) => host.status.power === 'power off',
  },
};

/** By what hosts are sorted: the columns that have a key. */
export const KEYS = {
  host: (host) => host.metadata.name,
  mac: (host) => host.status.macs[0] ?? '',
  iso: (host) => host.spec.image ?? '',
  config: (host) => host.spec.bootConfigRef ?? '',
  power: (host) => host.status.power ?? '',
  state: stateOf,
};

const texts = new WeakMap();

/** Return all words of a host that are searched. */
function textOf(host) {
  let text = texts.get(host);
  if (text === undefined) {
    const { metadata, spec, status } = host;
    text = [
      metadata.name, metadata.namespace, metadata.uid, ...status.macs,
      ...status.ips, spec.image, spec.bootConfigRef, stateOf(host),
      status.provisionState, status.power, status.driver, status.owner,
      status.lessee, status.problem, status.lastError,
      status.bootMedium?.error, status.dataImage?.phase,
    ].filter(Boolean).join('\n').toLowerCase();
    texts.set(host, text);
  }
  return text;
}

/**
 * Return a test for hosts.
 *
 * @param {{q: string, show: string, state: string, iso: string,
 *     config: string}} wanted '' for what is not asked for.
 */
export function test({ q, show, state, iso, config }) {
  // MACs are written with dashes, too.
  const words = q.toLowerCase().split(/\s+/).filter(Boolean).map(
    (word) => [word, word.replaceAll('-', ':')]);
  const kind = (KINDS[show] ?? KINDS.all).test;
  return (host) => kind(host)
    && (!state || stateOf(host) === state)
    && (!iso || (host.spec.image ?? LOCAL_BOOT) === iso)
    && (!config || host.spec.bootConfigRef === config)
    && (!words.length || words.every(([word, other]) => (
      textOf(host).includes(word) || textOf(host).includes(other))));
}

/** Return hosts sorted by a key, 'name' or '-name' for the other way. */
export function sorted(hosts, order) {
  const key = KEYS[order.replace(/^-/, '')] ?? KEYS.host;
  const sign = order.startsWith('-') ? -1 : 1;
  return hosts.map((host) => [key(host), host.metadata.name, host]).sort(
    (one, other) => sign * compare(one[0], other[0])
      || compare(one[1], other[1])).map(([, , host]) => host);
}

/** Return the different values of a key, with how many hosts have each. */
export function values(hosts, key) {
  const found = new Map();
  for (const host of hosts) {
    const value = key(host);
    if (value) {
      found.set(value, (found.get(value) ?? 0) + 1);
    }
  }
  return [...found].sort(([one], [other]) => compare(one, other));
}
