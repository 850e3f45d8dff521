import { importPublicKey, type VerificationKey } from '@signet/primitives/crypto';
import {
  type Bundle,
  Certificate,
  equalBytes,
  inert,
  isBundle,
  isWithin,
  type KeyDetails,
  type KeyMaterial,
  parseBundle,
  preAuthenticationEncoding,
  SignetError,
} from '@signet/primitives/formats';
import type { TrustMaterial } from '../trust/index.ts';
import { Artifact } from './artifact.ts';
import { checkChainOrder, verifyCertificatePath } from './certificate.ts';
import { checkEntryContent, type EntryAlgorithm } from './entry-content.ts';
import { checkIdentity, checkOwnedIssuer, identityRequired, readIdentity } from './identity.ts';
import { type ProvenLogEntry, verifyLogEntry } from './log-entry.ts';
import { decidedByPolicy, type ExpectedKey, type VerifyOptions } from './options.ts';
import { verifyScts } from './scts.ts';
import { importExpectedKey, verifyEnvelopeSignature, verifyMessageSignature } from './signature.ts';
import { checkSubject, readStatement } from './statement.ts';
import { verifyTimestamp } from './timestamps.ts';
import type {
  CertificateSigner,
  KeySigner,
  VerifiedBundle,
  VerifiedLogEntry,
  VerifiedTimestamp,
} from './verified-bundle.ts';
import { checkWitnesses, type VerifiedCosignature } from './witnesses.ts';

/** The bundle's key: what it is in the bundle and ready for use. */
interface SigningKey {
  readonly key: VerificationKey;
  /** Only where the caller names the algorithm. */
  readonly keyDetails: KeyDetails | undefined;
  readonly certificate: Certificate | undefined;
  readonly expected: ExpectedKey | undefined;
  readonly hint: string;
}

/**
 * Verifies a Sigstore bundle against trust material, without any network: when it was signed, by whom, that a log holds
 * it, and that the signature is over the artifact (client-spec §4). Nothing is decided here about whether the signer may
 * sign: give the identities that may, or {@link decidedByPolicy} and judge the result.
 *
 * @example
 * const trust = await loadTrustMaterial('trusted_root.json');
 * const identities = [{ issuer: 'https://token.actions.githubusercontent.com', subject: { pattern: 'https://github.com/acme/.*' } }];
 * const verified = verifyBundle(await readFile('app.tgz.sigstore.json', 'utf8'), { trust, artifact, identities });
 *
 * @param bundle JSON text, its UTF-8 bytes, the parsed value, or the result of `parseBundle`
 * @returns what is now known to be true
 * @throws SignetError, with a code for each rule that can be broken; see the table of codes, "Verification of a bundle"
 */
export function verifyBundle(bundle: unknown, options: VerifyOptions): VerifiedBundle {
  const { trust } = options;
  const parsed = isBundle(bundle) ? bundle : parseBundle(bundle);
  const { content } = parsed;
  const artifact = options.artifact === undefined ? undefined : new Artifact(options.artifact);
  const signingKey = readKey(parsed, options);
  const isKeyless = signingKey.certificate !== undefined;
  const { identities } = options;
  if (isKeyless && (identities === undefined || (identities !== decidedByPolicy && identities.length === 0))) {
    throw identityRequired();
  }
  if (content.kind === 'message' && artifact === undefined) {
    throw new SignetError('ERR_ARTIFACT_REQUIRED', 'the bundle signs a message; give the artifact or its digest');
  }
  const checks: string[] = [];

  // Establish a time for the signature (client-spec §4.2).
  const signature =
    content.kind === 'message' ? content.signature : (content.envelope.signatures[0]?.sig ?? new Uint8Array());
  const { timestamps, logEntries } = establishTimes(parsed, signature, trust, checks);
  checkTimeThreshold(timestamps, options, isKeyless);
  checkLogThreshold(logEntries, options, timestamps);
  const witnessed = options.witnesses === undefined ? undefined : witnessEntries(logEntries, options, checks);

  // The certificate, at that time (client-spec §4.3), or the key that the caller trusts.
  const signer = isKeyless
    ? verifySigner(signingKey.certificate, parsed.key, timestamps, options, checks)
    : verifyKey(signingKey, timestamps, checks);

  // The log entry is about this signature (client-spec §4.4).
  const encoding =
    content.kind === 'dsse'
      ? preAuthenticationEncoding(content.envelope.payloadType, content.envelope.payload)
      : undefined;
  if (artifact !== undefined) checkMessageDigest(content, artifact);
  const algorithm = checkEntries(logEntries, parsed, signingKey, artifact, encoding, checks);

  // The signature itself (client-spec §4.5).
  const choice = { ...algorithm, expected: signingKey.keyDetails };
  if (content.kind === 'dsse') {
    verifyEnvelopeSignature(encoding ?? new Uint8Array(), signature, signingKey.key, choice);
    checks.push('the envelope is signed by this key');
  } else if (artifact !== undefined) {
    verifyMessageSignature(artifact, signature, signingKey.key, choice);
    checks.push('the artifact is signed by this key');
  }
  const statement = content.kind === 'dsse' ? readStatement(content.envelope) : undefined;
  if (statement !== undefined && artifact !== undefined) {
    checkSubject(statement, artifact);
    checks.push('the artifact is a subject of the statement');
  }
  const common = {
    timestamps,
    logEntries: logEntries.map((entry) => describeEntry(entry, witnessed?.get(entry))),
    trustRoot: trust.name,
    checks,
  };
  if (content.kind === 'message') return { signer, message: { signature }, ...common };
  const { envelope } = content;
  return statement === undefined ? { signer, envelope, ...common } : { signer, envelope, statement, ...common };
}

