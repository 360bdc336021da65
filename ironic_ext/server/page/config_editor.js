// SPDX-License-Identifier: Apache-2.0

// The editor of a config: its files, and what is wrong in which line.

import * as api from './api.js';
import { hosts } from './collection.js';
import { conflict, preview } from './config_dialogs.js';
import * as dom from './dom.js';
import { complain, tell } from './notices.js';
import { toYaml } from './yaml.js';

const { element } = dom;
const REDACTED = /^<redacted: \d+ bytes>$/;
const FIRST_FILE = {
  ignition: 'config.ign', kickstart: 'ks.cfg', preseed: 'preseed.cfg',
  'cloud-init': 'user-data', autoinstall: 'user-data', plain: 'config',
  autoyast: 'autoinst.xml', esxi: 'ks.cfg',
};

/** One file: its path, its content beside the numbers of its lines. */
class FilePane {
  constructor(path, content, { primary, group, onChange, onRemove }) {
    this.path = element('input.mono', {
      value: path, required: true, spellcheck: 'false', autocomplete: 'off',
      'aria-label': 'Path of the file',
      input: () => { this.#name(); onChange(); },
    });
    this.primary = element('input', {
      type: 'radio', name: group, checked: primary, change: onChange,
    });
    this.gutter = element('pre.gutter', { 'aria-hidden': 'true' });
    this.text = element('textarea.mono', {
      spellcheck: 'false', rows: '16', wrap: 'off', value: content,
      input: () => { this.#number(); onChange(); },
      scroll: () => { this.gutter.scrollTop = this.text.scrollTop; },
    });
    this.errors = element('ul.findings', { id: dom.freshId('findings') });
    this.text.setAttribute('aria-describedby', this.errors.id);
    this.node = element('section.file', {},
      element('div.file-bar', {}, this.path,
        element('label.option', {}, this.primary,
          element('span', {}, 'Primary')),
        element('button', {
          type: 'button', click: () => onRemove(this),
        }, 'Remove file')),
      this.errors,
      element('div.code', {}, this.gutter, this.text));
    this.wrong = new Set();
    this.#name();
    this.#number();
  }

  #name() {
    this.text.setAttribute('aria-label', `Content of ${this.path.value}`);
    this.primary.setAttribute('aria-label',
      `${this.path.value} is the primary file`);
  }

  #number() {
    const lines = this.text.value.split('\n').length;
    this.gutter.replaceChildren(...Array.from({ length: lines },
      (_, at) => element(this.wrong.has(at + 1) ? 'span.wrong' : 'span', {},
        `${at + 1}\n`)));
    this.gutter.scrollTop = this.text.scrollTop;
  }

  /** Show what is wrong. */
  complain(causes) {
    this.wrong = new Set(causes.map((cause) => cause.line));
    dom.setAttribute(this.text, 'aria-invalid',
      causes.length ? 'true' : null);
    this.errors.replaceChildren(...causes.map((cause) => element('li', {},
      cause.line ? element('button.link', {
        type: 'button', click: () => this.#goTo(cause.line),
      }, `Line ${cause.line}`) : null,
      cause.line ? `: ${cause.message}` : cause.message)));
    this.#number();
  }

  #goTo(line) {
    const lines = this.text.value.split('\n');
    const start = lines.slice(0, line - 1).join('\n').length
      + (line > 1 ? 1 : 0);
    this.text.focus();
    this.text.setSelectionRange(start, start + (lines[line - 1] ?? '')
      .length);
    const height = this.text.scrollHeight / lines.length;
    this.text.scrollTop = Math.max(0, (line - 4) * height);
  }
}

