import { createPrivateKey, sign } from 'node:crypto';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { IdentityToken } from '@signet/client/identity';
import type { SigningServices } from '@signet/client/sign';
import { loadTrustMaterial, type TrustMaterial } from '@signet/client/trust';
import {
  createNpmToken,
  emailClaims,
  githubClaims,
  mintToken,
  type RunningInstance,
  readDevelopmentKeys,
  startInstance,
} from '@signet/registry';

export const alice = 'alice@example.com';

/** A private instance in this process, with an author who may publish `@example/*`. */
export class AuthorScene {
  readonly directory: string;
  instance: RunningInstance;
  readonly trust: TrustMaterial;
  #npmToken: Promise<string> | undefined;

  private constructor(directory: string, instance: RunningInstance, trust: TrustMaterial) {
    this.directory = directory;
    this.instance = instance;
    this.trust = trust;
  }

  static async open(): Promise<AuthorScene> {
    const directory = await mkdtemp(join(tmpdir(), 'signet-author-'));
    const instance = await startInstance(settings(directory));
    const { layout } = instance.instance;
    await writeFile(layout.policyFile, policy(instance.urls.oidc, instance.urls.ciIssuer));
    // The registry signs and logs its policy when it is first asked for it; the tests count entries of their own.
    await (await fetch(`${instance.urls.registry}-/signet/v1/policy`)).arrayBuffer();
    return new AuthorScene(directory, instance, await loadTrustMaterial(layout.trust.trustedRoot));
  }

  /** Starts the instance anew, after its file was changed. */
  async reconfigure(change: (text: string) => string): Promise<void> {
    const { instanceFile } = this.instance.instance.layout;
    await writeFile(instanceFile, change(await readFile(instanceFile, 'utf8')));
    await this.instance.stop();
    this.instance = await startInstance(settings(this.directory));
  }

  get registry(): string {
    return this.instance.urls.registry;
  }

  get services(): SigningServices {
    const { ca, tsa, log } = this.instance.urls;
    return { caUrl: ca, tsaUrls: [tsa], logUrls: [log] };
  }

  async token(email: string = alice): Promise<IdentityToken> {
    const keys = await readDevelopmentKeys(this.instance.instance.layout);
    return IdentityToken.parse(mintToken(keys, this.instance.urls.oidc, emailClaims(email)));
  }

  /** A token as GitHub Actions gives to a job. */
  async jobToken(claims: Readonly<Record<string, unknown>> = {}): Promise<IdentityToken> {
    const keys = await readDevelopmentKeys(this.instance.instance.layout);
    return IdentityToken.parse(mintToken(keys, this.instance.urls.ciIssuer, githubClaims(claims)));
  }

  /** A token of the same job for another audience, as the platform gives one to whoever in the job asks. */
  async jobTokenFor(audience: string, claims: Readonly<Record<string, unknown>> = {}): Promise<string> {
    const keys = await readDevelopmentKeys(this.instance.instance.layout);
    const [header, body] = mintToken(keys, this.instance.urls.ciIssuer, githubClaims(claims)).split('.');
    const payload = { ...JSON.parse(Buffer.from(body ?? '', 'base64url').toString()), aud: audience };
    const text = `${header}.${Buffer.from(JSON.stringify(payload)).toString('base64url')}`;
    const key = createPrivateKey({ key: keys.privateKey, format: 'jwk' });
    const signature = sign('sha256', Buffer.from(text), { key, dsaEncoding: 'ieee-p1363' });
    return `${text}.${signature.toString('base64url')}`;
  }

  /** A package in a folder of its own, with credentials for the registry. */
  async package(
    manifest: Readonly<Record<string, unknown>>,
    files: Readonly<Record<string, string>> = {},
  ): Promise<string> {
    const folder = await mkdtemp(join(this.directory, 'package-'));
    await writeFile(join(folder, 'package.json'), JSON.stringify(manifest));
    await writeFile(join(folder, 'index.js'), 'export default 1;\n');
    await writeFile(join(folder, '.npmrc'), await this.npmrc());
    for (const [name, text] of Object.entries(files)) await writeFile(join(folder, name), text);
    return folder;
  }

  async npmrc(): Promise<string> {
    const { host, pathname } = new URL(this.registry);
    this.#npmToken ??= createNpmToken(this.instance.instance, 'alice');
    const token = await this.#npmToken;
    return `registry=${this.registry}\n//${host}${pathname}:_authToken=${token}\n`;
  }

  /** An environment in which no configuration of this machine's user counts. */
  get env(): Readonly<Record<string, string | undefined>> {
    const home = join(this.directory, 'home');
    return {
      PATH: process.env.PATH,
      HOME: home,
      USERPROFILE: home,
      npm_config_userconfig: join(home, '.npmrc'),
      npm_config_globalconfig: join(home, 'global.npmrc'),
      npm_config_cache: join(this.directory, 'npm-cache'),
      npm_config_fetch_retries: '0',
    };
  }

  async logSize(): Promise<number> {
    const checkpoint = await (await fetch(`${this.instance.urls.log}/checkpoint`)).text();
    return Number(checkpoint.split('\n')[1]);
  }

  async readTrustedRoot(): Promise<string> {
    return await readFile(this.instance.instance.layout.trust.trustedRoot, 'utf8');
  }

  async close(): Promise<void> {
    await this.instance.stop();
    await rm(this.directory, { recursive: true, force: true, maxRetries: 3 });
  }
}

function settings(directory: string): Parameters<typeof startInstance>[0] {
  return {
    directory: join(directory, 'instance'),
    port: 0,
    host: '127.0.0.1',
    names: ['@example/*'],
    devIdentity: true,
  };
}

function policy(issuer: string, ciIssuer: string): string {
  return `version: 1
trustRoots:
  instance: { file: ./trust/trusted_root.json, packages: ['@example/*'], issuers: ['${issuer}', '${ciIssuer}'] }
publishers:
  alice: { oidc: { issuer: '${issuer}', san: ['${alice}'] } }
  job: { oidc: { issuer: '${ciIssuer}', sanRegex: 'https://github.com/example/widgets/.*' } }
rules:
  - { id: example-is-signed, match: ['@example/*'], require: [{ provenance: { by: [alice, job] } }] }
  - id: some-have-a-bill-of-materials
    match: ['@example/sbom-*']
    require:
      - attestation: { predicateType: 'https://cyclonedx.org/bom', by: [alice] }
      - attestation: { predicateType: 'https://cosign.sigstore.dev/attestation/vuln/v1', by: [alice] }
`;
}
