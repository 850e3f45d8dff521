import { readdir, stat, statfs } from 'node:fs/promises';
import { get } from 'node:https';
import { isIP } from 'node:net';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { inert, SignetError } from '@signet/primitives/formats';
import { auditIssuers } from '@signet/services/ca';
import { checkLog } from '@signet/services/log';
import { askTime } from '@signet/services/tsa';
import { certificateEnds } from './certificate-expiry.ts';
import { readIfPresent } from './durable-files.ts';
import { readGenerations } from './generations.ts';
import type { Instance } from './initialize.ts';
import { isMade, logDirectories } from './log-directories.ts';
import { expiryWarning } from './maintenance.ts';
import { openMaterial } from './material.ts';
import { readRotations, serviceIdentity, servicesOf, switchTime } from './rotation.ts';
import { readIssuers } from './services.ts';
import { readTlsFiles, tlsFilesOf } from './tls-files.ts';
import { trustsService } from './trust-changes.ts';
import { openTrustRepository } from './trust-repository.ts';

/** One thing that was looked at. */
export interface Finding {
  readonly check: 'keys' | 'certificates' | 'trust' | 'rotation' | 'clock' | 'issuers' | 'disk' | 'network' | 'logs';
  readonly level: 'ok' | 'warning' | 'problem';
  readonly says: string;
  /** What to do. */
  readonly next?: string;
}

/** How an instance is examined. */
export interface DoctorOptions {
  readonly passphrase?: string | undefined;
  readonly now?: () => Date;
  /** Open no connection. */
  readonly offline?: boolean;
  /** Default: the global `fetch`. */
  readonly transport?: typeof fetch;
}

const day = 86_400_000;
const gigabyte = 1e9;
const tolerableSkew = 5000;

/**
 * Examines an instance: keys and their modes, certificates and their ends, what clients are told to trust, rotations, clock, issuers, disk,
 * the address, and every byte of the logs while the instance is stopped. Changes nothing.
 */
export async function* examineInstance(instance: Instance, options: DoctorOptions = {}): AsyncGenerator<Finding> {
  const checks: readonly [Finding['check'], () => AsyncGenerator<Omit<Finding, 'check'>>][] = [
    ['keys', () => examineKeys(instance)],
    ['certificates', () => examineCertificates(instance, options)],
    ['certificates', () => examineTls(instance, options)],
    ['clock', () => examineClock(instance, options)],
    ['trust', () => examineTrust(instance, options)],
    ['rotation', () => examineRotations(instance)],
    ['disk', () => examineDisk(instance)],
    ['network', () => examineNetwork(instance, options)],
    ['issuers', () => examineIssuers(instance, options)],
    ['logs', () => examineLogs(instance)],
  ];
  for (const [check, examine] of checks) {
    try {
      for await (const finding of examine()) yield { check, ...finding };
    } catch (error) {
      // One broken thing must not hide the others.
      if (!(error instanceof SignetError)) throw error;
      yield { check, level: 'problem', says: `${error.message} [${error.code}]` };
    }
  }
}

type Bare = Omit<Finding, 'check'>;

async function* examineKeys({ layout }: Instance): AsyncGenerator<Bare> {
  const names = (await readdir(layout.keys.directory)).filter((name) => name.endsWith('.key'));
  for (const name of names) {
    const path = join(layout.keys.directory, name);
    const { mode } = await stat(path);
    if (process.platform === 'win32' || (mode & 0o077) === 0) continue;
    yield { level: 'problem', says: `other users may read ${path}`, next: `chmod 600 ${path}` };
  }
  const roots = [layout.keys.caRoot, layout.keys.timestampRoot, layout.keys.tufRoot];
  const here = await Promise.all(roots.map(async (path) => ((await readIfPresent(path)) === undefined ? [] : [path])));
  if (here.flat().length > 0) {
    yield {
      level: 'warning',
      says: `the keys of ${here.flat().length} roots are on this machine: ${here.flat().join(', ')}`,
      next: 'move them to a medium that is locked away; the instance runs without them, rotations ask for them with --offline-keys DIR',
    };
  }
  yield { level: 'ok', says: `${names.length} key files` };
}

