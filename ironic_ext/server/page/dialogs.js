// SPDX-License-Identifier: Apache-2.0

// Modal dialogs: the browser's own, which keep the focus inside, close on
// Escape and give the focus back.

import { element, field, freshId } from './dom.js';

// Those that are open, the last one on top.
const opened = new Set();

/** Say what is lost when the dialogs close; '' for nothing. */
export function unsaved() {
  return [...opened].map((one) => one.unsaved()).find(Boolean) ?? '';
}

/** Close all dialogs that belong to what the address says. */
export function closeAll() {
  for (const one of [...opened].filter((each) => !each.isApart).reverse()) {
    one.close();
  }
}

/** Return what a form's controls have; buttons come and go. */
function entered(form) {
  return JSON.stringify([...form.querySelectorAll('input, select, textarea')]
    .map(({ type, checked, value }) => (
      ['checkbox', 'radio'].includes(type) ? checked : value)));
}

/**
 * Show a dialog with a form.
 *
 * @param {object} options
 * @param {string} options.title
 * @param {Node[]} options.content
 * @param {string} [options.action] what the main button says; without it
 *     there is only a button that closes.
 * @param {string} [options.dismissal] what the button says that closes it.
 * @param {boolean} [options.danger]
 * @param {boolean} [options.wide]
 * @param {boolean} [options.stays] whether it stays when the work is done,
 *     which says what became of it. To dismiss it meanwhile ends the work,
 *     and the next time the dialog.
 * @param {boolean} [options.isDraft] whether what was entered is worth a
 *     question before it is lost to another address.
 * @param {boolean} [options.isApart] whether it stays at another address.
 * @param {AbortSignal} [options.signal] closes it.
 * @param {function(AbortSignal): Promise} [options.submit] does the work;
 *     the dialog stays open, with the error, when it fails.
 * @returns {Promise<*>} what submit() returned, null when closed without.
 */
export function show({ title, content, action, danger = false, wide = false,
  dismissal = action ? 'Cancel' : 'Close', stays = false,
  isDraft = Boolean(action) && !stays, isApart = false, signal = null,
  submit = async () => true }) {
  return new Promise((resolve) => {
    const titleId = freshId('title');
    const work = new AbortController();
    let result = null;
    let isWorking = false;
    const alert = element('p.dialog-alert', { role: 'alert' });
    const dismiss = element('button', {
      type: 'button', click: () => (isWorking ? stop() : dialog.close()),
    }, dismissal);

    function stop() {
      work.abort();
      dismiss.disabled = true;
    }

    const main = action ? element(
      danger ? 'button.primary.danger' : 'button.primary',
      { type: 'submit' }, action) : null;
    const form = element('form', {
      method: 'dialog',
      submit: async (event) => {
        event.preventDefault();
        if (!action || main.disabled) {
          return;
        }
        alert.textContent = '';
        main.disabled = true;
        if (stays) {
          isWorking = true;
          dismiss.textContent = 'Stop';
        }
        try {
          result = await submit(work.signal);
          isWorking = false;
          dismiss.disabled = false;
          if (stays) {
            main.remove();
            dismiss.textContent = 'Close';
            dismiss.focus();
          } else {
            dialog.close();
          }
        } catch (error) {
          if (error.name !== 'AbortError') {
            alert.textContent = error.message;
          }
          isWorking = false;
          dismiss.disabled = false;
          dismiss.textContent = dismissal;
        } finally {
          main.disabled = false;
        }
      },
    },
    element('h2', { id: titleId }, title), ...content, alert,
    element('div.buttons', {}, dismiss, main));
    const dialog = element(wide ? 'dialog.wide' : 'dialog', {
      'aria-labelledby': titleId,
      cancel: (event) => {
        if (isWorking) {
          event.preventDefault();
          stop();
        }
      },
      close: () => {
        work.abort();
        opened.delete(own);
        dialog.remove();
        resolve(result);
      },
    }, form);
    document.body.append(dialog);
    const before = entered(form);
    const own = {
      isApart,
      close: () => {
        opened.delete(own);
        dialog.close();
      },
      unsaved: () => (isWorking ? 'What is not begun yet is left as it is.'
        : isDraft && entered(form) !== before
          ? `What was entered in “${title}” is lost.` : ''),
    };
    opened.add(own);
    signal?.addEventListener('abort', own.close);
    dialog.showModal();
  });
}

/** Ask before something is done that cannot be taken back. */
export function confirm({ title, text, action, danger = false, extra = [],
  submit, ...options }) {
  return show({
    title, action, danger, submit, isDraft: false, ...options,
    content: [element('p', {}, text), ...extra],
  });
}

/**
 * Ask whether something that is not saved may get lost.
 *
 * @param {string} lost says what.
 * @param {AbortSignal} signal takes the question back.
 */
export function mayLeave(lost, signal) {
  return confirm({
    title: 'Leave without saving?', text: lost, action: 'Leave',
    dismissal: 'Stay', danger: true, signal,
  });
}

/** Make one of several, as radio buttons: a fieldset with a `value`. */
export function choice(legend, options, chosen) {
  const name = freshId('choice');
  const group = element('fieldset', {}, element('legend', {}, legend),
    ...options.map(({ value, text, hint }) => {
      const input = element('input', {
        type: 'radio', name, value, checked: value === chosen,
      });
      return element('label.option', {}, input, element('span', {}, text,
        hint ? element('small', {}, hint) : null));
    }));
  return {
    group,
    get value() {
      return group.querySelector('input:checked').value;
    },
  };
}

/**
 * Ask for a token of Keystone.
 *
 * @param {function(string): Promise} check throws for one that is no good.
 * @returns {Promise<?string>} null when there is none.
 */
export function askForToken(check) {
  const token = element('input', {
    type: 'password', required: true, autocomplete: 'off',
    spellcheck: 'false',
  });
  return show({
    title: 'Log in', action: 'Log in', isDraft: false, isApart: true,
    content: [field('Token of Keystone', token,
      'As "openstack token issue -f value -c id" prints it. It is kept '
      + 'until this tab is closed.')],
    submit: async () => {
      await check(token.value.trim());
      return token.value.trim();
    },
  });
}
