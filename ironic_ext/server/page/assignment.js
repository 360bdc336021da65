// SPDX-License-Identifier: Apache-2.0

// Which ISO and config a host may have, and changing both at once. Pure but
// for the change itself.

import * as api from './api.js';
import { hosts } from './collection.js';
import { cutUrls } from './dom.js';

export const LOCAL_BOOT = 'localboot';
// Characters of a URL that a dropdown shows at a window's usual width.
const LONGEST = 16;

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

// Boot interfaces of Ironic whose media go with the ISO that is chosen.
const WITH_MEDIA = ['redfish-iso', 'iso-sanboot'];

/** Say what a host loses when it is to boot from its disk, '' for nothing. */
export function lostMedium(host, image) {
  const { status } = host;
  if (image !== LOCAL_BOOT || assigned(host).image === LOCAL_BOOT
      || status.provisionState !== 'active' || status.bootEnd?.mediumIsGone
      || !WITH_MEDIA.includes(status.bootInterface)) {
    return '';
  }
  if (status.bootMedium?.lost) {
    return 'its medium, which is missing, is not put back';
  }
  return status.power === 'power off' ? 'its medium is taken away'
    : 'its medium is taken away, even while it runs from it';
}

/** Return the project that has a host; '' for the operator's own. */
function projectOf({ status }) {
  return status.lessee || status.owner || '';
}

/**
 * Tell whether a host may have something of the catalog. Where its owner
 * leases it, the server may know better.
 */
export function mayUse(host, { spec }) {
  const project = projectOf(host);
  return !project || !!spec.shared || spec.project === project;
}

/** Return the options of the ISO dropdown of a host. */
export function isoOptions(host, isos, current) {
  const names = isos.filter((iso) => iso.metadata.name === current
    || mayUse(host, iso)).map((iso) => {
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
      value: current, text: current.includes('://') ? endOf(current)
        : `${current} (not in the list)`,
    });
  }
  return options;
}

/** Return the end of a URL, as much as a dropdown has room for. */
function endOf(url) {
  const file = url.replace(/\/+$/, '').split('/').at(-1);
  return file.length > LONGEST ? `…${file.slice(-LONGEST)}` : `…/${file}`;
}

/**
 * Say why the server would refuse a config, '' where it would not.
 *
 * @param {object|undefined} iso of the catalog; without one, it is by URL or
 *     the host boots from its disk.
 * @param {object|undefined} config of that name, if there is one.
 */
export function misfit(host, image, iso, name, config) {
  if (config && !mayUse(host, config)) {
    return 'its project may not use it';
  }
  if (iso) {
    return iso.spec.bootConfigs?.includes(name) ? ''
      : `${imageText(image)} does not take it`;
  }
  if (!config) {
    return 'it is not there any more';
  }
  // Who gives the ISO, or has the disk, reads what is in the config.
  return ['', config.spec.project ?? ''].includes(projectOf(host))
    || config.spec.anyISO ? ''
    : 'on the host of a project it takes an ISO that lists it';
}

/**
 * Return the names of the configs that fit; null where none can be chosen.
 *
 * @param {object|undefined} iso of the catalog.
 * @param {Map<string, object>} known all configs.
 */
export function fitting(host, image, iso, known) {
  const found = [...(iso ? iso.spec.bootConfigs ?? [] : known.keys())].filter(
    (name) => !misfit(host, image, iso, name, known.get(name)));
  return found.length ? found : null;
}

/**
 * Return the options of the config dropdown.
 *
 * @param {string[]|null} names what fits.
 * @param {Map<string, object>} known all configs, null as long as they
 *     are not known.
 * @param {boolean} own whether the host has a config that is no resource.
 */
export function configOptions(names, known, current, own = false) {
  if (names === null && !current && !own) {
    return [{ value: '', text: 'takes none' }];
  }
  const options = [{ value: '', text: own ? 'its own' : 'no config' }];
  for (const name of names ?? []) {
    const missing = known !== null && !known.has(name);
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
