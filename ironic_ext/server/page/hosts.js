// SPDX-License-Identifier: Apache-2.0

// The hosts: what each boots, its power and its state.

import * as api from './api.js';
import {
  assign, assigned, configOptions, fitting, isoOptions, LOCAL_BOOT, same,
} from './assignment.js';
import { configs, hosts, isos } from './collection.js';
import * as dom from './dom.js';
import { showHost } from './host_details.js';
import { complain, tell } from './notices.js';
import { powerBadge, powerButtons } from './power.js';

const { element } = dom;
const ROWS = 50;

const COLUMNS = [
  { title: 'Host', key: (host) => host.metadata.name },
  { title: 'MAC', key: (host) => host.status.macs[0] ?? '' },
  { title: 'ISO', key: (host) => host.spec.image ?? '' },
  { title: 'Config', key: (host) => host.spec.bootConfigRef ?? '' },
  { title: 'Power', key: (host) => host.status.power ?? '' },
  { title: 'State', key: (host) => host.status.provisionState ?? '' },
  { title: 'Actions' },
];

const FILTERS = {
  all: { text: 'All hosts', test: () => true },
  attention: { text: 'Need attention', test: needsAttention },
  assigned: {
    text: 'With an ISO',
    test: (host) => (host.spec.image ?? LOCAL_BOOT) !== LOCAL_BOOT,
  },
  on: { text: 'Switched on', test: (host) => host.status.power
    === 'power on' },
  off: { text: 'Switched off', test: (host) => host.status.power
    === 'power off' },
};

const collator = new Intl.Collator('en', { numeric: true });

function needsAttention(host) {
  const { status } = host;
  return !!(status.maintenance || status.lastError || status.problem
    || status.power === 'error'
    || /fail|error/.test(status.provisionState ?? ''));
}

function matches(host, words) {
  const text = [host.metadata.name, host.metadata.namespace,
    ...host.status.macs, ...host.status.ips].join(' ').toLowerCase();
  return words.every((word) => text.includes(word)
    || text.includes(word.replaceAll('-', ':')));
}

/** A row, which keeps its elements while the host changes. */
class Row {
  constructor(host) {
    this.draft = null;
    this.saving = false;
    this.name = element('button.link', {
      type: 'button', click: () => showHost(this.host),
    });
    this.namespace = element('small');
    this.macs = element('td.mono', { 'data-label': 'MAC' });
    this.image = element('select', {
      change: () => this.#chooseImage(this.image.value),
    });
    this.config = element('select', {
      change: () => this.#choose({ config: this.config.value }),
    });
    this.once = element('small.once', {}, 'once');
    this.power = element('span');
    this.powerNote = element('small');
    this.state = element('span');
    this.stateNote = element('small.error-text');
    this.save = element('button.primary', {
      type: 'button', click: () => this.#save(),
    }, 'Save');
    this.cancel = element('button', {
      type: 'button', click: () => this.#forget(true),
    }, 'Cancel');
    this.buttons = powerButtons(() => this.host);
    this.actions = element('td.actions', { 'data-label': 'Actions' });
    this.node = element('tr', {
      keydown: (event) => {
        if (event.key === 'Escape' && this.draft && !this.saving) {
          this.#forget(true);
        }
      },
    },
    element('th', { scope: 'row' }, this.name, this.namespace),
    this.macs,
    element('td', { 'data-label': 'ISO' }, this.image, this.once),
    element('td', { 'data-label': 'Config' }, this.config),
    element('td', { 'data-label': 'Power' }, this.power, this.powerNote),
    element('td', { 'data-label': 'State' }, this.state, this.stateNote),
    this.actions);
    this.update(host);
  }

  /** Show a host; keep what the operator is choosing. */
  update(host) {
    const before = this.host;
    this.host = host;
    if (this.draft && !this.saving && before
        && !same(assigned(before), assigned(host))) {
      this.draft = null;
      complain(`${host.metadata.name} was changed by somebody else: it has `
        + `${described(assigned(host))} now.`);
    }
    this.render();
  }

