// SPDX-License-Identifier: Apache-2.0

// The boot server's API: requests, errors as sentences, lists in pages.

const ROOT = new URL('api/v1/', document.baseURI);
const TOKEN_KEY = 'keystone-token';
const PAGE = 1000;

/** What the API refused, as its Status says it. */
export class ApiError extends Error {
  constructor(code, message, details = {}) {
    super(message);
    this.code = code;
    this.causes = details.causes ?? [];
    this.referrers = details.referrers ?? [];
  }
}

/** Asks for a token of Keystone that a function takes; set by the page. */
let askForToken = async () => null;
let asking = null;

export function onLogin(ask) {
  askForToken = ask;
}

/** Return the URL of a path below /api/v1/. */
export function url(path, query = {}) {
  const found = new URL(path, ROOT);
  for (const [name, value] of Object.entries(query)) {
    if (value !== '' && value !== undefined) {
      found.searchParams.set(name, value);
    }
  }
  return found;
}

/** Return the path of a resource from its parts, which may be anything. */
export function path(...parts) {
  return parts.map(encodeURIComponent).join('/');
}

/** Return the path of a host. */
export function hostPath(host) {
  return path('namespaces', host.metadata.namespace, 'baremetalhosts',
    host.metadata.name);
}

/** Return the headers that say who asks. */
export function login(token = sessionStorage.getItem(TOKEN_KEY)) {
  return token ? { 'X-Auth-Token': token } : {};
}

/** Refuse a token that is not good for looking at anything. */
async function checkToken(token) {
  const answer = await fetched(url('formats'), { headers: login(token) });
  if (answer.status === 401) {
    throw new ApiError(401, 'Keystone does not take this token: it is '
      + 'not complete, not from here, or it has expired.');
  }
  if (!answer.ok) {
    throw errorOf(answer.status, await answer.text());
  }
}

/** Let the operator log in, once for all requests that wait for it. */
async function logIn(refused) {
  if (sessionStorage.getItem(TOKEN_KEY) !== refused) {
    // Somebody else's request came back earlier.
    return true;
  }
  asking ??= askForToken(checkToken).finally(() => { asking = null; });
  const token = await asking;
  if (token) {
    sessionStorage.setItem(TOKEN_KEY, token);
  }
  return Boolean(token);
}

// What the API calls its resources, and what the page does.
const WORDS = [
  [/\bBareMetalHost\/default\/([^\s,/]+)/g, 'host $1'],
  [/\bBareMetalHost\/([^\s,]+)/g, 'host $1'],
  [/\bBareMetalHost "(?:default\/)?/g, 'host "'],
  [/\bISCSICdrom\/([^\s,]+)/g, 'ISO $1'], [/\bISCSICdrom\b/g, 'ISO'],
  [/\b(?:BootConfig|bootConfigRef)\b/g, 'config'],
];

/** Return a text of the API in the words of the page. */
function inWords(text) {
  return WORDS.reduce((found, [name, word]) => found.replace(name, word),
    text);
}

/** Read an answer's Status. */
export function errorOf(code, text) {
  try {
    const body = JSON.parse(text);
    if (typeof body.message === 'string') {
      return new ApiError(code, inWords(body.message), body.details);
    }
  } catch {
    // Not of this API: what stands before it may answer, too.
  }
  return new ApiError(code, `The server answers HTTP ${code}.`);
}

/**
 * Send a request; log in when that is needed.
 *
 * @returns {Response} of a success.
 * @throws {ApiError} code 0 for a server that does not answer.
 */
export async function send(target, options = {}) {
  for (let attempt = 0; ; attempt += 1) {
    const token = sessionStorage.getItem(TOKEN_KEY);
    const answer = await fetched(target, {
      ...options, headers: { ...options.headers, ...login(token) },
    });
    if (answer.ok) {
      return answer;
    }
    const keystone = /^keystone/i.test(
      answer.headers.get('WWW-Authenticate') ?? '');
    if (answer.status !== 401 || !keystone || attempt > 1
        || !await logIn(token)) {
      throw errorOf(answer.status, await answer.text());
    }
  }
}

/** Fetch; a server that does not answer is an ApiError, too. */
async function fetched(target, options) {
  try {
    return await fetch(target, { cache: 'no-store', ...options });
  } catch (error) {
    if (error.name === 'AbortError') {
      throw error;
    }
    throw new ApiError(0, 'The boot server does not answer.');
  }
}

export async function get(target, query = {}) {
  return (await send(url(target, query))).json();
}

async function write(method, target, body, version, type) {
  const headers = { 'Content-Type': type };
  if (version) {
    headers['If-Match'] = `"${version}"`;
  }
  const answer = await send(target, {
    method, headers, body: JSON.stringify(body),
  });
  return answer.json();
}

export function post(target, body, query = {}) {
  return write('POST', url(target, query), body, '', 'application/json');
}

export function put(target, body, version) {
  return write('PUT', url(target), body, version, 'application/json');
}

/** Change by a merge patch what has this resource version. */
export function patch(target, body, version) {
  return write('PATCH', url(target), body, version,
    'application/merge-patch+json');
}

export function remove(target) {
  return send(url(target), { method: 'DELETE' });
}

/**
 * List a collection page by page.
 *
 * @param {function(Array)} take is given each page as it comes.
 * @returns {string} the resource version to watch from.
 */
export async function list(target, take, signal) {
  let [version, more] = ['', ''];
  do {
    const answer = await send(
      url(target, { limit: PAGE, continue: more }), { signal });
    const body = await answer.json();
    version ||= body.metadata.resourceVersion;
    more = body.metadata.continue ?? '';
    take(body.items);
  } while (more);
  return version;
}
