import { isDeepStrictEqual } from 'node:util';

type Json = Readonly<Record<string, unknown>>;

/**
 * Whether a member of a published manifest says what package.json in the tarball says. npm writes some members in a longer form
 * than people do, and derives two from the repository; anything else must be the same.
 *
 * @param key of the member
 * @param value as published
 * @param packed package.json in the tarball
 */
export function describedAlike(key: string, value: unknown, packed: Json): boolean {
  const mine = Object.hasOwn(packed, key) ? packed[key] : undefined;
  if (mine === undefined) return isDerived(key, value, packed);
  if (isDeepStrictEqual(value, mine)) return true;
  const normalize = normalizers[key] ?? plainText;
  return isDeepStrictEqual(normalize(value), normalize(mine));
}

/** `homepage` and `bugs` that npm makes up from a repository whose host it knows. */
function isDerived(key: string, value: unknown, packed: Json): boolean {
  if (key !== 'homepage' && key !== 'bugs') return false;
  const place = location(urlOf(packed.repository));
  const found = location(urlOf(value));
  return place !== undefined && found !== undefined && (found === place || found.startsWith(`${place}/`));
}

const normalizers: Readonly<Record<string, (value: unknown) => unknown>> = {
  repository: (value) => ({ place: location(urlOf(value)) ?? value, directory: member(value, 'directory') }),
  bugs: (value) => ({ url: location(urlOf(value)), email: member(value, 'email') }),
  homepage: (value) => location(urlOf(value)) ?? value,
  author: person,
  contributors: (value) => (Array.isArray(value) ? value.map(person) : value),
  maintainers: (value) => (Array.isArray(value) ? value.map(person) : value),
  keywords: (value) => (typeof value === 'string' ? value.split(/[\s,]+/).filter((word) => word !== '') : value),
  license: (value) => member(value, 'type') ?? value,
  funding: (value) => (Array.isArray(value) ? value : [value]).map((one) => urlOf(one)),
  man: (value) => (Array.isArray(value) ? value : [value]).map(plainText),
};

/** Where a URL leads, without the ways to write it: scheme, `git+`, `.git`, a host's short name, credentials, anchor. */
function location(text: string | undefined): string | undefined {
  if (text === undefined) return undefined;
  const short = /^(?:(github|gitlab|bitbucket):)?([\w.-]+\/[\w.-]+)(?:#.*)?$/.exec(text);
  const hosts: Readonly<Record<string, string>> = { gitlab: 'gitlab.com', bitbucket: 'bitbucket.org' };
  const full = short === null ? text : `https://${hosts[short[1] ?? ''] ?? 'github.com'}/${short[2]}`;
  const scp = /^[\w.-]+@([\w.-]+):(?!\/)(.+)$/.exec(full);
  const url = URL.parse(scp === null ? full.replace(/^git\+/, '') : `https://${scp[1]}/${scp[2]}`);
  if (url === null || url.host === '') return undefined;
  return `${url.host}${url.pathname.replace(/\/$/, '').replace(/\.git$/, '')}`.toLowerCase();
}

function urlOf(value: unknown): string | undefined {
  const text = typeof value === 'string' ? value : member(value, 'url');
  return typeof text === 'string' ? text : undefined;
}

function person(value: unknown): unknown {
  if (typeof value !== 'string') {
    return { name: member(value, 'name'), email: member(value, 'email'), url: member(value, 'url') };
  }
  const name = value.replace(/<[^>]*>|\([^)]*\)/g, '').trim();
  return { name: name || undefined, email: /<([^>]*)>/.exec(value)?.[1], url: /\(([^)]*)\)/.exec(value)?.[1] };
}

function plainText(value: unknown): unknown {
  return typeof value === 'string' ? value.trim().replace(/^\.\//, '') : value;
}

function member(value: unknown, key: string): unknown {
  return typeof value === 'object' && value !== null && Object.hasOwn(value, key) ? (value as Json)[key] : undefined;
}
