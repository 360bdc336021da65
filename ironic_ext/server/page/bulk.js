// SPDX-License-Identifier: Apache-2.0

// What is done with many hosts at once: first it is shown what will happen
// to each, then what did.

import {
  assign, assigned, imageText, LOCAL_BOOT, lostMedium, mayUse, misfit, same,
} from './assignment.js';
import { configs, hosts, isos } from './collection.js';
import { choice, show } from './dialogs.js';
import * as dom from './dom.js';
import { described } from './host_row.js';
import { compare } from './host_search.js';
import { HOW, started, switchPower } from './power.js';
import { provision, provisioning } from './provisioning.js';

const { element } = dom;
// Requests at a time: Ironic's conductors have other work, too.
const AT_ONCE = 4;

/** What is to be done with a host: a text, and how unless it is left out. */
function left(text) {
  return { text: `left as it is: ${text}` };
}

function power(verb, going, targets, test) {
  return {
    // It is seen later, in the table.
    verb, done: 'asked', danger: verb !== 'Switch on',
    controls: () => (targets.soft
      ? [choice('How', HOW, 'soft')] : []),
    plan(host, [how]) {
      if (!test(host)) {
        return left(`its power is ${host.status.power ?? 'not known'}`);
      }
      const boots = host.status.nextBoot?.text;
      return {
        text: `${going}${verb === 'Switch off' || !boots ? ''
          : ` – ${boots}`}`,
        run: () => switchPower(host, targets[how?.value ?? 'hard']),
      };
    },
  };
}

/** Return the config that a host gets with an ISO, or why it gets none. */
function configFor(host, image, wanted) {
  const config = wanted === 'keep' ? assigned(host).config : wanted;
  const reason = config && misfit(host, image, isos.get(image), config,
    configs.get(config));
  return { config: reason ? '' : config, reason };
}

function lost(host, image) {
  const text = lostMedium(host, image);
  return text && ` – ${text}`;
}

const ASSIGN = {
  verb: 'Set ISO and config', done: 'done', danger: false,
  controls() {
    const image = element('select', {}, ...[LOCAL_BOOT, ...[
      ...isos.items.values()].filter((iso) => iso.status.phase === 'Ready')
      .map((iso) => iso.metadata.name).sort(compare)].map(
      (name) => element('option', { value: name }, imageText(name))));
    const config = element('select', {},
      element('option', { value: 'keep' }, 'keep what fits'),
      element('option', { value: '' }, 'no config'),
      ...[...configs.items.values()].map((item) => item.metadata.name)
        .sort(compare).map(
          (name) => element('option', { value: name }, name)));
    return [
      { group: dom.field('ISO', image), get value() { return image.value; } },
      {
        group: dom.field('Config', config),
        get value() { return config.value; },
      },
    ];
  },
  plan(host, [image, wanted]) {
    const now = assigned(host);
    const iso = isos.get(image.value);
    if (iso && !mayUse(host, iso)) {
      return left(`its project may not use ${image.value}`);
    }
    const { config, reason } = configFor(host, image.value, wanted.value);
    if (reason && wanted.value !== 'keep') {
      return left(`${wanted.value} does not fit: ${reason}`);
    }
    const then = { ...now, image: image.value, config };
    if (same(now, then)) {
      return left('it has that already');
    }
    return {
      text: `${described(then)}, was ${described(now)}`
        + `${now.config && !config ? ` – loses ${now.config}` : ''}`
        + lost(host, image.value),
      run: () => assign(host, then),
    };
  },
};

const END = {
  verb: 'Boot from the disk', done: 'done', danger: true,
  controls: () => [],
  plan(host) {
    const now = assigned(host);
    if (now.image === LOCAL_BOOT) {
      return left('it has that already');
    }
    return {
      text: `no longer ${described(now)}${lost(host, LOCAL_BOOT)}`,
      run: () => assign(host, { ...now, image: LOCAL_BOOT }),
    };
  },
};

const PROVISION = {
  // A deployment takes minutes, and is followed in the table.
  verb: 'Deploy or rebuild', done: 'begun', danger: true,
  controls: () => [],
  plan(host) {
    const found = provisioning(host);
    if (!found) {
      return left(host.status.targetProvisionState
        ? `it is on its way to ${host.status.targetProvisionState}`
        : host.status.nextBoot?.text ?? 'nothing is chosen for it');
    }
    return {
      text: `${found.passive}: it ${started(host)}, boots ${found.chosen}, `
        + 'and may lose what its disks have',
      run: () => provision(host, found.target),
    };
  },
};

