// SPDX-License-Identifier: Apache-2.0

// The configs: a list, and below "#/configs/NAME" the editor of one.

import * as api from './api.js';
import { configs, hosts, isos } from './collection.js';
import { editor } from './config_editor.js';
import { confirm } from './dialogs.js';
import * as dom from './dom.js';
import { tell } from './notices.js';

const { element } = dom;

async function remove(config) {
  const { name } = config.metadata;
  const gone = await confirm({
    title: `Delete ${name}?`, action: 'Delete', danger: true,
    text: 'Its files go, too.',
    submit: async () => {
      await api.remove(api.path('bootconfigs', name));
      return true;
    },
  });
  if (gone) {
    tell(`${name} is deleted.`);
  }
}

function makeRow(config) {
  const { metadata: { name }, spec } = config;
  const files = Object.keys(spec.data ?? {}).map((file) => (
    spec.primary === file ? `${file} (primary)` : file));
  const fits = [...isos.items.values()].filter((iso) => (
    iso.spec.bootConfigs?.includes(name))).map((iso) => iso.metadata.name);
  const users = [...hosts.items.values()].filter((host) => (
    host.spec.bootConfigRef === name)).length;
  const address = `#/configs/${encodeURIComponent(name)}`;
  return element('tr', {},
    element('th', { scope: 'row' }, element('a', { href: address }, name)),
    element('td', { 'data-label': 'Format' }, spec.format),
    element('td.lines', { 'data-label': 'Files' }, files.join('\n')),
    element('td', { 'data-label': 'Template' },
      spec.template ? 'yes' : '–'),
    element('td', { 'data-label': 'Shared' },
      spec.shared ? 'yes' : spec.project || 'no'),
    element('td.lines', { 'data-label': 'Fits' }, fits.join('\n') || '–'),
    element('td.number', { 'data-label': 'Hosts' },
      users ? users.toLocaleString('en') : '–'),
    element('td.actions', { 'data-label': 'Actions' },
      element('a.button', { href: address, 'aria-label': `Edit ${name}` },
        'Edit'),
      element('button', {
        type: 'button', click: () => remove(configs.get(name) ?? config),
        'aria-label': `Delete ${name}`,
      }, 'Delete')));
}

function listView() {
  const rows = new Map();
  const summary = element('span', { role: 'status' });
  const body = element('tbody');
  const empty = element('p.empty');
  const table = element('table', {},
    element('caption.hidden', {}, 'Configs of the catalog'),
    element('thead', {}, element('tr', {}, ...['Name', 'Format', 'Files',
      'Template', 'Shared', 'Fits', 'Hosts', 'Actions'].map((text) => element(
      'th', { scope: 'col' }, text)))), body);

  function render() {
    const found = [...configs.items.values()].sort((one, other) => (
      one.metadata.name.localeCompare(other.metadata.name, 'en', {
        numeric: true })));
    dom.arrange(body, found.map((config) => {
      const { name } = config.metadata;
      const made = makeRow(config);
      const old = rows.get(name);
      // The same text means the same row: the focus stays.
      if (!old || old.textContent !== made.textContent) {
        rows.set(name, made);
      }
      return rows.get(name);
    }));
    for (const name of rows.keys()) {
      if (!configs.get(name)) {
        rows.delete(name);
      }
    }
    table.hidden = !found.length;
    empty.hidden = !!found.length;
    dom.setText(empty, configs.loaded ? 'There are no configs yet. '
      + 'What is added here fits the ISOs that list it.'
      : configs.waiting('configs'));
    dom.setText(summary, configs.loaded
      ? dom.count(found.length, 'config') : '');
  }

  const used = [configs, isos, hosts];
  used.forEach((collection) => {
    collection.start();
    collection.addEventListener('change', render);
  });
  render();
  return {
    node: element('section', { 'aria-labelledby': 'view-title' },
      element('div.bar', {}, element('h1', { id: 'view-title' }, 'Configs'),
        summary, element('div.tools', {}, element('a.button.primary',
          { href: '#/configs/+new' }, 'New config'))),
      table, empty),
    close() {
      used.forEach((collection) => {
        collection.stop();
        collection.removeEventListener('change', render);
      });
    },
  };
}

/** The view. "+" is in no name, so "+new" is none. */
export function configsView([name]) {
  if (!name) {
    return listView();
  }
  return editor(name === '+new' ? '' : name);
}