  render() {
    const { metadata, status } = this.host;
    const now = assigned(this.host);
    const shown = this.draft ?? now;
    dom.setText(this.name, metadata.name);
    dom.setText(this.namespace, metadata.namespace === 'default' ? ''
      : metadata.namespace);
    dom.setText(this.macs, status.macs.join('\n'));
    dom.setOptions(this.image, isoOptions(offered.isos, shown.image),
      shown.image);
    const names = fitting(shown.image, isos.get(shown.image), offered.names);
    dom.setOptions(this.config, configOptions(
      names, configs.loaded ? offered.known : new Set(names),
      shown.config, !!status.inlineConfig), shown.config);
    this.config.disabled = (names === null && !shown.config) || this.saving;
    this.image.disabled = this.saving;
    dom.setAttribute(this.image, 'aria-label', `ISO of ${metadata.name}`);
    dom.setAttribute(this.config, 'aria-label',
      `Config of ${metadata.name}`);
    this.once.hidden = now.mode !== 'once';
    dom.setText(this.once, status.bootCompletedAt ? 'once: done' : 'once');
    const power = powerBadge(status);
    dom.setBadge(this.power, power.text, power.tone);
    dom.setText(this.powerNote, power.note);
    const state = status.provisionState ?? 'unknown';
    dom.setBadge(this.state, status.maintenance ? 'maintenance' : state,
      status.maintenance ? 'warn' : stateTone(state));
    const trouble = status.problem ?? status.lastError ?? '';
    dom.setText(this.stateNote, trouble);
    dom.setAttribute(this.stateNote, 'title', trouble || null);
    this.#renderActions();
  }

  #renderActions() {
    this.node.classList.toggle('draft', this.draft !== null);
    this.save.disabled = this.saving;
    this.cancel.disabled = this.saving;
    dom.setText(this.save, this.saving ? 'Saving…' : 'Save');
    dom.setAttribute(this.save, 'aria-label',
      `Save ${this.host.metadata.name}`);
    dom.setAttribute(this.cancel, 'aria-label',
      `Cancel the change of ${this.host.metadata.name}`);
    dom.arrange(this.actions, this.draft ? [this.save, this.cancel]
      : this.buttons.shown(this.host));
  }

  /** Choose an ISO; a config that does not fit it goes. */
  #chooseImage(image) {
    const { config } = this.draft ?? assigned(this.host);
    const names = fitting(image, isos.get(image), offered.names);
    this.#choose({ image, config: names?.includes(config) ? config : '' });
  }

  #choose(change) {
    const now = assigned(this.host);
    const wanted = { ...(this.draft ?? now), ...change };
    this.draft = same(wanted, now) ? null : wanted;
    this.render();
  }

  #forget(refocus) {
    const inside = this.actions.contains(document.activeElement);
    this.draft = null;
    this.render();
    if (refocus && inside) {
      this.image.focus();
    }
  }

  async #save() {
    const wanted = this.draft;
    const inside = this.actions.contains(document.activeElement);
    this.saving = true;
    this.render();
    try {
      this.host = await assign(this.host, wanted);
      tell(`${this.host.metadata.name} has ${described(wanted)} now.`);
    } catch (error) {
      complain(`${this.host.metadata.name} is not changed: `
        + error.message);
    }
    this.host = hosts.get(this.host.metadata.name,
      this.host.metadata.namespace) ?? this.host;
    this.saving = false;
    this.draft = null;
    this.render();
    if (inside) {
      this.image.focus();
    }
  }
}

function described({ image, config }) {
  return config ? `${image} with ${config}` : image;
}

function stateTone(state) {
  if (/fail|error/.test(state)) {
    return 'bad';
  }
  if (state === 'active') {
    return 'good';
  }
  return /ing$|wait/.test(state) ? 'busy' : 'calm';
}

