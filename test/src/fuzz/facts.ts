import { createHash } from 'node:crypto';
import { type VerifiedBundle, type VerifyOptions, verifyBundle } from '@signet/client/verify';
import { parseBundle, toHex } from '@signet/primitives/formats';

/** What a verification claims to know. */
export interface Facts {
  /** Who signed what: the same to the letter however a bundle is changed, or it must be refused. */
  readonly fixed: string;
  /** Times and places: a bundle may lose one of several, and never gains one. */
  readonly times: ReadonlySet<string>;
  readonly positions: ReadonlySet<string>;
}

function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

function describe(verified: VerifiedBundle): Facts {
  const { signer, statement, envelope, message } = verified;
  const who =
    signer.kind === 'certificate'
      ? [signer.issuer, signer.subject, signer.claims, sha256(signer.certificate.bytes)]
      : [sha256(signer.publicKey.spki)];
  const what = [
    statement?.subject,
    statement?.predicateType,
    envelope === undefined ? undefined : [envelope.payloadType, sha256(envelope.payload)],
    message === undefined ? undefined : toHex(message.signature),
  ];
  return {
    fixed: JSON.stringify([who, what]),
    times: new Set(verified.timestamps.map(({ source, time }) => `${source} ${time.toISOString()}`)),
    positions: new Set(verified.logEntries.map(({ logId, index }) => `${toHex(logId)} ${index}`)),
  };
}

/** @throws SignetError when the bundle does not verify */
export function factsOf(bundle: unknown, options: VerifyOptions): Facts {
  return describe(verifyBundle(bundle, options));
}

/** The facts of an unchanged bundle. Without its promise an entry has its place in the tree alone, which is as true. */
export function originalFacts(bundle: unknown, options: VerifyOptions): Facts {
  const facts = factsOf(bundle, options);
  const proved = parseBundle(bundle).tlogEntries.map(({ logId, inclusionProof }) => {
    return `${toHex(logId)} ${inclusionProof?.logIndex}`;
  });
  return { ...facts, positions: new Set([...facts.positions, ...proved]) };
}

/** Says what a changed bundle that was accepted claims beyond the original; undefined where nothing. */
export function difference(found: Facts, original: Facts): string | undefined {
  if (found.fixed !== original.fixed) return `signer or content differ: ${found.fixed} instead of ${original.fixed}`;
  const time = [...found.times].find((one) => !original.times.has(one));
  if (time !== undefined) return `another time: ${time}`;
  const position = [...found.positions].find((one) => !original.positions.has(one));
  return position === undefined ? undefined : `another place in a log: ${position}`;
}