async function* examineCertificates(instance: Instance, { passphrase, now }: DoctorOptions): AsyncGenerator<Bare> {
  const { layout, configuration } = instance;
  const time = (now ?? (() => new Date()))();
  const generations = await readGenerations(layout);
  const { publicMaterial } = await openMaterial(layout, configuration, passphrase, generations);
  for (const { name, notAfter, days, isNear, next } of certificateEnds(publicMaterial, time)) {
    const says = `${name} is valid until ${notAfter.toISOString().slice(0, 10)}`;
    if (days < 0) yield { level: 'problem', says: `${says}: it has expired`, next };
    else if (isNear) yield { level: 'warning', says: `${says}, for ${days} days`, next };
    else yield { level: 'ok', says };
  }
}

async function* examineTls(instance: Instance, { now }: DoctorOptions): AsyncGenerator<Bare> {
  const { tls, publicUrl } = instance.configuration;
  if (tls === undefined) return;
  const files = tlsFilesOf(instance.layout.directory, tls);
  const { leaf } = await readTlsFiles(files);
  const host = new URL(publicUrl).hostname.replace(/^\[|\]$/g, '');
  const next = `put another into ${files.certificate}; the instance takes it up by itself`;
  if ((isIP(host) === 0 ? leaf.checkHost(host) : leaf.checkIP(host)) === undefined) {
    yield { level: 'problem', says: `the certificate for HTTPS is not for ${host}`, next };
  }
  const days = Math.floor((Date.parse(leaf.validTo) - (now ?? (() => new Date()))().getTime()) / day);
  const says = `the certificate for HTTPS is valid until ${new Date(leaf.validTo).toISOString().slice(0, 10)}`;
  if (days < 0) yield { level: 'problem', says: `${says}: it has expired`, next };
  else if (days < 14) yield { level: 'warning', says: `${says}, for ${days} days`, next };
  else yield { level: 'ok', says };
}

async function* examineClock({ configuration }: Instance, { offline }: DoctorOptions): AsyncGenerator<Bare> {
  const { time } = configuration;
  if (time === undefined || offline === true) return;
  const results = await Promise.allSettled(time.servers.map((server) => askTime(server)));
  for (const [index, result] of results.entries()) {
    const server = time.servers[index] ?? '';
    if (result.status === 'rejected') {
      const problem = result.reason instanceof Error ? result.reason.message : String(result.reason);
      yield {
        level: 'warning',
        says: inert(problem, { limit: 200 }),
        next: 'open UDP port 123, or name another server',
      };
      continue;
    }
    const { offset, delay } = result.value;
    const off = Math.max(0, Math.abs(offset) - delay / 2);
    const says = `the clock is ${Math.round(off)} ms off from ${server}`;
    if (off <= time.maxDriftMilliseconds) yield { level: 'ok', says };
    else
      yield { level: 'problem', says, next: 'set the clock by NTP: there are no timestamps while most servers say so' };
  }
}

async function* examineTrust(instance: Instance, { passphrase, now }: DoctorOptions): AsyncGenerator<Bare> {
  const { layout } = instance;
  const time = (now ?? (() => new Date()))();
  const generations = await readGenerations(layout);
  const repository = await openTrustRepository(layout, passphrase);
  const published = Buffer.from(repository.target('trusted_root.json') ?? []).toString('utf8');
  const file = await readIfPresent(layout.trust.trustedRoot);
  for (const service of servicesOf(instance)) {
    const identity = await serviceIdentity(instance, service, generations[service], passphrase);
    if (trustsService(published, identity)) continue;
    yield {
      level: 'problem',
      says: `clients are not told to trust the ${service} in use`,
      next: 'signet tuf propose, sign and publish',
    };
  }
  if (file !== published) {
    yield {
      level: 'warning',
      says: `${layout.trust.trustedRoot} is not published yet`,
      next: 'signet tuf propose, sign and publish',
    };
  }
  for (const role of repository.status) {
    const warning = expiryWarning(role, time);
    const says = `${role.role} ${role.version} is valid until ${role.expires.toISOString().slice(0, 10)}`;
    if (warning === undefined) yield { level: 'ok', says };
    // A stopped instance cannot sign the short-lived roles; its next start does.
    else if (role.renewable) yield { level: 'warning', says: `${says}: it has expired`, next: 'signet up' };
    else yield { level: role.expires <= time ? 'problem' : 'warning', says: warning };
  }
  yield { level: 'ok', says: `root ${repository.rootVersion}, fingerprint ${repository.rootFingerprint}` };
}

