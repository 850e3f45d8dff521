import { once } from 'node:events';
import { isExactVersion, isInstallableName, toPurl } from '@signet/client/npm';
import type { ServingParts } from './attestations.ts';
import type { ServedEvidence } from './evidence-reader.ts';
import { assertAllowed } from './permission.ts';
import { Refusal } from './refusal.ts';
import { Turns } from './turns.ts';
import type { Next, Request, Response } from './verdaccio-host.ts';

const path = '/-/signet/v1/attestations:batch';

/** In one request: clients ask again for more, and every one costs reading and sending kilobytes. */
const maximumPackages = 1000;

/** Versions that are looked up at the same time: most of it is waiting for files. */
const ahead = 16;

/** What is sent at once, characters, except for the last piece. */
const pieceLength = 64 * 1024;

/** Requests that are worked on at the same time, and those that may wait for it. */
const atOnce = 4;
const waiting = 16;

/** What the endpoint works with. */
export interface BatchParts extends ServingParts {
  /** Says what uplinks have about versions of names that are not owned here. */
  readonly proxied?: ProxiedEvidence | undefined;
}

/** @throws what is wrong with an uplink */
export type ProxiedEvidence = (name: string, version: string) => Promise<ServedEvidence | undefined>;

interface Target {
  readonly name: string;
  readonly version: string;
}

/**
 * Serves the evidence of many versions at once: `POST {packages: [{name, version}]}`, answered by NDJSON, one
 * `{purl, integrity, attestations}` a line, in any order (INTERFACES.md). Versions that are not here, or that the user may not see,
 * have `integrity: null` and no attestations; what cannot be read has an `error`, which is no "none".
 * Few requests are worked on at the same time; beyond those that may wait, 503 with Retry-After.
 */
export class BatchEndpoint {
  readonly #parts: BatchParts;
  readonly #turns = new Turns(atOnce, waiting);

  constructor(parts: BatchParts) {
    this.#parts = parts;
  }

  readonly handle = (request: Request, response: Response, next: Next): void => {
    if (request.method !== 'POST' || request.url.split('?', 1)[0] !== path) {
      next();
      return;
    }
    let targets: readonly Target[];
    try {
      targets = parseTargets(request.body);
      if (this.#turns.isFull) {
        response.setHeader('retry-after', '1');
        throw new Refusal(
          503,
          'ERR_SERVICE_UNAVAILABLE',
          'attestations:batch: too many ask at the same time; try again',
        );
      }
    } catch (error) {
      next(error);
      return;
    }
    this.#stream(request, response, targets).catch((error) => response.destroy(error));
  };

  async #stream(request: Request, response: Response, targets: readonly Target[]): Promise<void> {
    const mayRead = this.#permissions(request);
    const rest = [...targets];
    response.status(200);
    response.setHeader('content-type', 'application/x-ndjson');
    while (rest.length > 0) {
      // A turn for each piece, so that whoever reads slowly keeps nobody waiting.
      const endTurn = await this.#turns.take({ isGone: () => response.destroyed });
      if (endTurn === undefined) return;
      try {
        const text = await this.#piece(rest, mayRead);
        if (response.destroyed) return;
        response.write(text);
      } finally {
        endTurn();
      }
      // Verdaccio's log wraps write() and loses what it returns.
      if (response.writableNeedDrain) await Promise.race([once(response, 'drain'), once(response, 'close')]);
    }
    response.end();
  }

  /** Lines about the first of `rest`, which are taken from it. */
  async #piece(rest: Target[], mayRead: (name: string) => Promise<boolean>): Promise<string> {
    const lines: Promise<string>[] = [];
    let text = '';
    while (lines.length > 0 || (text.length < pieceLength && rest.length > 0)) {
      while (lines.length < ahead && text.length < pieceLength) {
        const target = rest.shift();
        if (target === undefined) break;
        lines.push(this.#describe(target, mayRead));
      }
      const line = await lines.shift();
      if (line !== undefined) text += `${line}\n`;
    }
    return text;
  }

  /** Asks about each package once. */
  #permissions(request: Request): (name: string) => Promise<boolean> {
    const known = new Map<string, Promise<boolean>>();
    return (name) => {
      const asked = known.get(name);
      if (asked !== undefined) return asked;
      const asking = assertAllowed(this.#parts.auth, 'access', request, name).then(
        () => true,
        () => false,
      );
      known.set(name, asking);
      return asking;
    };
  }

  /** One line, without its end. */
  async #describe({ name, version }: Target, mayRead: (name: string) => Promise<boolean>): Promise<string> {
    const { names, reader, proxied } = this.#parts;
    const purl = toPurl(name, version);
    const line = (integrity: string | undefined, members: readonly string[]) =>
      `{"purl":${JSON.stringify(purl)},"integrity":${JSON.stringify(integrity ?? null)},"attestations":[${members.join(',')}]}`;
    const owned = names.has(name);
    // As for whoever asks for the package itself: not to be told apart from a package that does not exist.
    if ((!owned && proxied === undefined) || !(await mayRead(name))) return line(undefined, []);
    try {
      const stored = await (owned ? reader.recent(name, version) : proxied?.(name, version));
      return line(stored?.integrity, stored?.members ?? []);
    } catch (error) {
      const problem = error instanceof Refusal ? error.message : 'the evidence cannot be read';
      return JSON.stringify({ purl, integrity: null, error: problem });
    }
  }
}

function parseTargets(body: unknown): readonly Target[] {
  const packages = typeof body === 'object' && body !== null && 'packages' in body ? body.packages : undefined;
  if (!Array.isArray(packages)) throw bad('the body must be {"packages":[{"name":…,"version":…}]}');
  if (packages.length > maximumPackages) {
    const problem = `attestations:batch: ${packages.length} packages at once, ${maximumPackages} are possible; ask in parts`;
    throw new Refusal(413, 'ERR_INPUT_TOO_LARGE', problem);
  }
  // Asked for twice is answered once.
  const targets = new Map<string, Target>();
  for (const item of packages as readonly unknown[]) {
    const { name, version } = (typeof item === 'object' && item !== null ? item : {}) as Record<string, unknown>;
    if (
      typeof name !== 'string' ||
      typeof version !== 'string' ||
      !isInstallableName(name) ||
      !isExactVersion(version)
    ) {
      throw bad('every package needs a name and an exact version');
    }
    targets.set(toPurl(name, version), { name, version });
  }
  return [...targets.values()];
}

function bad(problem: string): Refusal {
  return new Refusal(400, 'ERR_REQUEST', `attestations:batch: ${problem}`);
}
