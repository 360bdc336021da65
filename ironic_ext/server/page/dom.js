// SPDX-License-Identifier: Apache-2.0

// Elements of the document. Data becomes text only, never markup: names and
// messages may come from anybody.

/**
 * Make an element.
 *
 * @param {string} tag such as 'td', or 'td.name' with a class.
 * @param {object} attributes functions are listeners, booleans properties,
 *     undefined and null are left out.
 * @param {...(Node|string|null)} children
 */
export function element(tag, attributes = {}, ...children) {
  const [name, ...classes] = tag.split('.');
  const made = document.createElement(name);
  made.classList.add(...classes);
  for (const [key, value] of Object.entries(attributes)) {
    if (typeof value === 'function') {
      made.addEventListener(key, value);
    } else if (typeof value === 'boolean') {
      made[key] = value;
    } else if (key === 'value') {
      made.value = value;
    } else if (value !== undefined && value !== null) {
      made.setAttribute(key, value);
    }
  }
  made.append(...children.filter((child) => child !== null));
  return made;
}

/**
 * Make a link to another site, or just the text where the URL is none that a
 * browser opens safely: whoever writes it may be anybody.
 */
export function linkTo(address, text) {
  const found = URL.canParse(address) ? new URL(address) : null;
  if (!['http:', 'https:'].includes(found?.protocol) || found.username
      || found.password) {
    return document.createTextNode(address);
  }
  return element('a', {
    href: found.href, target: '_blank', rel: 'noopener noreferrer',
  }, text);
}

let numbered = 0;

/** Return an id that no other element has. */
export function freshId(prefix) {
  numbered += 1;
  return `${prefix}-${numbered}`;
}

/** Make a labelled control with an optional hint. */
export function field(label, control, hint = '') {
  control.id ||= freshId('field');
  const parts = [element('label', { for: control.id }, label), control];
  if (hint) {
    const id = freshId('hint');
    control.setAttribute('aria-describedby', id);
    parts.push(element('small', { id }, hint));
  }
  return element('div.field', {}, ...parts);
}

/** Change a text only if it differs, so that nothing is announced twice. */
export function setText(node, text) {
  if (node.textContent !== text) {
    node.textContent = text;
  }
}

/** Change what is in a node only if it differs, likewise. */
export function setParts(node, ...parts) {
  const wanted = node.cloneNode(false);
  wanted.append(...parts);
  if (!wanted.isEqualNode(node)) {
    node.replaceChildren(...wanted.childNodes);
  }
}

/** Set an attribute, or remove it for null, only if it differs. */
export function setAttribute(node, name, value) {
  if (value === null || value === undefined) {
    node.removeAttribute(name);
  } else if (node.getAttribute(name) !== value) {
    node.setAttribute(name, value);
  }
}

/** Make a badge: a word with a colour that adds to it. */
export function setBadge(node, text, tone) {
  setText(node, text);
  const wanted = `badge ${tone}`;
  if (node.className !== wanted) {
    node.className = wanted;
  }
}

/**
 * Give a parent these children in this order. What has the focus stays where
 * it is in the document, since moving it would take the focus away and close
 * an open dropdown.
 */
export function arrange(parent, wanted) {
  const kept = new Set(wanted);
  for (const child of [...parent.children]) {
    if (!kept.has(child)) {
      child.remove();
    }
  }
  if (wanted.every((child, at) => parent.children[at] === child)) {
    return;
  }
  const pivot = wanted.findIndex(
    (child) => child.parentNode === parent
      && child.contains(document.activeElement));
  const fixed = pivot < 0 ? null : wanted[pivot];
  wanted.forEach((child, at) => {
    if (at < pivot) {
      parent.insertBefore(child, fixed);
    } else if (at > pivot) {
      parent.append(child);
    }
  });
}

// Many rows offer the same: options are made once and copied.
const prepared = new Map();
const PREPARED = 20;

function optionsOf(key, options) {
  if (!prepared.has(key)) {
    if (prepared.size >= PREPARED) {
      prepared.clear();
    }
    const fragment = new DocumentFragment();
    fragment.append(...options.map((option) => element(
      'option', { value: option.value, disabled: !!option.disabled },
      option.text)));
    prepared.set(key, fragment);
  }
  return prepared.get(key).cloneNode(true);
}

const filled = new WeakMap();

/**
 * Fill a select, leaving it alone when it has these options already.
 *
 * @param {Array<{value: string, text: string, disabled?: boolean}>} options
 */
export function setOptions(select, options, value) {
  const key = JSON.stringify(options);
  if (filled.get(select) !== key) {
    select.replaceChildren(optionsOf(key, options));
    filled.set(select, key);
  }
  if (select.value !== value) {
    select.value = value;
  }
}

const times = new Intl.DateTimeFormat(undefined, {
  hour: '2-digit', minute: '2-digit', second: '2-digit',
});
const dates = new Intl.DateTimeFormat(undefined, {
  dateStyle: 'medium', timeStyle: 'medium',
});

/** Return a time for people: local, of today without the date. */
function moment(when) {
  const then = new Date(when);
  return (then.toDateString() === new Date().toDateString()
    ? times : dates).format(then);
}

const whole = new Intl.DateTimeFormat(undefined, {
  dateStyle: 'long', timeStyle: 'long',
});

/** Make a time for people, with the whole of it under the mouse. */
export function timeOf(when) {
  const then = new Date(when);
  if (Number.isNaN(then.getTime())) {
    // Some may be set by anybody.
    return document.createTextNode(when);
  }
  return element('time', {
    datetime: then.toISOString(), title: whole.format(then),
  }, moment(then));
}

const URLS = /[a-z][a-z0-9+.-]*:\/\/[^\s'"<>]*[^\s'"<>:;,.)]/gi;

/** Cut long URLs in their middle: what they end with tells them apart. */
export function cutUrls(text, longest = 56) {
  return text.replace(URLS, (url) => (url.length <= longest ? url
    : `${url.slice(0, longest / 2 - 1)}…${url.slice(-longest / 2)}`));
}

/** Write the firmware that a line begins with as people do. */
export function firmware(line) {
  return line.replace(/^(?:bios|uefi)/, (name) => name.toUpperCase());
}

const UNITS = ['bytes', 'KiB', 'MiB', 'GiB', 'TiB'];

/** Return a number of bytes for people. */
export function size(bytes) {
  if (bytes === undefined || bytes === null) {
    return '';
  }
  let [shown, unit] = [bytes, 0];
  while (shown >= 1024 && unit < UNITS.length - 1) {
    shown /= 1024;
    unit += 1;
  }
  return `${unit && shown < 100 ? shown.toFixed(1) : Math.round(shown)} `
    + UNITS[unit];
}

const plurals = new Intl.PluralRules('en');

/** Return "1 host", "2 hosts". */
export function count(number, noun) {
  return `${number.toLocaleString('en')} ${noun}`
    + (plurals.select(number) === 'one' ? '' : 's');
}