function readKey(bundle: Bundle, options: VerifyOptions): SigningKey {
  const expected = options.key;
  if (bundle.key.kind === 'certificate') {
    if (expected !== undefined) {
      throw new SignetError('ERR_KEY_MISMATCH', 'a key is expected and the bundle is signed with a certificate', {
        expected: 'a bundle with a public key',
        found: 'a certificate',
      });
    }
    const certificate = Certificate.parse(bundle.key.certificate);
    const isWhole = bundle.content.kind === 'dsse' || options.artifact instanceof Uint8Array;
    const key = importPublicKey(certificate.publicKey, isWhole ? 'messages' : undefined);
    return { key, keyDetails: undefined, certificate, expected, hint: '' };
  }
  if (expected === undefined) {
    throw new SignetError(
      'ERR_KEY_REQUIRED',
      'the bundle is signed with a key; give that key, it is not in the bundle',
    );
  }
  const { hint } = bundle.key;
  // sigstore_bundle.proto: both hints MUST be exactly the same.
  if (bundle.content.kind === 'dsse' && bundle.content.envelope.signatures[0]?.keyid !== hint) {
    throw new SignetError('ERR_KEY_MISMATCH', 'the key hints of bundle and envelope differ', {
      expected: inert(hint),
      found: inert(bundle.content.envelope.signatures[0]?.keyid ?? ''),
    });
  }
  return {
    key: importExpectedKey(expected.publicKey),
    keyDetails: expected.keyDetails,
    certificate: undefined,
    expected,
    hint,
  };
}

function establishTimes(
  bundle: Bundle,
  signature: Uint8Array,
  trust: TrustMaterial,
  checks: string[],
): { timestamps: VerifiedTimestamp[]; logEntries: ProvenLogEntry[] } {
  const timestamps: VerifiedTimestamp[] = [];
  // A trusted root without timestamp authorities is a policy that does not use them (client-spec §4.6).
  if (trust.timestampAuthorities.length > 0) {
    for (const [index, response] of bundle.timestamps.entries()) {
      if (bundle.timestamps.slice(0, index).some((other) => equalBytes(other, response))) {
        throw new SignetError('ERR_BUNDLE_FORMAT', 'the bundle has the same timestamp twice');
      }
      const { time, authority } = verifyTimestamp(response, signature, trust);
      timestamps.push({ source: 'tsa', time, authority: authority.uri });
      checks.push(`timestamped by ${authority.uri}`);
    }
  }
  const logEntries: ProvenLogEntry[] = [];
  for (const entry of bundle.tlogEntries) {
    checkRekorVersion(entry);
    const proven = verifyLogEntry(entry, trust);
    const { log, index, integratedTime } = proven;
    if (logEntries.some((other) => other.index === index && equalBytes(other.log.logId, log.logId))) {
      throw new SignetError('ERR_BUNDLE_FORMAT', `the bundle has the entry ${index} of ${log.baseUrl} twice`);
    }
    logEntries.push(proven);
    checks.push(`logged by ${log.baseUrl} as entry ${index}`);
    if (integratedTime !== undefined) timestamps.push({ source: 'log', time: integratedTime, authority: log.baseUrl });
  }
  return { timestamps, logEntries };
}

