// SPDX-License-Identifier: Apache-2.0

// All that is known of a host, and how often it boots its ISO.

import * as api from './api.js';
import { assign, assigned, imageText, same } from './assignment.js';
import { hosts, isos } from './collection.js';
import { choice, show } from './dialogs.js';
import { element, field, moment } from './dom.js';
import { tell } from './notices.js';

const MODES = [
  { value: 'forever', text: 'Each time',
    hint: 'Until another ISO is chosen.' },
  { value: 'once', text: 'Once',
    hint: 'Until the installed system reports that it runs; then from the '
      + 'disk.' },
];

/** Make a list of terms, leaving out what is empty. */
export function facts(pairs) {
  return element('dl', {}, ...pairs.filter(([, value]) => value)
    .flatMap(([term, value]) => [
      element('dt', {}, term), element('dd', {}, value)]));
}

/** Say which data image a host has, and what became of it. */
function dataImage({ spec, status }) {
  if (!spec.dataImage && !status.dataImage) {
    return '';
  }
  const { phase, error } = status.dataImage ?? {};
  const url = spec.dataImage?.url ?? 'none wanted';
  return `${url}${phase ? ` – ${phase}` : ''}`
    + `${error ? `: ${error.message}` : ''}`;
}

/** Say that a host has lost its boot medium, if it has. */
function bootMedium({ bootMedium: seen }) {
  return seen ? `${seen.lost ? 'lost' : 'not seen'}: ${seen.error}` : '';
}

/** Make the list of what happened to a host; it fills itself. */
function history(host) {
  const events = element('ol.events', { 'aria-busy': 'true' });
  const node = element('details', {
    toggle: async () => {
      if (!node.open) {
        return;
      }
      try {
        const { items } = await api.get(`${api.hostPath(host)}/history`);
        events.replaceChildren(...items.length ? items.map(
          ({ at, kind, text }) => element('li', {},
            element('time', { datetime: at }, moment(at)), ' ',
            element('strong', {}, kind), ` ${text}`))
          : [element('li', {}, 'Nothing was seen yet.')]);
      } catch (error) {
        events.replaceChildren(element('li.error-text', {}, error.message));
      }
      events.setAttribute('aria-busy', 'false');
    },
  }, element('summary', {}, 'History'), events);
  return node;
}

/** Show a host in a dialog. */
export async function showHost(host) {
  const { metadata, status } = host;
  const now = assigned(host);
  const mode = choice('Boot the ISO', MODES, now.mode);
  const address = element('input', {
    type: 'text', value: now.ip, maxlength: '45', spellcheck: 'false',
  });
  const done = await show({
    title: metadata.name, action: 'Save', wide: true,
    content: [
      facts([
        ['Namespace', metadata.namespace],
        ['Node', metadata.uid],
        ['MAC addresses', status.macs.join(', ')],
        ['IP addresses', status.ips.join(', ')],
        ['ISO', imageText(now.image)],
        ['Config', status.inlineConfig ? 'its own, given with the node'
          : now.config],
        ['Next boot', status.nextBoot?.text],
        ['The ISO by itself', isos.get(now.image)?.status.bootPaths
          ?.join('\n')],
        ['Boot medium', bootMedium(status)],
        ['Data image', dataImage(host)],
        ['Driver', status.driver],
        ['State', status.provisionState],
        ['On its way to', status.targetProvisionState],
        ['Installed system reported', status.bootCompletedAt],
        ['Maintenance', status.maintenance ? 'yes' : ''],
        ['Problem', status.problem],
        ['Last error', status.lastError],
      ]),
      history(host),
      mode.group,
      field('Declared address', address, 'The machine is known by it. For '
        + 'machines that get theirs from nobody whom the server can ask.'),
    ],
    submit: async () => {
      const latest = hosts.get(metadata.name, metadata.namespace) ?? host;
      const wanted = { ...assigned(latest), mode: mode.value };
      if (address.value.trim() !== now.ip) {
        wanted.ip = address.value.trim();
      }
      if (!same(wanted, assigned(latest))) {
        await assign(latest, wanted);
      }
      return true;
    },
  });
  if (done && address.value.trim() !== now.ip) {
    tell(`${metadata.name} has `
      + `${address.value.trim() || 'no declared address'} now.`);
  }
  if (done && mode.value !== now.mode) {
    tell(`${metadata.name} boots its ISO `
      + `${mode.value === 'once' ? 'once' : 'each time'} now.`);
  }
}
