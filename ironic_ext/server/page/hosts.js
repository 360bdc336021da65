// SPDX-License-Identifier: Apache-2.0

// The hosts: finding them, selecting them, and a row for each that is shown.

import * as address from './address.js';
import { imageText, LOCAL_BOOT } from './assignment.js';
import { bulkActions } from './bulk.js';
import { configs, hosts, isos } from './collection.js';
import * as dom from './dom.js';
import { showHost } from './host_details.js';
import { readCatalog, Row } from './host_row.js';
import * as search from './host_search.js';
import { complain } from './notices.js';

const { element } = dom;
const VIEW = 'hosts';
const ROWS = 50;

const COLUMNS = [
  { title: 'Host', key: 'host' }, { title: 'MAC', key: 'mac' },
  { title: 'ISO', key: 'iso' }, { title: 'Config', key: 'config' },
  { title: 'Power', key: 'power' }, { title: 'State', key: 'state' },
  { title: 'Actions' },
];

/** Controls that choose from what the hosts have: names and their keys. */
const CHOICES = {
  state: { label: 'State', all: 'Any state', key: search.stateOf },
  iso: {
    label: 'ISO', all: 'Any ISO', text: imageText,
    key: (host) => host.spec.image ?? LOCAL_BOOT,
  },
  config: {
    label: 'Config', all: 'Any config',
    key: (host) => host.spec.bootConfigRef,
  },
};

/**
 * The view.
 *
 * @param {string[]} path namespace and name of a host to open.
 * @param {URLSearchParams} query how hosts are found, sorted and paged.
 */
