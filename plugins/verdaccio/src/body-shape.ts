import { isExactVersion } from '@signet/client/npm';
import { isRead, pathOf } from './endpoint.ts';
import { Refusal } from './refusal.ts';
import type { Middleware } from './verdaccio-host.ts';

type Check = (value: unknown, where: string) => void;

/**
 * Refuses bodies whose members are not of the kind that Verdaccio takes them for, before it does: it looks at them in callbacks
 * of its storage, where an object in place of a text ends in an exception that nobody catches. The rule is the same for every
 * address, so that no spelling of one leads around it: whatever Verdaccio reads from a body has one meaning, and one shape.
 */
export const bodyShape: Middleware = (request, _response, next) => {
  const path = pathOf(request);
  // Names of packages stand there as keys, and none of Verdaccio's own endpoints.
  if (isRead(request) || path.startsWith('/-/npm/v1/security/') || path.startsWith('/-/signet/v1/')) {
    next();
    return;
  }
  try {
    // Verdaccio looks for members without asking whether anything was sent.
    if (request.body === undefined && request.method !== 'DELETE') request.body = {};
    checkBody(request.body, path);
    next();
  } catch (error) {
    next(error);
  }
};

function checkBody(body: unknown, path: string): void {
  // A version by itself is what `npm dist-tag add` sends.
  if (body === undefined) return;
  if (typeof body === 'string') {
    version(body, 'the body');
    return;
  }
  object(body, 'the body');
  if (/^\/-\/npm\/v1\/user\/?$/i.test(path) && !('password' in (body as object)) && !('tfa' in (body as object))) {
    throw new Refusal(400, 'ERR_REQUEST', 'Of a profile, password and tfa can be changed, and neither was sent');
  }
  const isUser = Object.hasOwn(body as object, 'password') || /^\/-\/user\//i.test(path);
  // `POST /-/package/<name>/dist-tags`: every member is a tag.
  const members = /\/dist-tags\/?$/i.test(path) ? undefined : documentMembers;
  for (const [key, value] of Object.entries(body as object)) {
    const check = members === undefined ? version : members.get(key);
    check?.(value, key);
    if (isUser && (key === 'name' || key === 'username')) userName(value);
  }
}

const text: Check = (value, where) => {
  if (typeof value !== 'string') throw bad(where, 'a text', value);
};

const version: Check = (value, where) => {
  if (typeof value !== 'string' || !isExactVersion(value)) throw bad(where, 'a version', value);
};

const flag: Check = (value, where) => {
  if (typeof value !== 'boolean') throw bad(where, 'true or false', value);
};

function object(value: unknown, where: string): asserts value is object {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw bad(where, 'an object', value);
  // Verdaccio's code looks members up without asking whether they are an object's own.
  for (const key of Object.keys(value)) {
    if (key in Object.prototype) throw new Refusal(400, 'ERR_REQUEST', `${where} may not have a member ${key}`);
  }
}

const objectOf =
  (check: Check): Check =>
  (value, where) => {
    object(value, where);
    for (const [key, member] of Object.entries(value)) check(member, `${where}.${key}`);
  };

const list =
  (check: Check): Check =>
  (value, where) => {
    if (!Array.isArray(value)) throw bad(where, 'a list', value);
    for (const [index, member] of value.entries()) check(member, `${where}[${index}]`);
  };

const optional =
  (check: Check): Check =>
  (value, where) => {
    if (value !== undefined && value !== null) check(value, where);
  };

const anything: Check = () => {};

const manifestMembers = new Map<string, Check>([
  ['name', text],
  ['version', text],
  ['_id', text],
  ['readme', optional(text)],
  ['readmeFilename', optional(text)],
  ['description', optional(text)],
  ['dist', objectOf(anything)],
  // npm withdraws a deprecation by an empty text.
  ['deprecated', (value, where) => (typeof value === 'boolean' ? undefined : optional(text)(value, where))],
]);

const manifest: Check = (value, where) => {
  object(value, where);
  for (const [key, member] of Object.entries(value)) manifestMembers.get(key)?.(member, `${where}.${key}`);
};

/** What Verdaccio reads: package documents, stars, users, passwords, tokens. */
const documentMembers = new Map<string, Check>([
  ['name', text],
  ['_id', text],
  ['_rev', optional(text)],
  ['versions', objectOf(manifest)],
  ['dist-tags', objectOf(version)],
  ['users', objectOf(flag)],
  ['_attachments', optional(objectOf(objectOf(anything)))],
  ['time', optional(objectOf(anything))],
  ['maintainers', optional(list(anything))],
  ['readme', optional(text)],
  ['access', optional(text)],
  ['username', text],
  ['email', optional(text)],
  ['type', optional(text)],
  ['date', optional(text)],
  ['roles', optional(list(text))],
  [
    'password',
    (value, where) => (typeof value === 'object' ? optional(passwordChange)(value, where) : text(value, where)),
  ],
  ['tfa', anything],
  ['readonly', flag],
  ['cidr_whitelist', list(text)],
]);

const passwordChange: Check = (value, where) => {
  object(value, where);
  const { old, new: next } = value as Record<string, unknown>;
  text(old, `${where}.old`);
  text(next, `${where}.new`);
};

/** The password file is looked up by the name, as a member of an object that has a prototype. */
function userName(value: unknown): void {
  if (typeof value === 'string' && !(value in Object.prototype)) return;
  throw new Refusal(400, 'ERR_REQUEST', 'This cannot be the name of a user');
}

function bad(where: string, expected: string, found: unknown): Refusal {
  const kind = found === null ? 'null' : Array.isArray(found) ? 'a list' : `a value of type ${typeof found}`;
  return new Refusal(400, 'ERR_REQUEST', `${where.slice(0, 200)} must be ${expected}, found ${kind}`);
}