async function* examineRotations(instance: Instance): AsyncGenerator<Bare> {
  for (const rotation of await readRotations(instance)) {
    const { service, generation, switched } = rotation;
    const due = switchTime(rotation);
    const waiting = (await readIfPresent(join(instance.layout.tuf.proposal, 'proposal.json'))) !== undefined;
    const state =
      due === undefined
        ? 'is not trusted yet'
        : switched === undefined
          ? `comes into use at ${due.toISOString()}`
          : 'is in use; the end of what came before is not published yet';
    yield {
      level: waiting ? 'warning' : 'ok',
      says: `${service} ${generation} ${state}`,
      ...(waiting ? { next: `signet tuf sign and publish the proposal in ${instance.layout.tuf.proposal}` } : {}),
    };
  }
}

async function* examineDisk({ layout }: Instance): AsyncGenerator<Bare> {
  const { bavail, bsize, blocks } = await statfs(layout.directory);
  const free = bavail * bsize;
  const says = `${(free / gigabyte).toFixed(1)} GB are free for ${layout.directory}`;
  if (free < gigabyte || bavail / blocks < 0.05) {
    yield {
      level: free < gigabyte / 10 ? 'problem' : 'warning',
      says,
      next: 'make room: a log that cannot write stops',
    };
  } else yield { level: 'ok', says };
}

async function* examineNetwork(instance: Instance, options: DoctorOptions): AsyncGenerator<Bare> {
  if (options.offline === true) return;
  const { listen, tls } = instance.configuration;
  const host = listen.host.includes(':') ? `[${listen.host}]` : listen.host;
  const here = `${tls === undefined ? 'http' : 'https'}://${host}:${listen.port}${new URL(instance.urls.instance).pathname}`;
  const answer = tls === undefined ? await ask(here, options) : await askWhoever(here, instance.urls.publicUrl);
  if (typeof answer === 'string')
    yield { level: 'warning', says: `nothing answers at ${here} (${answer})`, next: 'signet up' };
  else if (publicUrlOf(answer.body) !== instance.urls.publicUrl) {
    yield {
      level: 'problem',
      says: `another server listens on port ${listen.port}`,
      next: 'stop it, or change listen.port',
    };
  } else yield { level: 'ok', says: `the instance runs on port ${listen.port}` };
  if (instance.urls.instance === here || typeof answer === 'string') return;
  const outside = await ask(instance.urls.instance, options);
  if (typeof outside === 'string' || publicUrlOf(outside.body) !== instance.urls.publicUrl) {
    const problem = typeof outside === 'string' ? outside : 'another server answers';
    yield {
      level: 'problem',
      says: `${instance.urls.publicUrl} does not lead here (${problem})`,
      next: 'look at the proxy and DNS',
    };
  } else yield { level: 'ok', says: `${instance.urls.publicUrl} leads here` };
}

