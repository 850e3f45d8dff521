import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { utf8 } from '@signet/primitives/formats';
import { generateSigner, type Signer } from '@signet/primitives/keys';
import { type TargetSet, TufRepository, tufRoutes } from '@signet/services/tuf';
import fastify, { type FastifyInstance } from 'fastify';

/** Targets with `text` in the place of a trusted root. */
export function targetsOf(text: string): TargetSet {
  return new Map([['trusted_root.json', { bytes: utf8(text) }]]);
}

/** A trust-root repository that is served over HTTP, and a clock that both sides read. */
export class TufScene {
  readonly directory: string;
  readonly holder: Signer = generateSigner('PKIX_ECDSA_P256_SHA_256');
  readonly online: Signer = generateSigner('PKIX_ED25519');
  now = new Date();
  #app: FastifyInstance | undefined;
  #repository: TufRepository | undefined;
  #url = '';

  private constructor(directory: string) {
    this.directory = directory;
  }

  static async open(text = '{"first":true}'): Promise<TufScene> {
    const scene = new TufScene(await mkdtemp(join(tmpdir(), 'signet-trust-')));
    scene.#repository = await TufRepository.create({
      directory: join(scene.directory, 'tuf'),
      signers: { online: scene.online, offline: [scene.holder] },
      root: { signers: [scene.holder], threshold: 1 },
      targets: targetsOf(text),
      clock: scene.clock,
    });
    await scene.serve();
    return scene;
  }

  readonly clock = (): Date => this.now;

  get repository(): TufRepository {
    if (this.#repository === undefined) throw new Error('the scene is not open');
    return this.#repository;
  }

  get url(): string {
    return this.#url;
  }

  /** At the port of before, so that copies of the repository still mean it. */
  async serve(): Promise<void> {
    const port = this.#url === '' ? 0 : Number(new URL(this.#url).port);
    this.#app = fastify({ routerOptions: { ignoreDuplicateSlashes: true } });
    await this.#app.register(tufRoutes(this.repository, this.clock), { prefix: '/tuf' });
    this.#url = `${await this.#app.listen({ port, host: '127.0.0.1' })}/tuf`;
  }

  async stopServing(): Promise<void> {
    await this.#app?.close();
  }

  async close(): Promise<void> {
    await this.stopServing();
    await rm(this.directory, { recursive: true });
  }
}
