import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { LyingUplink, type Passed, type Passing } from './lying-uplink.ts';
import { author, type Parcel, TestRegistry } from './registry.ts';
import { VerdaccioProcess } from './verdaccio.ts';

/** A version in a package document. */
export interface Version {
  dist: Record<string, unknown> & { tarball: string; integrity: string };
}

/**
 * A registry whose packages are signed and attested, a way to it on which an attacker may sit, and behind that the Verdaccio of
 * somebody else with the plugin in it, which proxies the first.
 */
export class UplinkScene {
  readonly folder: string;
  readonly upstream: TestRegistry;
  readonly proxy: LyingUplink;
  #verdaccio: VerdaccioProcess | undefined;

  private constructor(folder: string, upstream: TestRegistry, proxy: LyingUplink) {
    this.folder = folder;
    this.upstream = upstream;
    this.proxy = proxy;
    proxy.tamper = this.honest;
  }

  static async open(): Promise<UplinkScene> {
    const folder = await mkdtemp(join(tmpdir(), 'signet-uplink-'));
    const upstream = await TestRegistry.start();
    const { instanceFile } = upstream.running.instance.layout;
    const settings = await readFile(instanceFile, 'utf8');
    await writeFile(instanceFile, settings.replace('advertiseEvidence: false', 'advertiseEvidence: true'));
    await upstream.restart();
    const scene = new UplinkScene(folder, upstream, await LyingUplink.open(upstream.url));
    await writeFile(join(folder, 'upstream-keys.json'), (await upstream.fetch('/-/npm/v1/keys')).text);
    const { trust } = upstream.running.instance.layout;
    await writeFile(join(folder, 'trusted_root.json'), await readFile(trust.trustedRoot, 'utf8'));
    await scene.setPolicy('');
    return scene;
  }

  /** The uplink as it is; only the addresses of its tarballs lead through the proxy. */
  readonly honest = async (passing: Passing): Promise<Passed> => {
    const answer = await passing.forward();
    const text = answer.body.toString('latin1');
    if (!text.startsWith('{')) return answer;
    return { ...answer, body: Buffer.from(text.replaceAll(this.upstream.url, `${this.proxy.origin}/`), 'latin1') };
  };

  /** From now on the uplink changes the document of a package before it sends it. */
  lieAbout(name: string, change: (version: Version, document: Record<string, unknown>) => void): void {
    this.proxy.tamper = async (passing) => {
      const answer = await this.honest(passing);
      if (decodeURIComponent(passing.path) !== `/${name}` || answer.status !== 200) return answer;
      const document = JSON.parse(answer.body.toString('utf8'));
      for (const version of Object.values(document.versions as Record<string, Version>)) change(version, document);
      return { ...answer, body: Buffer.from(JSON.stringify(document)) };
    };
  }

  /** Rules about names that the Verdaccio does not own, in lines of YAML. */
  async setPolicy(rules: string, publishers = ''): Promise<void> {
    const { ciIssuer, oidc } = this.upstream.running.urls;
    const text = `version: 1
noMatch: deny
trustRoots:
  own: { file: ./trusted_root.json, packages: ['@own/*'] }
  others: { file: ./trusted_root.json }
publishers:
  author: { oidc: { issuer: ${JSON.stringify(oidc)}, san: [${JSON.stringify(author)}] } }
  nobody: { oidc: { issuer: ${JSON.stringify(ciIssuer)}, san: [nobody] } }
${publishers}rules:
  - id: own
    match: ['@own/*']
    require: [{ signature: { by: [author] } }]
${rules}`;
    await writeFile(join(this.folder, 'trust-policy.yaml'), text);
  }

  configuration(signet: Readonly<Record<string, unknown>> = {}): Record<string, unknown> {
    return {
      storage: './storage',
      auth: { htpasswd: { file: './htpasswd' } },
      uplinks: { upstream: { url: this.proxy.origin, maxage: '0s', max_fails: 1000, fail_timeout: '0s' } },
      packages: {
        '@own/*': { access: '$all', publish: '$authenticated' },
        '**': { access: '$all', proxy: 'upstream' },
      },
      middlewares: {
        signet: {
          names: ['@own/*'],
          trustedRoot: './trusted_root.json',
          policy: './trust-policy.yaml',
          publish: 'off',
          tarballs: 'off',
          signatures: { key: './registry.pem', keys: './keys.json' },
          uplinks: { mode: 'verify', keys: './upstream-keys.json' },
          ...signet,
        },
      },
      log: { type: 'stdout', format: 'json', level: 'warn' },
    };
  }

  get verdaccio(): VerdaccioProcess {
    if (this.#verdaccio === undefined) throw new Error('the Verdaccio has not been started');
    return this.#verdaccio;
  }

  /** Starts the Verdaccio, or starts it again. */
  async serve(configuration = this.configuration()): Promise<VerdaccioProcess> {
    this.#verdaccio =
      this.#verdaccio === undefined
        ? await VerdaccioProcess.start({ folder: this.folder, configuration })
        : await this.#verdaccio.restart(configuration);
    return this.#verdaccio;
  }

  /** Publishes a signed package at the uplink. */
  async publish(name: string, version = '1.0.0'): Promise<Parcel> {
    const parcel = await this.upstream.parcel(name, version);
    const answer = await this.upstream.put(parcel);
    if (answer.status !== 201) throw new Error(answer.text);
    return parcel;
  }

  async tarball(name: string, version = '1.0.0') {
    return this.verdaccio.fetch(`/${name}/-/${name.slice(name.indexOf('/') + 1)}-${version}.tgz`);
  }

  async close(): Promise<void> {
    await this.#verdaccio?.stop();
    await this.proxy.close();
    await this.upstream.remove();
    await rm(this.folder, { recursive: true });
  }
}
