// SPDX-License-Identifier: Apache-2.0

// A resource as YAML: what "openstack baremetal boot apply" takes. Texts of
// several lines are blocks, so that they can be read and compared.

// What a block can hold as it is: no tabs at the start of a line, which
// readers disagree about, and no other control characters.
const PLAIN = /^(?:[^\t\n\x00-\x1f\x7f-\x9f\u2028\u2029\ufeff][^\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\ufeff\n]*|\n)*$/u;

function block(text, indent) {
  const chomp = !text.endsWith('\n') ? '-' : text.endsWith('\n\n') ? '+' : '';
  const lines = text.replace(/\n$/, '').split('\n');
  return `|2${chomp}\n${lines.map((line) => (line ? `${indent}  ${line}`
    : '')).join('\n')}`;
}

function lines(value, indent) {
  return Object.entries(value).filter(([, item]) => item !== undefined).map(
    ([key, item]) => {
      const head = `${indent}${JSON.stringify(key)}:`;
      if (typeof item === 'string' && item.includes('\n')
          && item.trim() && PLAIN.test(item)) {
        return `${head} ${block(item, indent)}`;
      }
      if (item && typeof item === 'object' && !Array.isArray(item)
          && Object.keys(item).length) {
        return `${head}\n${lines(item, `${indent}  `)}`;
      }
      return `${head} ${JSON.stringify(item)}`;
    }).join('\n');
}

/** Return a resource as a document of YAML. */
export function toYaml(resource) {
  return `---\n${lines(resource, '')}\n`;
}
