import { readFile, writeFile } from 'node:fs/promises';
import { author, Instance, succeed } from '../scene/instance.ts';
import type { Finished } from '../scene/processes.ts';
import { Workshop } from '../scene/workshop.ts';

/** The package that the attacks are on: `@example/greeting@1.0.0`, published and signed by {@link author}. */
export const victim = '@example/greeting';

/** What npm 12 forbids unless it is told otherwise, and earlier ones allow: for users who allow it. */
export const allowed = {
  npm_config_allow_git: 'all',
  npm_config_allow_remote: 'all',
  npm_config_dangerously_allow_all_scripts: 'true',
};

/** A registry with one honestly published package without dependencies, which needs no access to npmjs. */
export class AttackScene {
  readonly workshop: Workshop;
  readonly instance: Instance;

  private constructor(workshop: Workshop, instance: Instance) {
    this.workshop = workshop;
    this.instance = instance;
  }

  static async open(): Promise<AttackScene> {
    const workshop = await Workshop.open();
    const scene = new AttackScene(workshop, await Instance.create(workshop));
    await scene.instance.logIn('alice');
    await succeed(scene.publish(await scene.copyPackage('greeting', {}), author));
    return scene;
  }

  async close(): Promise<void> {
    await this.instance.stop();
    await this.workshop.close();
  }

  /** The example package in a folder of its own, with `overrides` in its package.json. */
  async copyPackage(folder: string, overrides: Record<string, unknown>): Promise<string> {
    const copy = await this.workshop.copyExample('greeting', folder, ({ dependencies, ...manifest }) => ({
      ...manifest,
      ...overrides,
    }));
    await writeFile(`${copy}/greeting.js`, "export const greet = (who) => 'Hello, ' + who + '!';\n");
    return copy;
  }

  /** A project that depends on the victim, resolved now, with its policy. */
  async copyProject(folder: string, env: Record<string, string> = {}): Promise<string> {
    const project = await this.workshop.copyExample('app', folder);
    await writeFile(`${project}/trust-policy.yaml`, this.instance.policy());
    await succeed(this.workshop.npm(['install', '--package-lock-only'], { cwd: project, env }));
    return project;
  }

  async publish(folder: string, email: string): Promise<Finished> {
    const { registry, trustedRoot } = this.instance.urls;
    return this.workshop.signet(['publish', folder, '--registry', registry, '--trusted-root', trustedRoot], {
      env: { SIGSTORE_ID_TOKEN: await this.instance.token(email) },
    });
  }

  async npmToken(): Promise<string> {
    const npmrc = await readFile(this.workshop.path('home', '.npmrc'), 'utf8');
    return /_authToken=(.*)/.exec(npmrc)?.[1] ?? '';
  }

  /** The versions of a package that the registry shows; none when it does not know the package. */
  async versions(name: string): Promise<string[]> {
    const response = await fetch(`${this.instance.urls.registry}${name.replace('/', '%2f')}`);
    if (response.status === 404) return [];
    return Object.keys(((await response.json()) as { versions: Record<string, unknown> }).versions);
  }
}