/** Rekor v2 gives no promise, and has one index (rekor-v2-spec §4.2). A time without a promise counts for nothing anyway. */
function checkRekorVersion(entry: Bundle['tlogEntries'][number]): void {
  if (entry.version !== '0.0.2' || entry.kind === 'intoto') return;
  const { inclusionProof } = entry;
  const problem =
    entry.signedEntryTimestamp !== undefined
      ? 'it has a signed entry timestamp'
      : inclusionProof === undefined || inclusionProof.logIndex !== entry.logIndex
        ? 'its index is not that of its inclusion proof'
        : undefined;
  if (problem === undefined) return;
  throw new SignetError('ERR_LOG_ENTRY_FORMAT', `an entry of Rekor v2 is malformed: ${problem}`);
}

function checkTimeThreshold(
  timestamps: readonly VerifiedTimestamp[],
  options: VerifyOptions,
  isKeyless: boolean,
): void {
  const byDefault = isKeyless || options.key?.validFor !== undefined ? 1 : 0;
  const needed = options.thresholds?.timestamps ?? byDefault;
  const clocks = new Set(timestamps.map(({ authority }) => operatorOf(authority, options.trust)));
  if (clocks.size >= needed) return;
  throw new SignetError(
    'ERR_TIMESTAMP_MISSING',
    `${clocks.size} trusted clocks vouch for the signature, ${needed} needed`,
    {
      expected: String(needed),
      found: String(clocks.size),
    },
  );
}

function operatorOf(authority: string, trust: TrustMaterial): string {
  const known =
    trust.timestampAuthorities.find(({ uri }) => uri === authority) ??
    trust.transparencyLogs.find(({ baseUrl }) => baseUrl === authority);
  return known?.operator ?? authority;
}

function checkLogThreshold(
  entries: readonly ProvenLogEntry[],
  options: VerifyOptions,
  timestamps: readonly VerifiedTimestamp[],
): void {
  // Without any clock, a key that the trusted root has retired could still be used by whoever holds it.
  const times = timestamps.length === 0 ? [new Date()] : timestamps.map(({ time }) => time);
  for (const { log } of entries) {
    const instances = options.trust.logsById(log.logId).filter(({ name }) => name === log.name);
    const outside = times.find((time) => !instances.some(({ validFor }) => isWithin(validFor, time)));
    if (outside !== undefined) {
      const shown = outside.toISOString();
      throw new SignetError('ERR_LOG_UNTRUSTED', `the trusted root does not trust ${log.baseUrl} at ${shown}`, {
        found: shown,
      });
    }
  }
  const needed = options.thresholds?.logEntries ?? 1;
  const operators = new Set(entries.map(({ log }) => log.operator));
  if (operators.size >= needed) return;
  throw new SignetError('ERR_LOG_MISSING', `${operators.size} trusted logs hold the signature, ${needed} needed`, {
    expected: String(needed),
    found: String(operators.size),
  });
}

/**
 * Counts the entries whose checkpoint enough witnesses have cosigned. An entry without is no error in itself: its log may be
 * one that nobody witnesses, beside another.
 */
function witnessEntries(
  entries: readonly ProvenLogEntry[],
  { witnesses, thresholds }: VerifyOptions,
  checks: string[],
): ReadonlyMap<ProvenLogEntry, readonly VerifiedCosignature[]> {
  const found = new Map<ProvenLogEntry, readonly VerifiedCosignature[]>();
  const operators = new Set<string>();
  const problems: string[] = [];
  for (const entry of entries) {
    const { log, proof } = entry;
    if (witnesses === undefined || proof === undefined) {
      problems.push(`${log.baseUrl}: it has no checkpoint`);
      continue;
    }
    const { cosignatures, problem } = checkWitnesses(proof, log, witnesses);
    found.set(entry, cosignatures);
    if (problem === undefined) operators.add(log.operator);
    else problems.push(`${log.baseUrl}: ${problem}`);
  }
  const needed = Math.max(1, thresholds?.logEntries ?? 1);
  if (operators.size < needed) {
    const why = problems.join('; ');
    throw new SignetError(
      'ERR_WITNESS_QUORUM',
      `${operators.size} logs with the cosignatures of enough witnesses hold the signature, ${needed} needed (${why})`,
      { expected: String(needed), found: why },
    );
  }
  checks.push('enough witnesses have cosigned the checkpoint of the log');
  return found;
}

