// SPDX-License-Identifier: Apache-2.0

// What the editor of a config asks: for which host it is to be shown, and
// what to do about somebody else's change.

import * as api from './api.js';
import { hosts } from './collection.js';
import { choice, show } from './dialogs.js';
import * as dom from './dom.js';

const { element } = dom;
const SUGGESTED = 50;

const MINE = 'mine';
const THEIRS = 'theirs';
const WAYS = [
  { value: THEIRS, text: 'Take what is saved',
    hint: 'What is in the editor is lost.' },
  { value: MINE, text: 'Save what is in the editor',
    hint: 'The change of the other is lost.' },
];

/** Make two texts, one beside the other. */
function beside(path, mine, theirs) {
  const pane = (title, text) => element('div', {}, element('h4', {}, title),
    element('pre.mono', { tabindex: '0', 'aria-label': `${title}: ${path}` },
      text ?? '(no such file)'));
  return element('section', {}, element('h3', {}, path),
    element('div.beside', {}, pane('Saved', theirs),
      pane('In the editor', mine)));
}

/**
 * Ask what is to become of two changes.
 *
 * @param {object} mine what is in the editor.
 * @param {object} theirs what the server has.
 * @returns {Promise<?boolean>} true for mine, false for theirs, null to go
 *     on editing.
 */
export async function conflict(mine, theirs) {
  const paths = [...new Set([...Object.keys(theirs.spec.data),
    ...Object.keys(mine.spec.data)])];
  const differ = paths.filter(
    (path) => mine.spec.data[path] !== theirs.spec.data[path]);
  const ways = choice('What is it to be?', WAYS, THEIRS);
  return show({
    title: `${theirs.metadata.name} was changed by somebody else`,
    action: 'Go on', wide: true, isDraft: false,
    content: [
      element('div.preview', {}, ...(differ.length ? differ.map(
        (path) => beside(path, mine.spec.data[path],
          theirs.spec.data[path]))
        : [element('p', {}, 'The files are the same; the settings beside '
          + 'them are not.')])),
      ways.group,
    ],
    submit: async () => ({ isMine: ways.value === MINE }),
  }).then((chosen) => chosen && chosen.isMine);
}

/** Ask for a host, and show what it would get. */
export async function preview(document) {
  const host = element('input', {
    autocomplete: 'off', spellcheck: 'false', list: dom.freshId('hosts'),
  });
  const suggestions = element('datalist', { id: host.getAttribute('list') });
  const suggest = () => {
    const words = host.value.toLowerCase();
    suggestions.replaceChildren(...[...hosts.items.values()]
      .filter(({ metadata }) => metadata.name.toLowerCase().includes(words))
      .slice(0, SUGGESTED).map(({ metadata }) => element('option', {
        value: metadata.namespace === 'default' ? metadata.name
          : `${metadata.namespace}/${metadata.name}` })));
  };
  host.addEventListener('input', suggest);
  hosts.addEventListener('change', suggest);
  suggest();
  const result = element('div.preview', { 'aria-live': 'polite' });
  await show({
    title: 'Preview', action: 'Render', dismissal: 'Close', wide: true,
    isDraft: false,
    content: [dom.field('Host', host, 'Templates are filled with its facts; '
      + 'without a host they have none.'), suggestions, result],
    submit: async () => {
      result.replaceChildren();
      const found = await api.post('preview', document,
        { host: host.value.trim() });
      for (const [path, text] of Object.entries(found.files)) {
        result.append(element('h3', {}, path,
          path === found.primary ? ' (primary)' : ''),
        element('small', {}, found.contentTypes[path] ?? ''),
        element('pre.mono', { tabindex: '0', 'aria-label': path }, text));
      }
      // The dialog stays for another host.
      throw new DOMException('shown', 'AbortError');
    },
  });
  hosts.removeEventListener('change', suggest);
}
