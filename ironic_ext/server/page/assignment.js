// SPDX-License-Identifier: Apache-2.0

// Which ISO and config a host may have, and changing both at once. Pure but
// for the change itself.

import * as api from './api.js';
import { hosts } from './collection.js';
import { cutUrls } from './dom.js';

export const LOCAL_BOOT = 'localboot';

/** Return what people call what a host boots. */
export function imageText(image) {
  return image === LOCAL_BOOT ? 'local disk' : cutUrls(image);
}

/** Return what a host has. */
export function assigned(host) {
  return {
    image: host.spec.image ?? LOCAL_BOOT,
    config: host.spec.bootConfigRef ?? '',
    mode: host.spec.bootMode ?? 'forever',
    ip: host.spec.ip ?? '',
  };
}

export function same(one, other) {
  return one.image === other.image && one.config === other.config
    && one.mode === other.mode && one.ip === other.ip;
}

/** Say what a host loses when it is to boot from its disk, '' for nothing. */
export function lostMedium(host, image) {
  return image === LOCAL_BOOT && assigned(host).image !== LOCAL_BOOT
    && host.status.provisionState === 'active'
    ? 'its medium is taken out, even while it runs from it' : '';
}

/** Return the options of the ISO dropdown. */
export function isoOptions(isos, current) {
  const names = isos.map((iso) => {
    const { phase } = iso.status;
    return {
      value: iso.metadata.name, disabled: phase !== 'Ready'
        && iso.metadata.name !== current,
      text: iso.metadata.name + (phase === 'Ready' ? '' : ` (${phase})`),
    };
  });
  const options = [{ value: LOCAL_BOOT, text: imageText(LOCAL_BOOT) }, ...names];
  if (!options.some((option) => option.value === current)) {
    // Assigned by URL, whose end tells it from others; or its ISO is gone.
    options.push({
      value: current, text: current.includes('://')
        ? `…/${current.split('/').at(-1)} (by URL)`
        : `${current} (not in the list)`,
    });
  }
  return options;
}

/**
 * Return the names of the configs that fit; null where none can be chosen.
 *
 * @param {object|undefined} iso of the catalog.
 * @param {string[]} names all configs.
 */
export function fitting(image, iso, names) {
  if (iso) {
    return iso.spec.bootConfigs?.length ? iso.spec.bootConfigs : null;
  }
  // The disk's system may fetch a config; an ISO given by URL takes any.
  return names.length ? names : null;
}

/**
 * Return the options of the config dropdown.
 *
 * @param {string[]|null} names what fits.
 * @param {Set<string>} known all configs.
 * @param {boolean} own whether the host has a config that is no resource.
 */
export function configOptions(names, known, current, own = false) {
  if (names === null && !current && !own) {
    return [{ value: '', text: 'takes none' }];
  }
  const options = [{ value: '', text: own ? 'its own' : 'no config' }];
  for (const name of names ?? []) {
    const missing = !known.has(name);
    options.push({
      value: name, disabled: missing && name !== current,
      text: missing ? `${name} (missing)` : name,
    });
  }
  if (!options.some((option) => option.value === current)) {
    options.push({ value: current, text: `${current} (does not fit)` });
  }
  return options;
}

/**
 * Give a host an ISO, a config, a boot mode and an address by one change.
 *
 * @param {object} host as it was shown.
 * @throws {ApiError} also when somebody else was faster.
 */
export async function assign(host, wanted) {
  const before = assigned(host);
  const spec = {};
  if (wanted.image !== before.image || wanted.config !== before.config) {
    spec.image = wanted.image;
    // A config of the node's own stays unless another is chosen.
    if (wanted.config || before.config) {
      spec.bootConfigRef = wanted.config || null;
    }
  }
  if (wanted.mode !== before.mode) {
    spec.bootMode = wanted.mode;
  }
  if (wanted.ip !== before.ip) {
    spec.ip = wanted.ip || null;
  }
  const target = api.hostPath(host);
  let version = host.metadata.resourceVersion;
  for (let tries = 3; ; tries -= 1) {
    try {
      const answer = await api.patch(target, { spec }, version);
      hosts.note(answer);
      return answer;
    } catch (error) {
      if (error.code !== 412) {
        throw error;
      }
      // Was it only the power, or what the operator decided upon?
      const now = await api.get(target);
      hosts.note(now);
      if (!same(assigned(now), before) || !tries) {
        throw new api.ApiError(412, 'Somebody else changed it in the '
          + 'meantime. What it has now is shown; choose again.');
      }
      version = now.metadata.resourceVersion;
    }
  }
}
