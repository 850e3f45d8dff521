import { describeToken, IdentityToken } from '@signet/client/identity';
import {
  Certificate,
  embeddedScts,
  formatSignedNote,
  formatVerifierKey,
  fromBase64,
  fulcioClaims,
  type JsonObject,
  oids,
  parseCheckpoint,
  parseRekorBody,
  parseSignedNote,
  parseTimestampResponse,
  parseTlogPolicy,
} from '@signet/primitives/formats';
import type { Sample } from './corpus.ts';
import { mutateBytes } from './mutate-bytes.ts';
import { mutateDer } from './mutate-der.ts';
import { mutateJson } from './mutate-json.ts';
import { mutateText } from './mutate-text.ts';
import { Deviation, type Target } from './target.ts';

/** Strings of a JSON document under one key, wherever it stands. */
function valuesOf(value: unknown, key: string): string[] {
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([name, child]) => {
    return name === key && typeof child === 'string' ? [child] : valuesOf(child, key);
  });
}

function certificates(inputs: readonly Uint8Array[]): Target {
  return {
    name: 'certificate',
    share: 2,
    run: (random) => {
      const certificate = Certificate.parse(mutateDer(random.pick(inputs), random));
      const { keyUsage, extendedKeyUsage, basicConstraints, subjectKeyId, authorityKeyId } = certificate;
      const read = [keyUsage, extendedKeyUsage, basicConstraints, subjectKeyId, authorityKeyId];
      read.push(certificate.subjectAlternativeNames.length as never, certificate.tbsWithoutExtension(oids.sctList));
      fulcioClaims(certificate);
      embeddedScts(certificate);
      return 'accepted';
    },
  };
}

function timestamps(inputs: readonly Uint8Array[]): Target {
  return {
    name: 'timestamp',
    share: 1,
    run: (random) => {
      parseTimestampResponse(mutateDer(random.pick(inputs), random));
      return 'accepted';
    },
  };
}

function notes(inputs: readonly string[]): Target {
  return {
    name: 'signed note',
    share: 1,
    run: (random) => {
      const text = mutateText(random.pick(inputs), random);
      const note = parseSignedNote(text);
      if (formatSignedNote(note) !== text) throw new Deviation('a note is written otherwise than it was read');
      parseCheckpoint(note.text);
      return 'accepted';
    },
  };
}

function bodies(inputs: readonly string[]): Target {
  return {
    name: 'log entry',
    share: 1,
    run: (random) => {
      const text = random.pick(inputs);
      const changed = random.oneIn(2) ? mutateText(text, random) : JSON.stringify(mutateJson(JSON.parse(text), random));
      parseRekorBody(Buffer.from(changed));
      return 'accepted';
    },
  };
}

function encodeToken(...parts: readonly unknown[]): string {
  return [...parts.map((part) => Buffer.from(JSON.stringify(part)).toString('base64url')), 'c2lnbmF0dXJl'].join('.');
}

/** As GitHub Actions and an OpenID provider make them; the signature is for the certificate authority to check. */
const tokenParts: readonly (readonly [header: JsonObject, claims: JsonObject])[] = [
  [
    { alg: 'RS256', typ: 'JWT', kid: '1' },
    {
      iss: 'https://token.actions.githubusercontent.com',
      sub: 'repo:acme/widgets:ref:refs/heads/main',
      aud: 'sigstore',
      exp: 4102444800,
      iat: 1700000000,
      job_workflow_ref: 'acme/widgets/.github/workflows/release.yml@refs/heads/main',
      repository_visibility: 'public',
    },
  ],
  [
    { alg: 'ES256', kid: 'a' },
    {
      iss: 'https://login.example',
      sub: 'alice',
      aud: ['sigstore', 'other'],
      exp: 4102444800,
      email: 'alice@example.com',
      email_verified: true,
      act: { sub: 'proxy' },
    },
  ],
];

function tokens(): Target {
  return {
    name: 'identity token',
    share: 1,
    run: (random) => {
      const [header, claims] = random.pick(tokenParts);
      const token = encodeToken(header, random.oneIn(2) ? mutateJson(claims, random) : claims);
      describeToken(IdentityToken.parse(random.oneIn(2) ? mutateText(token, random) : token));
      return 'accepted';
    },
  };
}

function policies(): Target {
  const key = (name: string, type: number) => formatVerifierKey(name, type, new Uint8Array(32).fill(name.length));
  const policy =
    `# who watches\nlog ${key('log.example', 1)} https://log.example/\n\nwitness A ${key('a.example', 4)}\n` +
    `witness B ${key('bb.example', 4)}\nwitness C ${key('ccc.example', 4)}\n` +
    'group X 2 A B\ngroup Y any X C\nquorum Y\n';
  return {
    name: 'log policy',
    share: 1,
    run: (random) => {
      parseTlogPolicy(random.oneIn(2) ? mutateText(policy, random) : mutateBytes(Buffer.from(policy), random));
      return 'accepted';
    },
  };
}

/** What reads single structures out of bundles, so that their insides get changed more often than in a whole bundle. */
export function readerTargets(samples: readonly Sample[]): Target[] {
  const bundles = samples.map(({ bundle }) => bundle);
  const derOf = (key: string) => bundles.flatMap((bundle) => valuesOf(bundle, key)).map((text) => fromBase64(text));
  const bodyTexts = bundles
    .flatMap((bundle) => valuesOf(bundle, 'canonicalizedBody'))
    .map((text) => Buffer.from(text, 'base64').toString('utf8'));
  return [
    certificates(derOf('rawBytes').filter((bytes) => bytes.length > 200)),
    timestamps(derOf('signedTimestamp')),
    notes(bundles.flatMap((bundle) => valuesOf(bundle, 'envelope'))),
    bodies(bodyTexts),
    tokens(),
    policies(),
  ];
}
