import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { signStatement } from '@signet/client/sign';
import { TrustMaterial } from '@signet/client/trust';
import { TrustStore } from '@signet/client/trust/tuf';
import { type VerifiedBundle, verifyBundle } from '@signet/client/verify';
import { statementV1 } from '@signet/primitives/formats';
import {
  emailClaims,
  mintToken,
  type RunningInstance,
  readDevelopmentKeys,
  type StartOptions,
  startInstance,
} from '@signet/registry';

const author = 'alice@example.com';

/** An instance without a registry, in a directory of its own, and an author who signs with it. */
export class InstanceScene {
  readonly directory: string;
  #running: RunningInstance | undefined;

  private constructor(directory: string) {
    this.directory = directory;
  }

  static async open(): Promise<InstanceScene> {
    return new InstanceScene(await mkdtemp(join(tmpdir(), 'signet-instance-trust-')));
  }

  async close(): Promise<void> {
    await this.#running?.stop();
    await rm(this.directory, { recursive: true });
  }

  /** Makes the instance at the first call, and starts it. */
  async start(options: Partial<StartOptions> = {}): Promise<RunningInstance> {
    this.#running = await startInstance({
      directory: join(this.directory, 'instance'),
      port: 0,
      names: ['@example/*'],
      publishers: [{ subject: author }],
      devIdentity: true,
      uplink: 'none',
      only: ['ca', 'log', 'tsa', 'tuf'],
      ...options,
    });
    return this.#running;
  }
}

/** What a client trusts that has just refreshed. */
export async function trustOf({ urls, tufRoot }: RunningInstance): Promise<TrustMaterial> {
  const { trustedRoot } = await new TrustStore().load({ url: urls.tuf, root: await readFile(tufRoot.path) });
  return TrustMaterial.fromTrustedRoot(trustedRoot);
}

/** @returns the bundle of the author's statement about a package */
export async function signWith(instance: RunningInstance, logUrl: string | undefined = instance.urls.log) {
  const { urls } = instance;
  const keys = await readDevelopmentKeys(instance.instance.layout);
  const { bundle } = await signStatement({
    statement: statementV1({
      subject: [{ name: 'pkg:npm/%40example/x@1.0.0', digest: { sha512: 'ab'.repeat(64) } }],
      predicateType: 'https://example.com/release/v1',
      predicate: {},
    }),
    identityToken: mintToken(keys, urls.oidc, emailClaims(author)),
    services: { caUrl: urls.ca, tsaUrl: `${urls.tsa}/api/v1/timestamp`, logUrl },
    trust: await trustOf(instance),
  });
  return bundle;
}

/** @throws SignetError where the bundle is not one of {@link signWith} that this instance's clients accept now */
export async function verifyWith(instance: RunningInstance, bundle: unknown): Promise<VerifiedBundle> {
  return verifyBundle(bundle, {
    trust: await trustOf(instance),
    artifact: { algorithm: 'sha512', digest: new Uint8Array(64).fill(0xab) },
    identities: [{ issuer: instance.urls.oidc, subject: author }],
  });
}

/** Until `look` finds something; what the instance does by itself takes seconds. */
export async function eventually<T>(look: () => Promise<T | undefined>): Promise<T> {
  for (;;) {
    const found = await look();
    if (found !== undefined) return found;
    await sleep(50);
  }
}
