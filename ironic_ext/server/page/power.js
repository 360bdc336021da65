// SPDX-License-Identifier: Apache-2.0

// The power of a host: how it is shown, and switching it.

import * as api from './api.js';
import { hosts } from './collection.js';
import { choice, confirm } from './dialogs.js';
import { element, setAttribute } from './dom.js';
import { tell } from './notices.js';

const SHOWN = {
  'power on': { text: 'On', tone: 'good' },
  'power off': { text: 'Off', tone: 'calm' },
  error: { text: 'Error', tone: 'bad' },
};
const GOING = {
  'power on': 'switching on…', 'power off': 'switching off…',
  rebooting: 'restarting…', 'soft power off': 'shutting down…',
  'soft rebooting': 'restarting…',
};
/** The ways to switch what runs. */
export const HOW = [
  { value: 'soft', text: 'Let the system shut down',
    hint: 'It is asked over ACPI, and may not listen.' },
  { value: 'hard', text: 'At once',
    hint: 'As if by the power button. Unsaved data is lost.' },
];

/** Return the badge of a host's power: text, tone and note. */
export function powerBadge(status) {
  const shown = SHOWN[status.power] ?? { text: 'Unknown', tone: 'warn' };
  return { ...shown, note: GOING[status.targetPower] ?? '' };
}

/** Ask for a power state; return when the server has asked Ironic. */
export async function switchPower(host, target) {
  hosts.note(await api.post(`${api.hostPath(host)}/power`, { target }));
}

/** Say what becomes of a host that Ironic has boot anew. */
export function started({ status }) {
  return status.power === 'power on' ? 'is restarted'
    : status.power === 'power off' ? 'is switched on'
      : 'is switched on, or restarted';
}

/** Say what a host will boot. */
function boots(host) {
  return host.status.nextBoot?.text ?? '';
}

async function ask(host, { verb, going, text, targets, danger }) {
  const how = targets.soft ? choice('How', HOW, 'soft') : null;
  const { name } = host.metadata;
  const done = await confirm({
    title: `${verb} ${name}?`, text, action: verb, danger,
    extra: how ? [how.group] : [],
    submit: async () => {
      await switchPower(host, targets[how?.value ?? 'hard']);
      return true;
    },
  });
  if (done) {
    tell(`${name} ${going}.`);
  }
}

/**
 * Make the buttons of a host.
 *
 * @param {function(): object} current returns it as it is now.
 */
export function powerButtons(current) {
  const make = (verb, options) => element('button', {
    type: 'button',
    click: () => {
      const host = current();
      ask(host, { verb, ...options, text: options.text(host) });
    },
  }, verb);
  const on = make('Switch on', {
    going: 'is being switched on', targets: { hard: 'power on' },
    text: boots,
  });
  const restart = make('Restart', {
    going: 'is being restarted', danger: true,
    targets: { hard: 'rebooting', soft: 'soft rebooting' },
    text: (host) => `What runs on it ends. ${boots(host)}`,
  });
  const off = make('Switch off', {
    going: 'is being switched off', danger: true,
    targets: { hard: 'power off', soft: 'soft power off' },
    text: () => 'What runs on it ends.',
  });
  return {
    shown(host) {
      for (const button of [on, restart, off]) {
        setAttribute(button, 'aria-label',
          `${button.textContent} ${host.metadata.name}`);
      }
      return host.status.power === 'power on' ? [restart, off]
        : host.status.power === 'power off' ? [on] : [on, off];
    },
  };
}
