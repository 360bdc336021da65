// SPDX-License-Identifier: Apache-2.0

// The ISOs: where they come from, what they contain, which configs fit.

import * as address from './address.js';
import * as api from './api.js';
import { configs, hosts, isos } from './collection.js';
import { confirm, show } from './dialogs.js';
import * as dom from './dom.js';
import { facts } from './host_details.js';
import { complain, tell } from './notices.js';
import * as uploads from './uploads.js';

const { element } = dom;
const NAME = '[A-Za-z0-9._\\-]+';
const TONES = {
  Ready: 'good', Error: 'bad', Uploading: 'busy', Fetching: 'busy',
};

/** Return the phase in a word; what comes by URL is not uploaded. */
function phaseOf({ spec, status }) {
  return spec.url && status.phase === 'Uploading' ? 'Fetching' : status.phase;
}

/** Fetch an ISO again, or stop fetching it. */
async function fetching(iso, method, said) {
  const { name } = iso.metadata;
  try {
    isos.note(await method(`${api.path('iscsi-cdroms', name)}/fetch`));
    tell(`${name}: ${said}.`);
  } catch (error) {
    complain(`${name}: ${error.message}`);
  }
}

function named(collection) {
  return [...collection.items.values()].sort((one, other) => (
    one.metadata.name.localeCompare(other.metadata.name, 'en', {
      numeric: true })));
}

function countUsers(name) {
  return [...hosts.items.values()].filter((host) => host.spec.image === name)
    .length;
}

/** Say how many hosts have an ISO, and lead to them. */
function usersOf(name) {
  const number = countUsers(name);
  return number ? element('a', {
    href: address.format('hosts', [], { iso: name }),
  }, dom.count(number, 'host')) : 'none';
}

/** Make the checkboxes of the configs that fit. */
function configBoxes(chosen) {
  const names = new Set([
    ...named(configs).map((config) => config.metadata.name), ...chosen]);
  const boxes = [...names].map((name) => element('input', {
    type: 'checkbox', value: name, checked: chosen.includes(name),
  }));
  const group = element('fieldset', {},
    element('legend', {}, 'Configs that fit it'),
    names.size ? element('div.boxes', {}, ...boxes.map((box) => element(
      'label.option', {}, box, element('span', {}, box.value))))
      : element('p', {}, 'There are no configs yet.'));
  return {
    group,
    // In the order they were in, new ones last.
    get value() {
      const now = boxes.filter((box) => box.checked).map((box) => box.value);
      return [...chosen.filter((name) => now.includes(name)),
        ...now.filter((name) => !chosen.includes(name))];
    },
  };
}

function fileInput() {
  return element('input', {
    type: 'file', accept: '.iso,application/x-cd-image', required: true,
  });
}

/** Add an ISO by upload or by URL. */
async function add(byUrl) {
  const name = element('input', {
    required: true, pattern: NAME, maxlength: '253', spellcheck: 'false',
    autocomplete: 'off',
    title: 'Letters, digits, ".", "_" and "-"',
  });
  const source = byUrl ? element('input', {
    type: 'url', required: true, placeholder: 'https://',
  }) : fileInput();
  const checksum = element('input', {
    spellcheck: 'false', autocomplete: 'off', placeholder: 'sha256:…',
  });
  const description = element('input', { autocomplete: 'off' });
  const boxes = configBoxes([]);
  source.addEventListener('change', () => {
    if (!name.value) {
      const found = byUrl ? source.value.split(/[/?#]/).filter((part) => (
        part.endsWith('.iso'))).pop() : source.files[0]?.name;
      name.value = (found ?? '').replace(/\.iso$/i, '')
        .replace(/[^A-Za-z0-9._-]+/g, '-').replace(/^[.-]+/, '');
    }
  });
  await show({
    title: byUrl ? 'Add an ISO by URL' : 'Upload an ISO',
    action: byUrl ? 'Add' : 'Upload',
    content: [
      dom.field(byUrl ? 'URL' : 'File', source, byUrl
        ? 'The boot server fetches it; without user and password.' : ''),
      dom.field('Name', name),
      dom.field('Checksum (optional)', checksum,
        'sha256:<hex>, sha512:<hex>, or the URL of a checksum file'),
      dom.field('Description (optional)', description),
      boxes.group,
    ],
    submit: async () => {
      const spec = { bootConfigs: boxes.value };
      if (byUrl) {
        spec.url = source.value;
      } else {
        spec.isoFile = `${name.value}.iso`;
      }
      for (const [key, input] of [['checksum', checksum],
        ['description', description]]) {
        if (input.value.trim()) {
          spec[key] = input.value.trim();
        }
      }
      isos.note(await api.post('iscsi-cdroms', {
        apiVersion: 'v1', kind: 'ISCSICdrom',
        metadata: { name: name.value }, spec,
      }));
      if (!byUrl) {
        uploads.start(name.value, source.files[0]);
      }
      return true;
    },
  });
}

