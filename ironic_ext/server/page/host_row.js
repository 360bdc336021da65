// SPDX-License-Identifier: Apache-2.0

// A row of the table of hosts: what one boots, its power and its state.

import {
  assign, assigned, configOptions, fitting, imageText, isoOptions,
  lostMedium, misfit, same,
} from './assignment.js';
import { configs, hosts, isos } from './collection.js';
import { confirm } from './dialogs.js';
import * as dom from './dom.js';
import { compare, stateOf, trouble } from './host_search.js';
import { complain, tell } from './notices.js';
import { powerBadge, powerButtons } from './power.js';
import { provisionButton } from './provisioning.js';

const { element } = dom;

/** What all rows choose from, sorted once. */
const offered = { isos: [], configs: new Map() };

/** Read what there is to choose. */
export function readCatalog() {
  offered.isos = [...isos.items.values()].sort((one, other) => (
    compare(one.metadata.name, other.metadata.name)));
  offered.configs = new Map([...configs.items.values()].map(
    (config) => [config.metadata.name, config]).sort(
    ([one], [other]) => compare(one, other)));
}

/** A row, which keeps its elements while the host changes. */
export class Row {
  /**
   * @param {object} host
   * @param {function(object, boolean)} onSelect is told who is selected.
   * @param {function(object)} open shows the details of a host.
   */
  constructor(host, onSelect, open) {
    this.draft = null;
    this.saving = false;
    this.selected = element('input', {
      type: 'checkbox',
      change: () => onSelect(this.host, this.selected.checked),
    });
    this.name = element('button.link', {
      type: 'button', click: () => open(this.host),
    });
    this.namespace = element('small');
    this.macs = element('td.mono', { 'data-label': 'MAC' });
    this.image = element('select', {
      change: () => this.#chooseImage(this.image.value),
    });
    this.config = element('select', {
      change: () => this.#choose({ config: this.config.value }),
    });
    this.lost = element('small.error-text');
    this.once = element('small.once', {}, 'once');
    this.power = element('span');
    this.powerNote = element('small');
    this.state = element('span');
    // The whole of it by hovering, by the focus, and in the details.
    this.stateNote = element('button.link.error-text', {
      type: 'button', click: () => open(this.host),
    });
    this.waits = element('small', {}, 'to deploy it, provide it first');
    this.save = element('button.primary', {
      type: 'button', click: () => this.#save(),
    }, 'Save');
    this.cancel = element('button', {
      type: 'button', click: () => this.#forget(true),
    }, 'Cancel');
    this.buttons = powerButtons(() => this.host);
    this.provision = provisionButton(() => this.host);
    this.actions = element('td.actions', { 'data-label': 'Actions' });
    this.node = element('tr', {
      keydown: (event) => {
        if (event.key === 'Escape' && this.draft && !this.saving) {
          this.#forget(true);
        }
      },
    },
    element('td.select', {}, this.selected),
    element('th', { scope: 'row' }, this.name, this.namespace),
    this.macs,
    element('td', { 'data-label': 'ISO' }, this.image, this.once),
    element('td', { 'data-label': 'Config' }, this.config, this.lost),
    element('td', { 'data-label': 'Power' }, this.power, this.powerNote),
    element('td', { 'data-label': 'State' }, this.state, this.waits,
      this.stateNote),
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
    dom.setOptions(this.image, isoOptions(this.host, offered.isos,
      shown.image), shown.image);
    const names = this.#fitting(shown.image);
    dom.setOptions(this.config, configOptions(
      names, configs.loaded ? offered.configs : null,
      shown.config, !!status.inlineConfig), shown.config);
    this.config.disabled = (names === null && !shown.config) || this.saving;
    this.image.disabled = this.saving;
    dom.setAttribute(this.image, 'title',
      shown.image.includes('://') ? shown.image : null);
    dom.setAttribute(this.image, 'aria-label', `ISO of ${metadata.name}`);
    dom.setAttribute(this.config, 'aria-label',
      `Config of ${metadata.name}`);
    this.once.hidden = now.mode !== 'once';
    dom.setParts(this.once, ...status.bootCompletedAt
      ? ['once: installed, reported ', dom.timeOf(status.bootCompletedAt)]
      : ['once']);
    const power = powerBadge(status);
    dom.setBadge(this.power, power.text, power.tone);
    dom.setText(this.powerNote, power.note);
    const state = stateOf(this.host);
    dom.setBadge(this.state, state, stateTone(state));
    const wrong = trouble(this.host);
    dom.setText(this.stateNote, dom.cutUrls(wrong, 28));
    this.stateNote.hidden = !wrong;
    this.waits.hidden = status.nextBoot?.takes !== 'provide';
    dom.setAttribute(this.waits, 'title', status.nextBoot?.text ?? null);
    dom.setAttribute(this.stateNote, 'title', wrong
      ? status.lastError ?? wrong : null);
    dom.setAttribute(this.selected, 'aria-label', `Select ${metadata.name}`);
    dom.setText(this.lost, this.draft && this.#lost()
      ? `${this.#lost()} does not fit, and goes.` : '');
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
      : [...this.provision.shown(this.host),
        ...this.buttons.shown(this.host)]);
  }

  #fitting(image) {
    return fitting(this.host, image, isos.get(image), offered.configs);
  }

  /** Choose an ISO; a config that does not fit it goes. */
  #chooseImage(image) {
    const { config } = this.draft ?? assigned(this.host);
    const names = this.#fitting(image);
    this.#choose({ image, config: names?.includes(config) ? config : '' });
  }

  /** Return the config that goes with what is chosen, '' for none. */
  #lost() {
    const { config } = assigned(this.host);
    const { image } = this.draft;
    return config && !this.draft.config
      && !this.#fitting(image)?.includes(config) ? config : '';
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
    const lost = this.#lost();
    if (lost && !await confirm({
      title: `Take ${lost} from ${this.host.metadata.name}?`, danger: true,
      text: `It loses its config: ${misfit(this.host, this.draft.image,
        isos.get(this.draft.image), lost, offered.configs.get(lost))}. `
        + `${this.host.metadata.name} is to have `
        + `${described(this.draft)}, and no config.`,
      action: 'Save', submit: async () => true,
    })) {
      return;
    }
    const medium = lostMedium(this.host, this.draft.image);
    if (medium && !await confirm({
      title: `Boot ${this.host.metadata.name} from its disk?`, danger: true,
      text: `It has ${described(assigned(this.host))} now: ${medium}.`,
      action: 'Save', submit: async () => true,
    })) {
      return;
    }
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

/** Say what a host has. */
export function described({ image, config }) {
  return config ? `${imageText(image)} with ${config}` : imageText(image);
}

function stateTone(state) {
  if (/fail|error/.test(state)) {
    return 'bad';
  }
  if (state === 'active' || state === 'maintenance') {
    return state === 'active' ? 'good' : 'warn';
  }
  return /ing$|wait/.test(state) ? 'busy' : 'calm';
}
