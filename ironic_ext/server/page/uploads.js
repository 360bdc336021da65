// SPDX-License-Identifier: Apache-2.0

// Uploads of ISOs: with progress, gone on with where they broke off. They
// live as long as the page, whatever view is shown.

import * as api from './api.js';
import { isos } from './collection.js';
import { complain, tell } from './notices.js';

const RETRIES = 5;
const FIRST_WAIT = 1000;    // milliseconds

/** 'change' when an upload began, went on or ended. */
export const events = new EventTarget();
const running = new Map();

function changed() {
  events.dispatchEvent(new Event('change'));
}

/** Return {sent, total, cancel} of an upload, undefined for none. */
export function of(name) {
  return running.get(name);
}

/** Send the rest of a file in one request. */
function sendFrom(target, file, offset, upload) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    upload.cancel = () => {
      upload.cancelled = true;
      request.abort();
    };
    request.open('PUT', target);
    request.setRequestHeader('Content-Type', 'application/octet-stream');
    for (const [name, value] of Object.entries(api.login())) {
      request.setRequestHeader(name, value);
    }
    if (offset) {
      request.setRequestHeader('Content-Range',
        `bytes ${offset}-${file.size - 1}/${file.size}`);
    }
    request.upload.addEventListener('progress', (event) => {
      upload.sent = offset + event.loaded;
      changed();
    });
    request.addEventListener('load', () => {
      if (request.status < 300) {
        resolve(JSON.parse(request.responseText));
      } else {
        reject(api.errorOf(request.status, request.responseText));
      }
    });
    request.addEventListener('error', () => reject(
      new api.ApiError(0, 'The connection broke off.')));
    request.addEventListener('abort', () => reject(
      new DOMException('cancelled', 'AbortError')));
    request.send(offset ? file.slice(offset) : file);
  });
}

async function run(name, file, offset, upload) {
  const path = `${api.path('iscsi-cdroms', name)}/upload`;
  let from = offset;
  for (let tries = 0; ; tries += 1) {
    try {
      return await sendFrom(api.url(path), file, from, upload);
    } catch (error) {
      if (upload.cancelled || error.code !== 0 || tries >= RETRIES) {
        throw error;
      }
    }
    await new Promise((resolve) => {
      setTimeout(resolve, FIRST_WAIT * 2 ** tries);
    });
    if (upload.cancelled) {
      throw new DOMException('cancelled', 'AbortError');
    }
    try {
      from = (await api.get(path)).received;
    } catch (error) {
      if (error.code !== 0) {
        throw error;
      }
    }
  }
}

/** Return how much of an ISO came by an upload that broke off, bytes. */
export async function received(name) {
  return (await api.get(`${api.path('iscsi-cdroms', name)}/upload`))
    .received;
}

/** Upload a file; what goes wrong is told. */
export async function start(name, file, offset = 0) {
  const upload = {
    sent: offset, total: file.size, cancelled: false,
    cancel() { this.cancelled = true; },
  };
  running.set(name, upload);
  changed();
  try {
    isos.note(await run(name, file, offset, upload));
    tell(`${name} is uploaded.`);
  } catch (error) {
    if (upload.cancelled) {
      tell(`The upload of ${name} is stopped; what came is kept.`);
    } else {
      complain(`${name} is not uploaded: ${error.message}`);
    }
  } finally {
    running.delete(name);
    changed();
  }
}

window.addEventListener('beforeunload', (event) => {
  if (running.size) {
    event.preventDefault();
  }
});