async function* examineIssuers(instance: Instance, options: DoctorOptions): AsyncGenerator<Bare> {
  const { configuration, urls } = instance;
  const issuers = await readIssuers(instance, configuration.developmentIdentity);
  for (const audit of auditIssuers(issuers)) {
    for (const warning of audit.warnings)
      yield { level: 'warning', says: `${audit.url}: ${warning}`, next: 'edit issuers.yaml' };
  }
  if (options.offline === true) return;
  const now = options.now ?? (() => new Date());
  for (const { url, staticKeys } of issuers.issuers) {
    if (staticKeys !== undefined || url === urls.oidc || url === urls.ciIssuer) continue;
    const answer = await ask(`${url.replace(/\/$/, '')}/.well-known/openid-configuration`, options);
    if (typeof answer === 'string') {
      yield {
        level: 'problem',
        says: `the issuer ${url} cannot be asked for its keys (${answer})`,
        next: 'open the way to it, or give static-jwks',
      };
      continue;
    }
    if (answer.body?.issuer !== url) {
      yield { level: 'problem', says: `${url} calls itself ${inert(String(answer.body?.issuer), { limit: 200 })}` };
      continue;
    }
    const skew = answer.date === undefined ? 0 : Math.abs(answer.date.getTime() - now().getTime());
    if (skew > tolerableSkew) {
      yield {
        level: 'problem',
        says: `this machine's clock and that of ${url} differ by ${Math.round(skew / 1000)} s`,
        next: 'set the clock by NTP: certificates and timestamps with a wrong time are refused',
      };
    }
    yield { level: 'ok', says: `${url} answers` };
  }
}

async function* examineLogs(instance: Instance): AsyncGenerator<Bare> {
  const { layout } = instance;
  for (const directory of logDirectories(layout, await readGenerations(layout))) {
    try {
      const { sound, origin, damage, derivedDamage } = checkLog(directory);
      if (sound) yield { level: 'ok', says: `every byte of ${origin} is as it was signed` };
      else
        yield {
          level: 'problem',
          says: `${origin}: ${[...damage, ...derivedDamage].slice(0, 3).join('; ')}`,
          next: 'signet log fsck',
        };
    } catch (error) {
      if (!(error instanceof SignetError)) throw error;
      if (error.code === 'ERR_LOG_LOCKED')
        yield { level: 'ok', says: `${directory} is being served; stop the instance to check its bytes` };
      else if (!isMade(directory)) yield { level: 'ok', says: `${directory} is not made yet` };
      else yield { level: 'problem', says: `${error.message} [${error.code}]`, next: 'restore it from a backup' };
    }
  }
}

interface Answer {
  readonly body: Readonly<Record<string, unknown>> | undefined;
  readonly date: Date | undefined;
}

/** A JSON answer, or why there is none. */
async function ask(url: string, { transport = fetch }: DoctorOptions): Promise<Answer | string> {
  try {
    const answer = await transport(url, { redirect: 'error', signal: AbortSignal.timeout(5000) });
    if (!answer.ok) return `status ${answer.status}`;
    const text = await answer.text();
    const date = Date.parse(answer.headers.get('date') ?? '');
    const body = text.length > 1e6 ? undefined : (JSON.parse(text) as Answer['body']);
    return { body, date: Number.isNaN(date) ? undefined : new Date(date) };
  } catch (error) {
    const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
    return inert(cause instanceof Error ? cause.message : String(cause), { limit: 200 });
  }
}

/** As {@link ask}, whatever certificate answers: who listens here is the question, and nothing depends on the answer. */
async function askWhoever(url: string, publicUrl: string): Promise<Answer | string> {
  const transport: typeof fetch = () =>
    new Promise((resolve, reject) => {
      const host = new URL(publicUrl).hostname;
      const options = { ...(isIP(host) === 0 ? { servername: host } : {}), rejectUnauthorized: false, timeout: 5000 };
      const request = get(url, options, (response) => {
        text(response).then((body) => resolve(new Response(body, { status: response.statusCode ?? 500 })), reject);
      });
      request.on('error', reject).on('timeout', () => request.destroy(new Error('no answer within 5 s')));
    });
  return ask(url, { transport });
}

function publicUrlOf(body: Answer['body']): unknown {
  return body?.publicUrl;
}