/** What templates are filled with. */
const VARIABLES = [
  ['name', 'the host'], ['uuid', 'its node'], ['mac', 'its first MAC'],
  ['macs', 'all of them'], ['ip', 'its first address'], ['ips', 'all of them'],
  ['properties', 'of the node, such as properties.cpu_arch'],
  ['extra', 'of the node, such as extra.rack'],
  ['boot.config_url', 'where the machine gets this config'],
  ['boot.complete_url', 'where the machine reports that it is installed'],
  ['boot.token', 'by which the machine is known'],
];

function variables() {
  return element('details', {}, element('summary', {},
    'What templates know'), element('dl', {}, ...VARIABLES.flatMap(
    ([variable, meaning]) => [
      element('dt.mono', {}, `{{ ${variable} }}`),
      element('dd', {}, meaning)])));
}

/** The view of a config, of a new one without a name. */
export function editor(known) {
  let version = '';
  let labels = {};
  let dirty = false;
  const panes = [];
  const group = dom.freshId('primary');
  const name = element('input', {
    required: true, pattern: '[A-Za-z0-9._\\-]+', maxlength: '253',
    value: known, readOnly: known !== '', spellcheck: 'false',
    autocomplete: 'off', title: 'Letters, digits, ".", "_" and "-"',
    input: () => { dirty = true; },
  });
  const format = element('select', { change: () => { dirty = true; } });
  const template = element('input', {
    type: 'checkbox', change: () => { dirty = true; },
  });
  const option = () => element('input', {
    type: 'checkbox', change: (event) => {
      dirty = true;
      touched.add(event.target);
    },
  });
  // What nobody touched is the server's to decide.
  const touched = new Set();
  const shared = option();
  const anyIso = option();
  const project = element('small');
  const files = element('div.files');
  const alert = element('p.form-error', { role: 'alert' });
  const save = element('button.primary', { type: 'submit' }, 'Save');
  const form = element('form.editor', {
    submit: (event) => { event.preventDefault(); store(); },
  });

  function addFile(path, content, primary) {
    const pane = new FilePane(path, content, {
      primary, group, onChange: () => { dirty = true; },
      onRemove: (gone) => {
        panes.splice(panes.indexOf(gone), 1);
        gone.node.remove();
        dirty = true;
        more.focus();
      },
    });
    panes.push(pane);
    files.append(pane.node);
    return pane;
  }

  const more = element('button', {
    type: 'button',
    click: () => {
      dirty = true;
      const pane = addFile(panes.length ? 'file' : (
        FIRST_FILE[format.value] ?? 'config'), '', !panes.length);
      pane.path.focus();
      pane.path.select();
    },
  }, 'Add a file');

  function document() {
    const data = {};
    for (const pane of panes) {
      if (pane.path.value in data) {
        throw new Error(`Two files are called ${pane.path.value}.`);
      }
      data[pane.path.value] = pane.text.value;
    }
    const primary = panes.find((pane) => pane.primary.checked);
    const spec = { format: format.value, data };
    if (primary && panes.length > 1) {
      spec.primary = primary.path.value;
    }
    if (template.checked) {
      spec.template = true;
    }
    for (const [key, box] of [['shared', shared], ['anyISO', anyIso]]) {
      if (touched.has(box)) {
        spec[key] = box.checked;
      }
    }
    return {
      apiVersion: 'v1', kind: 'BootConfig',
      metadata: { name: name.value, labels }, spec,
    };
  }

  function showFindings(error) {
    alert.textContent = error?.message ?? '';
    const causes = error?.causes ?? [];
    for (const pane of panes) {
      const own = [`spec.data["${pane.path.value}"]`,
        `data["${pane.path.value}"]`];
      pane.complain(causes.filter((cause) => own.includes(cause.field)));
    }
    panes.find((pane) => pane.wrong.size)?.text.focus();
  }

  /** Ask what to do when another has saved meanwhile. */
  async function settle(body) {
    const latest = await api.get(api.path('bootconfigs', known));
    const isMine = await conflict(body, latest);
    if (isMine === false) {
      dirty = false;
      showResource(latest);
      tell(`What is saved of ${known} is shown.`);
    } else if (isMine) {
      version = latest.metadata.resourceVersion;
      await store();
    }
  }

  /** Save as a file what "boot apply" takes. */
  function download() {
    const body = document();
    const link = element('a', {
      download: `${body.metadata.name || 'config'}.yaml`,
      href: `data:application/yaml;charset=utf-8,${encodeURIComponent(
        toYaml(body))}`,
    });
    link.click();
  }

  async function store() {
    showFindings(null);
    save.disabled = true;
    let body;
    try {
      body = document();
      const saved = known
        ? await api.put(api.path('bootconfigs', known), body, version)
        : await api.post('bootconfigs', body);
      version = saved.metadata.resourceVersion;
      dirty = false;
      tell(`${name.value} is saved.`);
      if (!known) {
        location.hash = `#/configs/${encodeURIComponent(name.value)}`;
      }
    } catch (error) {
      showFindings(error);
      if (error.code === 412) {
        await settle(body).catch(showFindings);
      }
    } finally {
      save.disabled = false;
    }
  }

  async function load() {
    const [formats, found] = await Promise.all([
      api.get('formats'),
      known ? api.get(api.path('bootconfigs', known)) : null]);
    const spec = found?.spec ?? { format: formats.items.includes('ignition')
      ? 'ignition' : formats.items[0], data: {} };
    const names = new Set([...formats.items, spec.format]);
    format.replaceChildren(...[...names].map((value) => element('option',
      { value }, value)));
    showResource(found ?? { spec, metadata: {} });
    form.hidden = false;
  }

  /** Show a config, in place of what is shown. */
  function showResource({ spec, metadata }) {
    format.value = spec.format;
    template.checked = !!spec.template;
    shared.checked = !!spec.shared;
    anyIso.checked = !!spec.anyISO;
    project.textContent = spec.project ? `Of project ${spec.project}`
      : 'Every project may use it';
    const data = Object.entries(spec.data);
    panes.splice(0);
    files.replaceChildren();
    touched.clear();
    for (const [path, content] of data.length ? data
      : [[FIRST_FILE[spec.format] ?? 'config', '']]) {
      addFile(path, content, data.length < 2 || path === spec.primary);
    }
    version = metadata.resourceVersion ?? '';
    labels = metadata.labels ?? {};
    if (data.some(([, content]) => REDACTED.test(content))) {
      save.disabled = true;
      alert.textContent = 'You may not see what is in the files, so you '
        + 'cannot change them.';
    }
  }

  /** Make a button for what may find the editor's content wrong. */
  function trying(text, work) {
    return element('button', {
      type: 'button',
      click: () => {
        try {
          work();
        } catch (error) {
          alert.textContent = error.message;
        }
      },
    }, text);
  }

  form.append(
    element('div.fields', {}, dom.field('Name', name),
      dom.field('Format', format),
      element('label.option', {}, template, element('span', {}, 'Template',
        element('small', {}, 'Jinja2, filled with the host\'s facts'))),
      element('label.option', {}, shared, element('span', {}, 'Shared',
        project)),
      element('label.option', {}, anyIso, element('span', {}, 'Any ISO',
        element('small', {}, 'Also ISOs that owners give by URL')))),
    variables(), files, alert,
    element('div.buttons', {}, more, trying('Export', download),
      trying('Preview…', () => preview(document())), save));
  form.hidden = true;
  hosts.start();
  load().catch((error) => complain(
    `${known || 'The editor'} cannot be shown: ${error.message}`));
  return {
    node: element('section', { 'aria-labelledby': 'view-title' },
      element('div.bar', {}, element('a', { href: '#/configs' },
        '← All configs'), element('h1', { id: 'view-title' },
        known || 'New config')), form),
    unsaved: () => (dirty
      ? `What was changed in ${known || 'the new config'} is lost.` : ''),
    close() {
      hosts.stop();
    },
  };
}
