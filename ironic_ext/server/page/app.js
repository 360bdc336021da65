// SPDX-License-Identifier: Apache-2.0

// The page: which view is shown, and whether what it shows is live.

import * as address from './address.js';
import * as api from './api.js';
import * as collections from './collection.js';
import * as dialogs from './dialogs.js';
import { setParts, timeOf } from './dom.js';
import { configsView } from './configs.js';
import { hostsView } from './hosts.js';
import { isosView } from './isos.js';

const VIEWS = {
  hosts: { title: 'Hosts', make: hostsView },
  isos: { title: 'ISOs', make: isosView },
  configs: { title: 'Configs', make: configsView },
};

const main = document.getElementById('main');
const connection = document.getElementById('connection');
const login = document.getElementById('login');
let current = null;
let shown = '';
// Takes back the question whether to leave, while it is asked.
let asking = null;

/** Return the name of the view that the address says, and what of it. */
function named() {
  const { view, path, query } = address.parse(location.hash);
  return { key: view in VIEWS ? view : 'hosts', path, query };
}

/** Say what of a view is lost when it goes; '' for nothing. */
function unsaved() {
  return current?.unsaved?.() ?? '';
}

/** Whether the view that is shown can show what the address says. */
function stays(key) {
  return key === shown && 'go' in current;
}

/** Follow the address, unless something would be lost for it. */
async function follow() {
  if (asking) {
    if (!address.hasMoved()) {
      asking.abort();
    }
    return;
  }
  if (!address.hasMoved()) {
    return;
  }
  const lost = dialogs.unsaved() || (stays(named().key) ? '' : unsaved());
  if (lost) {
    asking = new AbortController();
    const leaves = await dialogs.mayLeave(lost, asking.signal);
    asking = null;
    if (!leaves) {
      address.restore();
      return;
    }
  }
  route();
}

/** Show what the address names. */
function route() {
  const { key, path, query } = named();
  dialogs.closeAll();
  address.settle();
  if (stays(key)) {
    current.go(path, query);
    return;
  }
  current?.close();
  const first = current === null;
  current = VIEWS[key].make(path, query);
  shown = key;
  main.replaceChildren(current.node);
  current.shown?.();
  document.title = `${VIEWS[key].title} – Bare metal boot`;
  for (const link of document.querySelectorAll('nav a')) {
    const active = link.getAttribute('href') === `#/${key}`;
    link.toggleAttribute('aria-current', active);
    if (active) {
      link.setAttribute('aria-current', 'page');
    }
  }
  if (!first) {
    // Keyboards and screen readers go on in what is new.
    main.focus({ preventScroll: true });
    window.scrollTo(0, 0);
  }
}

function showConnection() {
  const used = collections.all.filter((one) => one.users > 0);
  const broken = used.find((one) => one.state === 'broken');
  const stale = used.find((one) => one.stale);
  login.hidden = !used.some((one) => one.refused);
  if (broken) {
    connection.className = 'connection broken';
    setParts(connection, 'Not up to date', ...broken.liveAt
      ? [' since ', timeOf(broken.liveAt)] : [], `: ${broken.error.message}`);
  } else if (stale) {
    connection.className = 'connection broken';
    setParts(connection, 'As of ', timeOf(stale.stale.since),
      `: ${stale.stale.reason}`);
  } else if (used.every((one) => one.state === 'live')) {
    connection.className = 'connection live';
    setParts(connection, 'Live');
  } else {
    connection.className = 'connection';
    setParts(connection, 'Loading…');
  }
  // What is shown of the power is as old as that.
  main.classList.toggle('stale', Boolean(broken || stale));
}

api.onLogin(dialogs.askForToken);
for (const collection of collections.all) {
  collection.addEventListener('state', showConnection);
}
login.addEventListener('click', () => {
  for (const collection of collections.all.filter((one) => one.refused)) {
    collection.retry();
  }
});
window.addEventListener('hashchange', follow);
window.addEventListener('beforeunload', (event) => {
  if (dialogs.unsaved() || unsaved()) {
    event.preventDefault();
  }
});
// The skip link must not change the view.
document.querySelector('.skip').addEventListener('click', (event) => {
  event.preventDefault();
  main.focus();
});
route();