function verifySigner(
  certificate: Certificate | undefined,
  material: KeyMaterial,
  timestamps: readonly VerifiedTimestamp[],
  options: VerifyOptions,
  checks: string[],
): CertificateSigner {
  if (certificate === undefined || material.kind !== 'certificate') throw identityRequired();
  checkChainOrder(
    certificate,
    material.chain.map((bytes) => Certificate.parse(bytes)),
  );
  const issuer = verifyCertificatePath(certificate, timestamps, options.trust);
  checks.push('the certificate was issued by a trusted authority and valid at the time of the signature');
  for (const log of verifyScts(certificate, issuer, options.trust, options.thresholds?.certificateLogs ?? 1)) {
    checks.push(`the certificate was promised to ${log}`);
  }
  const signer = readIdentity(certificate);
  checkOwnedIssuer(signer, options.trust);
  if (options.identities !== decidedByPolicy) {
    checkIdentity(signer, options.identities ?? []);
    checks.push('the signer is an expected identity');
  }
  return signer;
}

function verifyKey(signingKey: SigningKey, timestamps: readonly VerifiedTimestamp[], checks: string[]): KeySigner {
  const { expected, hint, key } = signingKey;
  const validFor = expected?.validFor;
  const outside = validFor === undefined ? undefined : timestamps.find(({ time }) => !isWithin(validFor, time));
  if (outside !== undefined) {
    const shown = outside.time.toISOString();
    throw new SignetError('ERR_KEY_EXPIRED', `the key was not valid at ${shown}, when the signature was made`, {
      found: shown,
    });
  }
  checks.push('the key is the expected one');
  return { kind: 'key', publicKey: key.info, hint };
}

/** The digest in the bundle is only a hint, and a wrong one is still wrong (sigstore_common.proto, MessageSignature). */
function checkMessageDigest(content: Bundle['content'], artifact: Artifact): void {
  if (content.kind !== 'message' || content.messageDigest === undefined) return;
  const { algorithm, digest } = content.messageDigest;
  const actual = artifact.digest(algorithm);
  if (actual === undefined || equalBytes(actual, digest)) return;
  throw new SignetError('ERR_ARTIFACT_MISMATCH', 'the artifact has another digest than the bundle says');
}

function checkEntries(
  entries: readonly ProvenLogEntry[],
  bundle: Bundle,
  signingKey: SigningKey,
  artifact: Artifact | undefined,
  encoding: Uint8Array | undefined,
  checks: string[],
): EntryAlgorithm {
  const publicKey = signingKey.key.info;
  const verifier =
    signingKey.certificate === undefined
      ? ({ kind: 'publicKey', bytes: publicKey.spki } as const)
      : ({ kind: 'certificate', bytes: signingKey.certificate.bytes } as const);
  let algorithm: EntryAlgorithm = {};
  for (const { entry } of entries) {
    const found = checkEntryContent(entry, { content: bundle.content, verifier, publicKey, artifact, encoding });
    algorithm = { ...algorithm, ...found };
  }
  if (entries.length > 0) checks.push('signature, key and content are those of the log entry');
  return algorithm;
}

function describeEntry(
  { entry, log, index, proof, integratedTime }: ProvenLogEntry,
  cosignatures: readonly VerifiedCosignature[] | undefined,
): VerifiedLogEntry {
  const { kind, version } = entry;
  const described: { -readonly [Key in keyof VerifiedLogEntry]: VerifiedLogEntry[Key] } = {
    baseUrl: log.baseUrl,
    logId: log.logId,
    index,
    kind,
    version,
  };
  if (proof !== undefined) described.origin = proof.checkpoint.origin;
  if (cosignatures !== undefined) described.cosignatures = cosignatures;
  if (integratedTime !== undefined) described.integratedTime = integratedTime;
  return described;
}
