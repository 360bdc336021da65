// SPDX-License-Identifier: Apache-2.0

// All that is known of a host, and how often it boots its ISO.

import * as api from './api.js';
import { assign, assigned, imageText, same } from './assignment.js';
import { hosts, isos } from './collection.js';
import { choice, show } from './dialogs.js';
import { element, field, firmware, linkTo, timeOf } from './dom.js';
import { tell } from './notices.js';

const MODES = [
  { value: 'forever', text: 'Each time',
    hint: 'Until another ISO is chosen, the medium is ejected, or the node '
      + 'is undeployed.' },
  { value: 'once', text: 'Once',
    hint: 'Until it reports that it is installed; then from the disk.' },
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

/** Say what an ISO starts on a host, by the firmware that it has. */
function byItself({ status }, iso) {
  const paths = iso?.status.bootPaths ?? [];
  const own = paths.filter((path) => path.startsWith(status.firmware ?? ' '));
  return (own.length ? own : paths).map(firmware).join('\n');
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
            timeOf(at), ' ',
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

/** Make what asks for the console of a host, and then shows it. */
function consoleOf(host) {
  const said = element('span', { role: 'status' });
  const hint = element('small', {}, 'Where Ironic serves it by '
    + 'ipmitool-socat, to ask ends the session of whoever is at it.');
  const ask = element('button', {
    type: 'button',
    click: async () => {
      ask.disabled = true;
      said.replaceChildren();
      try {
        const { enabled, type = 'console', url } = await api.get(
          `${api.hostPath(host)}/console`);
        said.replaceChildren(...!enabled ? ['It is not enabled any more.']
          : url ? [`${type}: `, linkTo(url, url)]
            : [`${type}: Ironic does not say where it is.`]);
        ask.remove();
        hint.remove();
      } catch (error) {
        said.replaceChildren(error.message);
        ask.disabled = false;
      }
    },
  }, 'Ask for its address');
  return [element('dt', {}, 'Console'), element('dd', {}, ask, ' ', said, hint)];
}

/** Add to a list of facts where else the host is to be seen. */
async function addLinks(list, host) {
  try {
    const { node, consoleEnabled } = await api.get(
      `${api.hostPath(host)}/links`);
    list.append(
      ...node ? [element('dt', {}, 'In Ironic'), element('dd', {},
        linkTo(node, 'Node in Ironic’s API'))] : [],
      ...consoleEnabled ? consoleOf(host) : []);
  } catch {
    // The host can be seen without them; what is wrong is said elsewhere.
  }
}

/** Show a host in a dialog. */
export async function showHost(host) {
  const { metadata, status } = host;
  const now = assigned(host);
  const mode = choice('Boot the ISO', MODES, now.mode);
  const address = element('input', {
    type: 'text', value: now.ip, maxlength: '45', spellcheck: 'false',
  });
  const known = facts([
    ['Namespace', metadata.namespace],
    ['Node', metadata.uid],
    ['MAC addresses', status.macs.join(', ')],
    ['IP addresses', status.ips.join(', ')],
    ['ISO', imageText(now.image)],
    ['Config', status.inlineConfig ? 'its own, given with the node'
      : now.config],
    ['Next boot', status.nextBoot?.text],
    ['Firmware', { bios: 'BIOS', uefi: 'UEFI' }[status.firmware]],
    ['What the ISO starts unattended', byItself(host, isos.get(now.image))],
    ['Boot medium', bootMedium(status)],
    ['Data image', dataImage(host)],
    ['Driver', status.driver],
    ['State', status.provisionState],
    ['On its way to', status.targetProvisionState],
    ['Reported as installed',
      status.bootCompletedAt && timeOf(status.bootCompletedAt)],
    ['Maintenance', status.maintenance ? 'yes' : ''],
    ['Problem', status.problem],
    ['Last error', status.lastError],
  ]);
  addLinks(known, host);
  const done = await show({
    title: metadata.name, action: 'Save', wide: true,
    content: [
      known,
      history(host),
      mode.group,
      field('Declared address', address, 'Who asks from this address is '
        + 'this host. Only for machines whose address neither Neutron nor a '
        + 'DHCP server tells the boot server.'),
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
