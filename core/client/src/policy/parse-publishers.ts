import type { PolicyReader, Section } from './policy-reader.ts';
import { type GithubPublisher, type OidcPublisher, type Publisher, subjectPattern } from './publisher.ts';

/** Reads `publishers:`. Each is one kind of identity; none may be so wide that anybody is it. */
export function parsePublishers(reader: PolicyReader, value: unknown): ReadonlyMap<string, Publisher> {
  const section = reader.mapping(value ?? {}, ['publishers']);
  return new Map(
    Object.keys(section).map((name) => [name, parsePublisher(reader, name, reader.optional(section, name))]),
  );
}

function parsePublisher(reader: PolicyReader, name: string, value: unknown): Publisher {
  const place = ['publishers', name];
  const section = reader.section(value, place, ['oidc', 'github', 'key'], ['gitlab', 'buildkite', 'circleci', 'chain']);
  const oidc = reader.optional(section, 'oidc');
  const github = reader.optional(section, 'github');
  const key = reader.optional(section, 'key');
  if ([oidc, github, key].filter((one) => one !== undefined).length !== 1) {
    throw reader.error(place, 'needs exactly one of oidc, github and key');
  }
  if (key !== undefined) {
    const at = [...place, 'key'];
    const fields = reader.section(key, at, ['file', 'notAfter']);
    const notAfter = reader.optional(fields, 'notAfter');
    return {
      kind: 'key',
      name,
      file: reader.string(reader.optional(fields, 'file'), [...at, 'file']),
      ...(notAfter === undefined ? {} : { notAfter: reader.time(notAfter, [...at, 'notAfter']) }),
    };
  }
  return oidc !== undefined
    ? parseOidc(reader, name, oidc, [...place, 'oidc'])
    : parseGithub(reader, name, github, [...place, 'github']);
}

function parseOidc(reader: PolicyReader, name: string, value: unknown, place: readonly string[]): OidcPublisher {
  const section = reader.section(value, place, ['issuer', 'san', 'sanRegex']);
  const issuer = reader.optional(section, 'issuer');
  if (issuer === undefined) {
    throw reader.error(
      place,
      'issuer is required: a subject without an issuer can be minted by any identity provider',
      {
        code: 'TP003',
      },
    );
  }
  const san = reader.optional(section, 'san');
  const sanRegex = reader.optional(section, 'sanRegex');
  if ((san === undefined) === (sanRegex === undefined))
    throw reader.error(place, 'needs exactly one of san and sanRegex');
  return {
    kind: 'oidc',
    name,
    issuer: reader.url(issuer, [...place, 'issuer']),
    subjects:
      san !== undefined ? reader.strings(san, [...place, 'san']) : regex(reader, sanRegex, [...place, 'sanRegex']),
  };
}

function regex(reader: PolicyReader, value: unknown, place: readonly string[]): OidcPublisher['subjects'] {
  const text = reader.string(value, place);
  const pattern = subjectPattern(text);
  if (typeof pattern === 'string') throw reader.error(place, pattern, { code: 'TP004', found: text });
  return pattern;
}

const githubKeys = [
  'repository',
  'repositoryId',
  'ownerId',
  'workflow',
  'signer',
  'ref',
  'environment',
  'runner',
  'trigger',
];

function parseGithub(reader: PolicyReader, name: string, value: unknown, place: readonly string[]): GithubPublisher {
  const section = reader.section(value, place, githubKeys);
  const at = (key: string): readonly string[] => [...place, key];
  const publisher = {
    kind: 'github',
    name,
    ...optional(section, reader, 'repository', (text) => {
      const repository = reader.string(text, at('repository'));
      if (!/^[A-Za-z0-9-]+\/[A-Za-z0-9\-_.*]+$/.test(repository)) {
        throw reader.error(at('repository'), 'expected owner/name or owner/*', { found: repository });
      }
      return repository;
    }),
    ...optional(section, reader, 'repositoryId', (id) => reader.digits(id, at('repositoryId'))),
    ...optional(section, reader, 'ownerId', (id) => reader.digits(id, at('ownerId'))),
    ...optional(section, reader, 'workflow', (text) => workflowPath(reader, text, at('workflow'))),
    ...optional(section, reader, 'signer', (text) => reader.string(text, at('signer'))),
    ...optional(section, reader, 'ref', (text) => reader.string(text, at('ref'))),
    ...optional(section, reader, 'environment', (text) => reader.string(text, at('environment'))),
    ...optional(section, reader, 'runner', (text) =>
      reader.oneOf(text, at('runner'), ['github-hosted', 'self-hosted']),
    ),
    ...optional(section, reader, 'trigger', (texts) => reader.strings(texts, at('trigger'))),
  } satisfies GithubPublisher;
  if (publisher.repository === undefined && publisher.repositoryId === undefined && publisher.ownerId === undefined) {
    throw reader.error(
      place,
      'needs repository, repositoryId or ownerId: else every workflow on GitHub would be this publisher',
    );
  }
  return publisher;
}

function workflowPath(reader: PolicyReader, value: unknown, place: readonly string[]): string {
  const path = reader.string(value, place);
  if (!path.startsWith('.github/workflows/')) {
    throw reader.error(place, 'expected the path of a workflow, .github/workflows/release.yml', { found: path });
  }
  return path;
}

/** `{ key: read(value) }` where the key is given, else `{}`: an absent member stays absent. */
function optional<Key extends string, Value>(
  section: Section,
  reader: PolicyReader,
  key: Key,
  read: (value: unknown) => Value,
): { [K in Key]?: Value } {
  const value = reader.optional(section, key);
  return value === undefined ? {} : ({ [key]: read(value) } as { [K in Key]: Value });
}
