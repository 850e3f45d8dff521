import { createHash, randomUUID } from 'node:crypto';
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fromUtf8, parseBundle, parseJson, SignetError, type Statement } from '@signet/primitives/formats';
import { request } from '../http/index.ts';
import { attestationKey } from '../npm/index.ts';
import { isJsonObject, own } from '../npm/lockfile/index.ts';
import { compareSigner, type ExtendedPolicy, layerPolicies, type Policy, parsePolicy } from '../policy/index.ts';
import { decidedByPolicy, type VerifiedBundle, verifyBundle } from '../verify/index.ts';
import { provenBundle } from './proven-facts.ts';
import type { TrustRoots, TrustSources } from './trust-roots.ts';
import { cacheFolder } from './user-folders.ts';

/** Type of the statement in which a policy is published (`/-/signet/v1/policy`). */
const predicateType = 'urn:signet:registry-policy:v1';
const subjectName = 'trust-policy.yaml';

const maxBytes = 8 * 1024 * 1024;
/** So long a copy is used without asking again, milliseconds. */
const maximumAge = 3_600_000;

/** A policy that its publisher signed, as it was verified. */
interface PublishedPolicy {
  readonly policy: Policy;
  readonly text: string;
}

/** A copy of the last one, and when it was fetched; it is verified each time, so that its folder need not be trusted. */
interface Copy {
  readonly bundle: unknown;
  readonly fetched: number;
}

/**
 * Puts the rules of policies that a policy extends beside its own. Each is fetched, at most once an hour, and must be signed under the trust
 * root named for it, by the registry's key or a publisher of the extending policy. When it cannot be fetched, the last one is used
 * until it `expires`; one without such a time only with its sha256 pinned.
 *
 * @throws ERR_POLICY_INVALID, ERR_TRUST_EXPIRED, ERR_TRUST_CHANGED for an older one than is known, ERR_OFFLINE, ERR_NETWORK and the others of
 *   a request, and what verifying a bundle throws
 */
export async function extendPolicy(
  policy: Policy,
  trustRoots: TrustRoots,
  sources: TrustSources,
  now = new Date(),
): Promise<Policy> {
  const layers = [];
  for (const reference of policy.extends ?? []) {
    const published = await load(policy, reference, trustRoots, sources, now);
    layers.push({ reference, policy: published.policy });
  }
  return layerPolicies(policy, layers);
}

async function load(
  policy: Policy,
  reference: ExtendedPolicy,
  trustRoots: TrustRoots,
  sources: TrustSources,
  now: Date,
): Promise<PublishedPolicy> {
  const path = copyPath(reference, sources);
  const read = (bundle: unknown): Promise<PublishedPolicy> => verify(policy, reference, trustRoots, bundle);
  const copy = await readCopy(path);
  // A copy that does not verify any more is none: its key may have ended, or somebody changed it.
  const known = copy === undefined ? undefined : await read(copy.bundle).catch(notSigned);
  if (copy !== undefined && known !== undefined && !isExpired(known, now)) {
    const age = now.getTime() - copy.fetched;
    if (reference.sha256 !== undefined || (age >= 0 && age < maximumAge)) return known;
  }
  if (sources.offline === true) return usable(reference, known, now, undefined);
  let bundle: unknown;
  try {
    const { body } = await request(new URL(reference.url), {
      service: 'the publisher of a policy',
      headers: { accept: 'application/vnd.dev.sigstore.bundle.v0.3+json, application/json' },
      maxBytes,
      signal: sources.request?.signal,
      transport: sources.request?.transport,
    });
    bundle = parseJson(fromUtf8(body, 'the policy'), 'the policy', { maxDepth: 64, maxLength: maxBytes });
  } catch (error) {
    if (!(error instanceof SignetError)) throw error;
    sources.request?.signal?.throwIfAborted();
    const last = usable(reference, known, now, error);
    sources.onNote?.(`the policy ${reference.url} cannot be fetched (${error.message}); the last one is used`);
    return last;
  }
  const fresh = await read(bundle);
  if (isExpired(fresh, now)) throw expired(reference, fresh);
  const [before, after] = [known?.policy.sequence, fresh.policy.sequence];
  if (before !== undefined && (after === undefined || after < before)) {
    throw new SignetError('ERR_TRUST_CHANGED', `${reference.url} gives an older policy than it gave before`, {
      expected: `sequence ${before} or later`,
      found: after === undefined ? 'none' : `sequence ${after}`,
    });
  }
  await keepCopy(path, { bundle, fetched: now.getTime() });
  return fresh;
}

/** What is known already, for when nothing newer can be had. */
function usable(
  reference: ExtendedPolicy,
  known: PublishedPolicy | undefined,
  now: Date,
  cause: SignetError | undefined,
): PublishedPolicy {
  if (known !== undefined && isExpired(known, now)) throw expired(reference, known, cause);
  if (known !== undefined && (known.policy.expires !== undefined || reference.sha256 !== undefined)) return known;
  if (cause !== undefined) throw cause;
  throw new SignetError('ERR_OFFLINE', `the policy ${reference.url} is not known, and --offline forbids to ask for it`);
}

function isExpired({ policy }: PublishedPolicy, now: Date): boolean {
  return policy.expires !== undefined && policy.expires <= now;
}

