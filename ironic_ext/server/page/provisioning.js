// SPDX-License-Identifier: Apache-2.0

// Deploying and rebuilding: what makes a host boot what is chosen for it.

import * as api from './api.js';
import { assigned, imageText, LOCAL_BOOT } from './assignment.js';
import { hosts } from './collection.js';
import { confirm } from './dialogs.js';
import { element, setAttribute } from './dom.js';
import { tell } from './notices.js';
import { started } from './power.js';

const VERBS = {
  deploy: { verb: 'Deploy', passive: 'is deployed',
    going: 'is being deployed' },
  rebuild: { verb: 'Rebuild', passive: 'is rebuilt',
    going: 'is being rebuilt' },
};

/**
 * Return what makes a host boot what is chosen for it.
 *
 * @return {?{target: string, verb: string, passive: string, going: string,
 *     chosen: string}} null where nothing is to be done, where Ironic would
 *     refuse it, or where something is going on.
 */
export function provisioning({ status }) {
  const target = status.nextBoot?.takes;
  return target in VERBS && !status.targetProvisionState
    ? { target, ...VERBS[target], chosen: status.nextBoot.chosen } : null;
}

/** Return the same of one host whose boot has ended, which is left alone
 * together with others. */
function again(host) {
  const { image } = assigned(host);
  return host.status.bootEnd && host.status.provisionState === 'active'
    && !host.status.targetProvisionState && image !== LOCAL_BOOT
    ? { target: 'rebuild', ...VERBS.rebuild, chosen: imageText(image) } : null;
}

/** Begin it: the API answers before it is done. */
export async function provision(host, target) {
  hosts.note(await api.post(`${api.hostPath(host)}/provision`, { target }));
}

async function ask(host) {
  const { target, verb, going, chosen } = provisioning(host) ?? again(host);
  const { name } = host.metadata;
  const done = await confirm({
    title: `${verb} ${name}?`, action: verb, danger: true,
    text: `It ${started(host)}, and boots ${chosen}. `
      + `${host.status.power === 'power off' ? 'What'
        : 'What runs on it ends, and what'} the ISO installs may overwrite `
      + 'its disks.',
    submit: async () => {
      await provision(host, target);
      return true;
    },
  });
  if (done) {
    tell(`${name} ${going}.`);
  }
}

/**
 * Make the button of a host that does not boot what is chosen for it, or has
 * booted it.
 *
 * @param {function(): object} current returns it as it is now.
 */
export function provisionButton(current) {
  const button = element('button', {
    type: 'button', click: () => ask(current()),
  });
  return {
    /** Return it, if it is of use now. */
    shown(host) {
      const found = provisioning(host) ?? again(host);
      if (!found) {
        return [];
      }
      button.textContent = found.verb;
      setAttribute(button, 'aria-label',
        `${found.verb} ${host.metadata.name}`);
      return [button];
    },
  };
}
