import { readFile, writeFile } from 'node:fs/promises';
import { type Server, signetCommand, startServer } from './processes.ts';
import type { Workshop } from './workshop.ts';

/** What `signet up --json` prints when it is ready. */
export interface ReadyLine {
  readonly format: 1;
  readonly registry: string;
  readonly ca: string;
  readonly ct: string;
  readonly log: string;
  readonly tsa: string;
  readonly oidc: string;
  readonly trustedRoot: string;
  readonly data: string;
}

/** The person whose signatures the examples' policy demands. */
export const author = 'alice@example.com';

/** A private instance with a development identity provider, run by the command line in a process of its own. */
export class Instance {
  readonly workshop: Workshop;
  readonly data: string;
  #server: Server;
  #urls: ReadyLine;

  private constructor(workshop: Workshop, data: string, server: Server) {
    this.workshop = workshop;
    this.data = data;
    this.#server = server;
    this.#urls = JSON.parse(server.ready);
  }

  /** Makes an instance that owns `@example/*`, lets only {@link author} sign them, and starts it. */
  static async create(workshop: Workshop, folder = 'instance'): Promise<Instance> {
    const data = workshop.path(folder);
    await succeed(workshop.signet(['init', '--data', data, '--port', '0', '--names', '@example/*', '--dev-identity']));
    const server = await serve(workshop, data);
    const instance = new Instance(workshop, data, server);
    await writeFile(`${data}/trust-policy.yaml`, instance.policy());
    return instance;
  }

  get urls(): ReadyLine {
    return this.#urls;
  }

  /** A policy that demands a provenance by {@link author} of every `@example/*` package. */
  policy(subject: string = author, trustedRoot = this.#urls.trustedRoot): string {
    return `version: 1
trustRoots:
  example:
    file: ${JSON.stringify(trustedRoot)}
    packages: ['@example/*']
    issuers: [${JSON.stringify(this.#urls.oidc)}]
publishers:
  author:
    oidc: { issuer: ${JSON.stringify(this.#urls.oidc)}, san: [${JSON.stringify(subject)}] }
rules:
  - id: example-is-signed
    match: ['@example/*']
    require:
      - provenance: { by: [author] }
`;
  }

  /** An identity token for a person, from the development provider. */
  async token(email: string = author): Promise<string> {
    const { stdout } = await succeed(this.workshop.signet(['dev', 'token', '--data', this.data, '--email', email]));
    return stdout.trim();
  }

  /** Writes npm's user configuration with a publish token for `user`, and the registry as npm's default. */
  async logIn(user: string): Promise<void> {
    const { stdout } = await succeed(this.workshop.signet(['dev', 'npm-token', '--data', this.data, '--user', user]));
    const { host, pathname } = new URL(this.#urls.registry);
    const lines = [`registry=${this.#urls.registry}`, `//${host}${pathname}:_authToken=${stdout.trim()}`, ''];
    await writeFile(this.workshop.path('home', '.npmrc'), lines.join('\n'));
  }

  async restart(): Promise<void> {
    await this.#server.stop();
    this.#server = await serve(this.workshop, this.data);
    this.#urls = JSON.parse(this.#server.ready);
  }

  /** Changes `instance.yaml`, as somebody with access to the disk can, and restarts. */
  async reconfigure(from: string, to: string): Promise<void> {
    const file = `${this.data}/instance.yaml`;
    const before = await readFile(file, 'utf8');
    if (!before.includes(from)) throw new Error(`instance.yaml does not say ${from}`);
    await writeFile(file, before.replace(from, to));
    await this.restart();
  }

  /** Ends the server as a power cut does, and starts it again. */
  async crash(): Promise<void> {
    await this.#server.kill();
    this.#server = await serve(this.workshop, this.data);
  }

  readTrustedRoot(): Promise<string> {
    return readFile(this.#urls.trustedRoot, 'utf8');
  }

  stop() {
    return this.#server.stop();
  }
}

function serve(workshop: Workshop, data: string): Promise<Server> {
  const [program, args] = signetCommand(['up', '--data', data, '--dev-identity', '--json']);
  return startServer(program, args, workshop.options());
}

/** The result of a program that must end well. */
export async function succeed<Result extends { code: number | null; stdout: string; stderr: string }>(
  running: Promise<Result>,
): Promise<Result> {
  const result = await running;
  if (result.code !== 0) throw new Error(`it ended with ${result.code}:\n${result.stdout}\n${result.stderr}`);
  return result;
}
