import { closest } from '@signet/primitives/basics';
import type { ExtendedPolicy, TrustRootReference } from './policy.ts';
import type { PolicyReader } from './policy-reader.ts';
import type { Publisher } from './publisher.ts';

const keys = ['url', 'trustRoot', 'by', 'sha256'];

/** Reads `extends:`. Each policy is signed under a trust root of this one, which is what makes it count. */
export function parseExtends(
  reader: PolicyReader,
  value: unknown,
  trustRoots: readonly TrustRootReference[],
  publishers: ReadonlyMap<string, Publisher>,
): ExtendedPolicy[] {
  const known = (names: readonly string[], name: string, place: readonly (string | number)[], what: string): string => {
    if (names.includes(name)) return name;
    const meant = closest(name, names);
    throw reader.error(place, `unknown ${what}${meant === undefined ? '' : `; did you mean ${meant}?`}`, {
      found: name,
    });
  };
  const roots = new Set<string>();
  return reader.list(value ?? [], ['extends']).map((entry, index) => {
    const place = ['extends', index];
    const section = reader.section(entry, place, keys);
    const root = reader.string(reader.optional(section, 'trustRoot'), [...place, 'trustRoot']);
    known(
      trustRoots.map(({ name }) => name),
      root,
      [...place, 'trustRoot'],
      'trust root',
    );
    if (roots.has(root)) {
      throw reader.error([...place, 'trustRoot'], 'two policies under this trust root; its rules would have one name', {
        found: root,
      });
    }
    roots.add(root);
    const by = reader.optional(section, 'by');
    const at = [...place, 'by'];
    const names = by === undefined ? undefined : reader.strings(by, at);
    for (const [position, name] of (names ?? []).entries()) {
      known([...publishers.keys()], name, [...at, position], 'publisher');
    }
    const sha256 = reader.optional(section, 'sha256');
    if (sha256 !== undefined && (typeof sha256 !== 'string' || !/^[0-9a-f]{64}$/.test(sha256))) {
      throw reader.error([...place, 'sha256'], 'expected 64 lower-case hexadecimal digits', { found: sha256 });
    }
    return {
      url: reader.url(reader.optional(section, 'url'), [...place, 'url']),
      trustRoot: root,
      ...(names === undefined ? {} : { by: names }),
      ...(typeof sha256 === 'string' ? { sha256 } : {}),
    };
  });
}
