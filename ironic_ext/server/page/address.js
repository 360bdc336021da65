// SPDX-License-Identifier: Apache-2.0

// What the address of the page says: the view, one thing of it, and how the
// view is filtered. A reload, a bookmark and a colleague get the same.

/**
 * Read an address, such as '#/hosts/default/web1?show=attention'.
 *
 * @returns {{view: string, path: string[], query: URLSearchParams}}
 */
export function parse(hash) {
  const [path, query = ''] = hash.replace(/^#\/?/, '').split(/\?(.*)/s);
  const [view, ...rest] = path.split('/').map((part) => {
    try {
      return decodeURIComponent(part);
    } catch {
      return part;
    }
  });
  return { view, path: rest, query: new URLSearchParams(query) };
}

/** Write an address; what is empty is left out. */
export function format(view, path = [], query = {}) {
  const parts = Object.entries(query).filter(([, value]) => value)
    .map((pair) => pair.map(encodeURIComponent).join('='));
  return `#/${[view, ...path].map(encodeURIComponent).join('/')}`
    + (parts.length ? `?${parts.join('&')}` : '');
}

// Entries of the browser's history are numbered, so that one can be gone back
// to: by its number, since a browser tells neither where it went nor how far.
let at = 0;
let shown = 0;
let hash = window.location.hash;

function number() {
  if (history.state?.at === undefined) {
    // Entered or followed; the same once more takes the place of itself.
    at += window.location.hash === hash ? 0 : 1;
    history.replaceState({ at }, '');
  }
  ({ at } = history.state);
  ({ hash } = window.location);
}

window.addEventListener('popstate', number);
number();
shown = at;

/** Whether what is shown is not what the address says. */
export function hasMoved() {
  number();
  return at !== shown;
}

/** Note that what the address says is shown. */
export function settle() {
  number();
  shown = at;
}

/** Go to the address of what is shown. */
export function restore() {
  if (hasMoved()) {
    history.go(shown - at);
  }
}

/** Change the address of what is shown. */
export function replace(view, path, query) {
  history.replaceState(history.state, '', format(view, path, query));
  ({ hash } = window.location);
}

/** Show another address, from which the browser leads back to this one. */
export function push(view, path, query) {
  history.pushState({ at: at + 1, isPushed: true }, '',
    format(view, path, query));
  settle();
}

/** Leave an address by the way that led to it; false for none. */
export function leave() {
  if (history.state?.isPushed) {
    history.back();
    return true;
  }
  return false;
}