/** Upload the content of an ISO that has none yet. */
async function upload(iso) {
  const { name } = iso.metadata;
  const source = fileInput();
  const had = await uploads.received(name).catch(() => 0);
  const goOn = element('input', { type: 'checkbox', checked: true });
  await show({
    title: `Upload ${name}`, action: 'Upload',
    content: [dom.field('File', source), ...(had ? [element(
      'label.option', {}, goOn, element('span', {},
        `Go on after ${dom.size(had)} that came already`,
        element('small', {}, 'Choose the same file as before.')))] : [])],
    submit: async () => {
      const [file] = source.files;
      const offset = had && goOn.checked ? had : 0;
      if (offset >= file.size) {
        throw new Error('That file is smaller than what came already: it '
          + 'is another one.');
      }
      uploads.start(name, file, offset);
      return true;
    },
  });
}

/** Show what an ISO contains, and change what is said of it. */
async function edit(iso) {
  const { metadata, spec, status } = iso;
  const description = element('input', {
    value: spec.description ?? '', autocomplete: 'off',
  });
  const url = spec.url ? element('input', {
    type: 'url', required: true, value: spec.url,
  }) : null;
  const checksum = element('input', {
    value: spec.checksum ?? '', spellcheck: 'false', autocomplete: 'off',
  });
  const boxes = configBoxes(spec.bootConfigs ?? []);
  const shared = element('input', {
    type: 'checkbox', checked: !!spec.shared,
  });
  const saved = await show({
    title: metadata.name, action: 'Save', wide: true,
    content: [
      facts([
        ['Phase', phaseOf(iso)], ['Error', status.error],
        ['Size', status.isoSize ? `${dom.size(status.isoSize)} (${
          status.isoSize.toLocaleString('en')} bytes)` : ''],
        ['Volume', status.volumeId],
        ['System', status.system],
        ['Boots by', status.bootLoaders?.map(dom.firmware).join(', ')],
        ['By itself', status.bootPaths?.map(dom.firmware).join('\n')],
        ['Digest', status.digest],
        ['File', spec.isoFile],
        ['Project', spec.project],
        ['iSCSI target', status.targetIQN],
        ['Portal', status.portalIP ? `${status.portalIP}:${
          status.portalPort ?? 3260}, LUN ${status.lun ?? 0}` : ''],
        ['Hosts', usersOf(metadata.name)],
      ]),
      ...(url ? [dom.field('URL', url)] : []),
      dom.field('Checksum', checksum),
      dom.field('Description', description),
      element('label.option', {}, shared, element('span', {}, 'Shared',
        element('small', {}, 'Every project may use it'))), boxes.group,
    ],
    submit: async () => {
      isos.note(await api.patch(api.path('iscsi-cdroms', metadata.name), {
        spec: {
          ...(url ? { url: url.value } : {}),
          ...(shared.checked === !!spec.shared ? {}
            : { shared: shared.checked }),
          checksum: checksum.value.trim() || null,
          description: description.value.trim() || null,
          bootConfigs: boxes.value.length ? boxes.value : null,
        },
      }, metadata.resourceVersion));
      return true;
    },
  });
  if (saved) {
    tell(`${metadata.name} is changed.`);
  }
}

async function remove(iso) {
  const { name } = iso.metadata;
  const gone = await confirm({
    title: `Delete ${name}?`, action: 'Delete', danger: true,
    text: !iso.spec.isoFile ? 'It can be fetched again by its URL.'
      : iso.status.phase === 'Pending' ? 'Nothing was uploaded to it yet.'
        : 'Its file goes, too.',
    submit: async () => {
      await api.remove(api.path('iscsi-cdroms', name));
      return true;
    },
  });
  if (gone) {
    tell(`${name} is deleted.`);
  }
}

/** A row, which keeps its elements while the ISO changes. */
class Row {
  constructor(iso) {
    const button = (text, work) => element('button', {
      type: 'button', click: () => work(this.iso),
    }, text);
    this.name = element('button.link', {
      type: 'button', click: () => edit(this.iso),
    });
    this.description = element('small');
    this.phase = element('span');
    this.error = element('small.error-text');
    this.progress = element('progress', { max: '1' });
    this.progressText = element('small');
    this.size = element('td.number', { 'data-label': 'Size' });
    this.contents = element('td', { 'data-label': 'Contents' });
    this.configs = element('td', { 'data-label': 'Configs' });
    this.hosts = element('td.number', { 'data-label': 'Hosts' });
    this.upload = button('Upload', upload);
    this.stop = element('button', {
      type: 'button',
      click: () => uploads.of(this.iso.metadata.name)?.cancel(),
    }, 'Stop');
    this.again = button('Fetch again', () => fetching(
      this.iso, api.post, 'it is fetched again'));
    this.halt = button('Stop', () => fetching(
      this.iso, async (target) => (await api.remove(target)).json(),
      'fetching it is stopped'));
    this.edit = button('Edit', edit);
    this.remove = button('Delete', remove);
    this.actions = element('td.actions', { 'data-label': 'Actions' });
    this.node = element('tr', {},
      element('th', { scope: 'row' }, this.name, this.description),
      element('td', { 'data-label': 'Phase' }, this.phase, this.progress,
        this.progressText, this.error),
      this.size, this.contents, this.configs, this.hosts, this.actions);
    this.update(iso);
  }

