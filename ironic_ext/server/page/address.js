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

/** Show another address for the view that is shown. */
export function replace(view, path, query) {
  history.replaceState(null, '', format(view, path, query));
}