const ACTIONS = [
  ASSIGN,
  PROVISION,
  power('Switch on', 'is switched on', { hard: 'power on' },
    (host) => host.status.power !== 'power on'),
  power('Restart', 'is restarted', {
    hard: 'rebooting', soft: 'soft rebooting',
  }, (host) => host.status.power === 'power on'),
  power('Switch off', 'is switched off', {
    hard: 'power off', soft: 'soft power off',
  }, (host) => host.status.power === 'power on'),
  END,
];

/** Do something with each, some at a time, until the signal comes. */
async function each(items, work, signal) {
  const waiting = [...items];
  await Promise.all(Array.from({ length: AT_ONCE }, async () => {
    while (waiting.length && !signal.aborted) {
      await work(waiting.shift());
    }
  }));
}

/** Ask about an action with some hosts, and do it. */
async function ask(action, chosen) {
  const controls = action.controls();
  const hint = element('p', { role: 'status' });
  const lines = chosen.map((host) => {
    const text = element('span');
    return {
      host, text, result: element('span.result'), plan: null,
      get node() {
        this.made ??= element('li', {}, element('strong', {},
          host.metadata.name), ' ', text, ' ', this.result);
        return this.made;
      },
    };
  });

  function plan() {
    for (const line of lines) {
      line.plan = action.plan(line.host, controls);
      dom.setText(line.text, line.plan.text);
      line.node.classList.toggle('left', !line.plan.run);
    }
    const todo = lines.filter((line) => line.plan.run).length;
    dom.setText(hint, todo === lines.length
      ? `This is what happens to ${dom.count(todo, 'host')}:`
      : `This is what happens to ${todo} of `
        + `${dom.count(lines.length, 'host')}:`);
  }

  async function run(line, told) {
    dom.setText(line.result, '…');
    try {
      await line.plan.run();
      line.result.className = 'result done';
      dom.setText(line.result, action.done);
    } catch (error) {
      line.result.className = 'result failed';
      dom.setText(line.result, error.message);
      told.failed += 1;
    }
    told.ended += 1;
    dom.setText(hint, `${told.ended - told.failed} of `
      + `${dom.count(told.all, 'host')} ${action.done}`
      + `${told.failed ? `, ${told.failed} refused` : ''}.`);
  }

  plan();
  await show({
    title: `${action.verb}: ${dom.count(chosen.length, 'host')}`,
    action: action.verb, danger: action.danger, wide: true, stays: true,
    content: [
      element('div', { change: plan },
        ...controls.map((control) => control.group)),
      hint, element('ul.plan', {
        tabindex: '0', 'aria-label': 'What happens, host by host',
      }, ...lines.map((line) => line.node)),
    ],
    submit: async (signal) => {
      const todo = lines.filter((line) => line.plan.run);
      if (!todo.length) {
        throw new Error('There is nothing to do for these hosts.');
      }
      const told = { ended: 0, failed: 0, all: todo.length };
      await each(todo, (line) => run(line, told), signal);
      const rest = todo.filter((line) => !line.result.textContent);
      if (rest.length) {
        for (const line of rest) {
          dom.setText(line.result, 'left as it is');
        }
        dom.setText(hint, `${hint.textContent.replace(/\.$/, '')}, `
          + `${rest.length} left as they are.`);
      }
      return true;
    },
  });
}

/**
 * Make the bar of what can be done with the hosts that are selected.
 *
 * @param {object} selection
 * @param {function(): object[]} selection.chosen returns them.
 * @param {function()} selection.clear selects none.
 */
export function bulkActions({ chosen, clear }) {
  const text = element('strong', { role: 'status' });
  const node = element('div.bulk', {
    role: 'toolbar', 'aria-label': 'What to do with the hosts selected',
    hidden: true,
  }, text, ...ACTIONS.map((action) => element('button', {
    type: 'button',
    click: () => ask(action, chosen().map((host) => hosts.get(
      host.metadata.name, host.metadata.namespace) ?? host)),
  }, `${action.verb}…`)), element('button.plain', {
    type: 'button', click: clear,
  }, 'Select none'));
  return {
    node,
    /** Show it for so many hosts, some of which are not in sight. */
    show(count, elsewhere) {
      node.hidden = !count;
      dom.setText(text, !count ? '' : `${dom.count(count, 'host')} selected`
        + `${elsewhere ? `, ${elsewhere} of them not shown` : ''}`);
    },
  };
}