/** What all rows choose from, sorted once. */
const offered = { isos: [], names: [], known: new Set() };

function readCatalog() {
  offered.isos = [...isos.items.values()].sort((one, other) => (
    collator.compare(one.metadata.name, other.metadata.name)));
  offered.names = [...configs.items.values()].map((config) => (
    config.metadata.name)).sort(collator.compare);
  offered.known = new Set(offered.names);
}

/** The view. */
export function hostsView() {
  const rows = new Map();
  let page = 0;
  let sorting = { column: COLUMNS[0], down: false };

  const search = element('input', {
    type: 'search', placeholder: 'Name, MAC or IP', spellcheck: 'false',
    input: () => { page = 0; render(); },
  });
  const filter = element('select', {
    change: () => { page = 0; render(); },
  }, ...Object.entries(FILTERS).map(([value, { text }]) => element(
    'option', { value }, text)));
  const heads = COLUMNS.map((column) => element('th', { scope: 'col' },
    column.key ? element('button.sort', {
      type: 'button', click: () => sort(column),
    }, column.title) : column.title));
  const body = element('tbody');
  const table = element('table.hosts', {},
    element('caption.hidden', {}, 'Hosts and what they boot'),
    element('thead', {}, element('tr', {}, ...heads)), body);
  const empty = element('p.empty');
  const summary = element('span', { role: 'status' });
  const back = element('button', {
    type: 'button', click: () => { page -= 1; render(); },
  }, '← Previous');
  const on = element('button', {
    type: 'button', click: () => { page += 1; render(); },
  }, 'Next →');
  const where = element('span');
  const pages = element('nav.pages', { 'aria-label': 'Pages of hosts' },
    back, where, on);

  function sort(column) {
    sorting = {
      column, down: sorting.column === column && !sorting.down,
    };
    render();
  }

  function render() {
    const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    const { test } = FILTERS[filter.value];
    const found = [...hosts.items.values()].filter(
      (host) => test(host) && matches(host, words));
    const { key } = sorting.column;
    const sign = sorting.down ? -1 : 1;
    found.sort((one, other) => sign * collator.compare(key(one), key(other))
      || collator.compare(one.metadata.name, other.metadata.name));
    const last = Math.max(0, Math.ceil(found.length / ROWS) - 1);
    page = Math.max(0, Math.min(page, last));
    const first = page * ROWS;
    dom.arrange(body, found.slice(first, first + ROWS).map((host) => {
      const { uid } = host.metadata;
      const row = rows.get(uid);
      if (!row) {
        rows.set(uid, new Row(host));
      } else if (row.host !== host || row.stale) {
        row.stale = false;
        row.update(host);
      }
      return rows.get(uid).node;
    }));
    forgetRows();
    heads.forEach((head, at) => dom.setAttribute(
      head, 'aria-sort', COLUMNS[at] !== sorting.column ? null
        : sorting.down ? 'descending' : 'ascending'));
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

  function catalogChanged() {
    readCatalog();
    for (const row of rows.values()) {
      row.stale = true;
    }
    render();
  }

  const used = [hosts, isos, configs];
  hosts.addEventListener('change', render);
  hosts.addEventListener('state', render);
  isos.addEventListener('change', catalogChanged);
  configs.addEventListener('change', catalogChanged);
  used.forEach((collection) => collection.start());
  readCatalog();
  render();
  return {
    node: element('section', { 'aria-labelledby': 'view-title' },
      element('div.bar', {},
        element('h1', { id: 'view-title' }, 'Hosts'), summary,
        element('div.tools', {}, dom.field('Search', search),
          dom.field('Show', filter))),
      table, empty, pages),
    close() {
      used.forEach((collection) => collection.stop());
      hosts.removeEventListener('change', render);
      hosts.removeEventListener('state', render);
      isos.removeEventListener('change', catalogChanged);
      configs.removeEventListener('change', catalogChanged);
    },
  };
}