export function hostsView(path, query) {
  const rows = new Map();
  const selected = new Map();
  const wanted = {};
  let page = 0;
  let toOpen = null;
  // Namespace and name of the host whose details are shown.
  let opened = [];
  // All hosts in their order; null when that is to be found anew.
  let ordered = null;
  let found = [];

  const q = element('input', {
    type: 'search', placeholder: 'Name, MAC, IP, ISO, error …',
    spellcheck: 'false', input: () => choose('q', q.value),
  });
  const show = element('select', {
    change: () => choose('show', show.value),
  }, ...Object.entries(search.KINDS).map(([value, { text }]) => element(
    'option', { value }, text)));
  const choices = Object.fromEntries(Object.keys(CHOICES).map((name) => [
    name, element('select', {
      change: (event) => choose(name, event.target.value),
    })]));
  const heads = COLUMNS.map((column) => element('th', { scope: 'col' },
    column.key ? element('button.sort', {
      type: 'button', click: () => sort(column.key),
    }, column.title) : column.title));
  const every = element('input', {
    type: 'checkbox', 'aria-label': 'Select all hosts that are found',
    change: () => selectEvery(every.checked),
  });
  const body = element('tbody');
  const table = element('table.hosts', {},
    element('caption.hidden', {}, 'Hosts and what they boot'),
    element('thead', {}, element('tr', {},
      element('th.select', { scope: 'col' }, every), ...heads)), body);
  const empty = element('p.empty');
  const summary = element('span', { role: 'status' });
  const bulk = bulkActions({
    chosen: () => [...selected.values()],
    clear: () => { selected.clear(); render(); },
  });
  const back = element('button', {
    type: 'button', click: () => turn(page - 1),
  }, '← Previous');
  const on = element('button', {
    type: 'button', click: () => turn(page + 1),
  }, 'Next →');
  const where = element('span');
  const pages = element('nav.pages', { 'aria-label': 'Pages of hosts' },
    back, where, on);

  /** Take from an address what is to be shown. */
  function read(to, parameters) {
    for (const name of ['q', 'show', 'state', 'iso', 'config', 'sort']) {
      wanted[name] = parameters.get(name) ?? '';
    }
    q.value = wanted.q;
    show.value = wanted.show in search.KINDS ? wanted.show : 'all';
    page = Math.max(
      0, (Number.parseInt(parameters.get('page'), 10) || 1) - 1);
    toOpen = to.length === 2 ? to : null;
    opened = [];
    ordered = null;
  }

  function choose(name, value) {
    wanted[name] = value;
    turn(0);
  }

  function sort(key) {
    wanted.sort = wanted.sort === key || (key === 'host' && !wanted.sort)
      ? `-${key}` : key;
    ordered = null;
    turn(page);
  }

  function turn(to) {
    page = to;
    render();
    note();
  }

  /** Put into the address what is shown. */
  function note(put = address.replace) {
    put(VIEW, opened, {
      ...wanted, show: wanted.show === 'all' ? '' : wanted.show,
      sort: wanted.sort === 'host' ? '' : wanted.sort,
      page: page ? String(page + 1) : '',
    });
  }

  /** Show the details of a host, to which the address leads, or is to. */
  async function open(host, put = address.push) {
    const own = [host.metadata.namespace, host.metadata.name];
    opened = own;
    note(put);
    await showHost(host);
    if (opened !== own) {
      // Another address has closed them.
      return;
    }
    opened = [];
    if (!address.leave()) {
      note();
    }
  }

  /** Open what the address names, once it is there. */
  function openNamed() {
    if (!toOpen) {
      return;
    }
    const [namespace, name] = toOpen;
    const host = hosts.get(name, namespace);
    if (host || hosts.loaded) {
      toOpen = null;
    }
    if (host) {
      open(host, address.replace);
    } else if (hosts.loaded) {
      complain(`There is no host ${name} that you may see.`);
      note();
    }
  }

  function select(host, is) {
    if (is) {
      selected.set(host.metadata.uid, host);
    } else {
      selected.delete(host.metadata.uid);
    }
    renderSelection();
  }

  function selectEvery(is) {
    for (const host of found) {
      if (is) {
        selected.set(host.metadata.uid, host);
      } else {
        selected.delete(host.metadata.uid);
      }
    }
    render();
  }

  function renderSelection() {
    const count = found.filter(
      (host) => selected.has(host.metadata.uid)).length;
    every.checked = count > 0 && count === found.length;
    every.indeterminate = count > 0 && count < found.length;
    bulk.show(selected.size, selected.size - count);
  }

  /** Offer the values that there are; what is chosen stays. */
  function renderChoices() {
    for (const [name, { all, key, text }] of Object.entries(CHOICES)) {
      const there = search.values(hosts.items.values(), key);
      const chosen = wanted[name];
      if (chosen && !there.some(([value]) => value === chosen)) {
        there.push([chosen, 0]);
      }
      dom.setOptions(choices[name], [{ value: '', text: all },
        ...there.map(([value, count]) => ({
          value, text: `${(text ?? dom.cutUrls)(value)} (${count})`,
        }))], chosen);
    }
  }

  function rowOf(host) {
    const { uid } = host.metadata;
    let row = rows.get(uid);
    if (!row) {
      row = new Row(host, select, (shown) => open(shown));
      rows.set(uid, row);
    } else if (row.host !== host || row.stale) {
      row.stale = false;
      row.update(host);
    }
    row.selected.checked = selected.has(uid);
    return row.node;
  }

  function render() {
    ordered ??= search.sorted([...hosts.items.values()], wanted.sort);
    found = ordered.filter(search.test(wanted));
    const last = Math.max(0, Math.ceil(found.length / ROWS) - 1);
    if (hosts.loaded) {
      page = Math.max(0, Math.min(page, last));
    }
    const first = page * ROWS;
    dom.arrange(body, found.slice(first, first + ROWS).map(rowOf));
    forgetRows();
    const sorting = wanted.sort || 'host';
    heads.forEach((head, at) => dom.setAttribute(head, 'aria-sort',
      COLUMNS[at].key === sorting ? 'ascending'
        : `-${COLUMNS[at].key}` === sorting ? 'descending' : null));
    table.hidden = !found.length;
    empty.hidden = !!found.length;
    dom.setText(empty, !hosts.loaded ? hosts.waiting('hosts')
      : hosts.items.size ? 'No host fits the search.'
        : 'Ironic has no nodes yet. Enroll some, and they are here.');
    dom.setText(summary, !hosts.loaded ? '' : found.length === hosts.items.size
      ? dom.count(found.length, 'host')
      : `${found.length.toLocaleString('en')} of `
        + dom.count(hosts.items.size, 'host'));
    pages.hidden = last === 0;
    back.disabled = page === 0;
    on.disabled = page === last;
    dom.setText(where, `Page ${page + 1} of ${last + 1}`);
    renderSelection();
  }

  /** Drop the rows of hosts that are gone. */
  function forgetRows() {
    if (rows.size > 20 * ROWS || rows.size > hosts.items.size) {
      for (const [uid, row] of rows) {
        if (!row.node.isConnected && !row.draft) {
          rows.delete(uid);
        }
      }
    }
  }

  function hostsChanged({ detail }) {
    ordered = null;
    if (selected.size) {
      const there = new Map([...hosts.items.values()].map(
        (host) => [host.metadata.uid, host]));
      for (const uid of selected.keys()) {
        if (!there.has(uid)) {
          selected.delete(uid);
        } else {
          selected.set(uid, there.get(uid));
        }
      }
    }
    if (detail) {
      renderChoices();
    }
    render();
    openNamed();
  }

  function catalogChanged() {
    readCatalog();
    for (const row of rows.values()) {
      row.stale = true;
    }
    render();
  }

  read(path, query);
  const used = [hosts, isos, configs];
  hosts.addEventListener('change', hostsChanged);
  hosts.addEventListener('state', render);
  isos.addEventListener('change', catalogChanged);
  configs.addEventListener('change', catalogChanged);
  used.forEach((collection) => collection.start());
  readCatalog();
  renderChoices();
  render();
  return {
    node: element('section', { 'aria-labelledby': 'view-title' },
      element('div.bar', {},
        element('h1', { id: 'view-title' }, 'Hosts'), summary,
        element('div.tools.filters', {}, dom.field('Search', q),
          dom.field('Show', show),
          ...Object.entries(CHOICES).map(([name, { label }]) => dom.field(
            label, choices[name])))),
      bulk.node, table, empty, pages),
    shown: openNamed,
    go(to, parameters) {
      read(to, parameters);
      renderChoices();
      render();
      openNamed();
    },
    unsaved() {
      const names = [...rows.values()].filter(
        (row) => row.draft && !row.saving).map(
        (row) => row.host.metadata.name);
      return names.length ? 'What was chosen is lost of '
        + `${names.join(', ')}.` : '';
    },
    close() {
      opened = [];
      used.forEach((collection) => collection.stop());
      hosts.removeEventListener('change', hostsChanged);
      hosts.removeEventListener('state', render);
      isos.removeEventListener('change', catalogChanged);
      configs.removeEventListener('change', catalogChanged);
    },
  };
}