function expired({ url }: ExtendedPolicy, { policy }: PublishedPolicy, cause?: SignetError): SignetError {
  return new SignetError('ERR_TRUST_EXPIRED', `the policy ${url} has expired; ask its publisher for a newer one`, {
    expected: 'a policy that has not expired',
    found: `expired ${policy.expires?.toISOString() ?? ''}`,
    cause,
  });
}

/** @throws ERR_POLICY_INVALID for what is no policy or has another sha256, and what verifying throws */
async function verify(
  policy: Policy,
  reference: ExtendedPolicy,
  trustRoots: TrustRoots,
  bundle: unknown,
): Promise<PublishedPolicy> {
  const { statement } = await verifySigner(policy, reference, trustRoots, bundle);
  const text = policyText(statement);
  const sha256 = createHash('sha256').update(text).digest('hex');
  const named = statement?.subject.find(({ name }) => name === subjectName)?.digest.sha256;
  if (statement?.predicateType !== predicateType || named !== sha256) {
    throw new SignetError('ERR_POLICY_INVALID', `${reference.url}: what is signed there is not a policy`);
  }
  if (reference.sha256 !== undefined && reference.sha256 !== sha256) {
    throw new SignetError('ERR_POLICY_INVALID', `${reference.url}: it is not the policy that extends pins`, {
      expected: reference.sha256,
      found: sha256,
    });
  }
  return { policy: parsePolicy(text, { path: reference.url }), text };
}

function policyText(statement: Statement | undefined): string {
  const text = statement === undefined ? undefined : own(statement.predicate, 'policy');
  return typeof text === 'string' ? text : '';
}

async function verifySigner(
  policy: Policy,
  { url, trustRoot, by }: ExtendedPolicy,
  trustRoots: TrustRoots,
  bundle: unknown,
): Promise<VerifiedBundle> {
  const [trust, vouchers] = await Promise.all([trustRoots.load(trustRoot), trustRoots.vouchers(trustRoot)]);
  const { witnesses, registryKeys = [], publisherKeys } = vouchers;
  const options = { trust, identities: decidedByPolicy, ...(witnesses === undefined ? {} : { witnesses }) } as const;
  const { key } = parseBundle(bundle);
  if (by === undefined) {
    if (key.kind !== 'publicKey') throw stranger(url, 'the key of the registry', 'a certificate; say in by whose');
    const { publicKey, keyDetails, validFor } = attestationKey(registryKeys, key.hint);
    const expected = { publicKey, validFor, ...(keyDetails === undefined ? {} : { keyDetails }) };
    return verifyBundle(bundle, { ...options, key: expected });
  }
  const expected = by.join(' or ');
  if (key.kind !== 'publicKey') {
    const verified = verifyBundle(bundle, options);
    const { signer } = provenBundle(verified);
    const publishers = by.flatMap((name) => policy.publishers.get(name) ?? []);
    if (publishers.some((publisher) => compareSigner(publisher, signer).length === 0)) return verified;
    throw stranger(url, expected, signer.kind === 'certificate' ? signer.subject.value : 'a key');
  }
  for (const { publisher, publicKey, validFor } of publisherKeys) {
    if (!by.includes(publisher)) continue;
    try {
      return verifyBundle(bundle, { ...options, key: { publicKey, ...(validFor === undefined ? {} : { validFor }) } });
    } catch (error) {
      if (!(error instanceof SignetError)) throw error;
    }
  }
  throw stranger(url, expected, 'another key');
}

function stranger(url: string, expected: string, found: string): SignetError {
  return new SignetError('ERR_POLICY_INVALID', `the policy ${url} is not signed by who may`, { expected, found });
}

function notSigned(error: unknown): undefined {
  if (!(error instanceof SignetError) || error.code.startsWith('ERR_TRUST')) throw error;
  return undefined;
}

function copyPath({ url }: ExtendedPolicy, { env = process.env }: TrustSources): string | undefined {
  const folder = cacheFolder(env);
  const name = createHash('sha256').update(url).digest('hex').slice(0, 32);
  return folder === undefined ? undefined : join(folder, 'policies', `${name}.json`);
}

async function readCopy(path: string | undefined): Promise<Copy | undefined> {
  const text = path === undefined ? undefined : await readFile(path, 'utf8').catch(() => undefined);
  if (text === undefined || text.length > maxBytes) return undefined;
  try {
    const copy: unknown = parseJson(text, 'the copy', { maxLength: maxBytes });
    const fetched = isJsonObject(copy) && own(copy, 'format') === 1 ? own(copy, 'fetched') : undefined;
    return isJsonObject(copy) && typeof fetched === 'number' ? { bundle: own(copy, 'bundle'), fetched } : undefined;
  } catch (error) {
    // As good as none.
    if (error instanceof SignetError) return undefined;
    throw error;
  }
}

async function keepCopy(path: string | undefined, { bundle, fetched }: Copy): Promise<void> {
  if (path === undefined) return;
  const temporary = `${path}.${randomUUID()}`;
  try {
    await mkdir(join(path, '..'), { recursive: true, mode: 0o700 });
    await writeFile(temporary, JSON.stringify({ format: 1, fetched, bundle }), { flag: 'wx', mode: 0o600 });
    await rename(temporary, path);
  } catch {
    // The next run fetches it again.
    await rm(temporary, { force: true }).catch(() => undefined);
  }
}
