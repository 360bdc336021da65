// SPDX-License-Identifier: Apache-2.0

// Messages at the page's edge. Errors stay until they are dismissed and are
// read out at once; the rest goes by itself.

import { element } from './dom.js';

const SHOWN = 8000;     // milliseconds
const MOST = 5;

function show(holder, kind, message) {
  const close = element('button.plain', {
    type: 'button', 'aria-label': 'Dismiss', click: () => notice.remove(),
  }, '×');
  const notice = element(`div.notice.${kind}`, {},
    element('span', {}, message), close);
  holder.append(notice);
  while (holder.children.length > MOST) {
    holder.firstElementChild.remove();
  }
  // An open modal dialog covers everything that is not inside of it.
  const dialog = [...document.querySelectorAll('dialog[open]')].pop();
  const area = dialog?.querySelector('.dialog-alert');
  if (area && kind === 'error') {
    area.textContent = message;
  }
  return notice;
}

/** Say what went well. */
export function tell(message) {
  const notice = show(document.getElementById('notices'), 'done', message);
  setTimeout(() => notice.remove(), SHOWN);
}

/** Say what failed. */
export function complain(message) {
  show(document.getElementById('alerts'), 'error', message);
}