  update(iso) {
    this.iso = iso;
    const { metadata: { name }, spec, status } = iso;
    dom.setText(this.name, name);
    dom.setText(this.description, spec.description ?? '');
    const phase = phaseOf(iso);
    dom.setBadge(this.phase, phase, TONES[phase] ?? 'calm');
    dom.setText(this.error, status.error ?? '');
    dom.setText(this.size, dom.size(status.isoSize));
    dom.setText(this.contents, [status.volumeId,
      ...(status.bootLoaders ?? []).map(dom.firmware)].filter(Boolean).join('\n'));
    dom.setText(this.configs, (spec.bootConfigs ?? []).join('\n')
      || 'takes none');
    const users = countUsers(name);
    dom.setText(this.hosts, users ? users.toLocaleString('en') : '–');
    for (const each of [this.upload, this.stop, this.again, this.halt,
      this.edit, this.remove]) {
      dom.setAttribute(each, 'aria-label', `${each.textContent} ${name}`);
    }
    const upload = uploads.of(name);
    const going = upload ?? (phase === 'Fetching' && {
      sent: status.received ?? 0, total: status.isoSize,
    });
    this.progress.hidden = !going?.total;
    dom.setAttribute(this.progress, 'aria-label', `${
      upload ? 'Upload' : 'Fetching'} of ${name}`);
    if (going) {
      this.progress.value = going.sent / (going.total || 1);
    }
    if (upload) {
      dom.setBadge(this.phase, upload.sent < upload.total ? 'Uploading'
        : 'Checking', 'busy');
    }
    dom.setText(this.progressText, !going ? '' : dom.size(going.sent)
      + (going.total ? ` of ${dom.size(going.total)}` : ''));
    dom.arrange(this.actions, upload ? [this.stop] : [
      ...(spec.isoFile && status.phase !== 'Ready' ? [this.upload] : []),
      ...(phase === 'Fetching' ? [this.halt] : []),
      ...(spec.url && phase === 'Error' ? [this.again] : []),
      this.edit, this.remove]);
  }
}

/** The view. */
export function isosView() {
  const rows = new Map();
  const summary = element('span', { role: 'status' });
  const body = element('tbody');
  const empty = element('p.empty');
  const table = element('table', {},
    element('caption.hidden', {}, 'ISOs of the catalog'),
    element('thead', {}, element('tr', {}, ...['Name', 'Phase', 'Size',
      'Contents', 'Configs', 'Hosts', 'Actions'].map((text) => element(
      'th', { scope: 'col' }, text)))), body);

  function render() {
    const found = named(isos);
    dom.arrange(body, found.map((iso) => {
      const { name } = iso.metadata;
      if (rows.has(name)) {
        rows.get(name).update(iso);
      } else {
        rows.set(name, new Row(iso));
      }
      return rows.get(name).node;
    }));
    for (const name of rows.keys()) {
      if (!isos.get(name)) {
        rows.delete(name);
      }
    }
    table.hidden = !found.length;
    empty.hidden = !!found.length;
    dom.setText(empty, isos.loaded
      ? 'There are no ISOs yet: upload one, or add one by its URL.'
      : isos.waiting('ISOs'));
    dom.setText(summary, isos.loaded ? dom.count(found.length, 'ISO') : '');
  }

  const used = [isos, configs, hosts];
  used.forEach((collection) => collection.start());
  isos.addEventListener('change', render);
  hosts.addEventListener('change', render);
  uploads.events.addEventListener('change', render);
  render();
  return {
    node: element('section', { 'aria-labelledby': 'view-title' },
      element('div.bar', {}, element('h1', { id: 'view-title' }, 'ISOs'),
        summary, element('div.tools', {},
          element('button.primary', { type: 'button',
            click: () => add(false) }, 'Upload an ISO'),
          element('button', { type: 'button', click: () => add(true) },
            'Add by URL'))),
      table, empty),
    close() {
      used.forEach((collection) => collection.stop());
      isos.removeEventListener('change', render);
      hosts.removeEventListener('change', render);
      uploads.events.removeEventListener('change', render);
    },
  };
}
