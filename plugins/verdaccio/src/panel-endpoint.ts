import {
  isExactVersion,
  isInstallableName,
  publishAttestationType,
  type VerifiedAttestation,
} from '@signet/client/npm';
import { signedBy } from '@signet/client/policy';
import { inert, inertUrl } from '@signet/primitives/formats';
import { isRead, pathOf } from './endpoint.ts';
import type { Evidence } from './evidence.ts';
import type { EvidenceReader } from './evidence-reader.ts';
import type { OwnedNames } from './names.ts';
import { panelScript } from './panel-script.ts';
import { assertAllowed } from './permission.ts';
import { Refusal } from './refusal.ts';
import type { EvidenceStorage } from './storage.ts';
import type { ProofOfProxied } from './uplinks.ts';
import type { Auth, Next, Request, Response } from './verdaccio-host.ts';

const scriptPath = '/-/signet/v1/panel.js';
const dataPath = '/-/signet/v1/panel';

/** The element that Verdaccio puts at the end of its page; the address is relative to the page's base. */
export const panelElement = `<script src="-/signet/v1/panel.js" defer></script>`;

/** What the panel's endpoints work with. */
export interface PanelParts {
  readonly names: OwnedNames;
  readonly auth: Auth;
  readonly storage: EvidenceStorage;
  readonly evidence: Evidence;
  readonly reader: EvidenceReader;
  /** What is proven of versions of uplinks; absent when nobody looks at them. */
  readonly proofOf?: ProofOfProxied | undefined;
}

interface Fact {
  readonly name: string;
  readonly value: string;
  readonly url?: string;
}

interface PanelFacts {
  readonly state: 'verified' | 'unsigned' | 'refused' | 'foreign';
  readonly title: string;
  readonly explanation?: string;
  readonly evidence: readonly { readonly facts: readonly Fact[] }[];
  readonly document?: string;
}

/** Serves the panel in Verdaccio's web page: its script, and what it shows, verified here and now. Every text is made inert. */
export class PanelEndpoint {
  readonly #parts: PanelParts;

  constructor(parts: PanelParts) {
    this.#parts = parts;
  }

  readonly handle = (request: Request, response: Response, next: Next): void => {
    const path = pathOf(request);
    if (!isRead(request) || (path !== scriptPath && path !== dataPath)) {
      next();
      return;
    }
    if (path === scriptPath) {
      response.setHeader('content-type', 'text/javascript; charset=utf-8');
      response.setHeader('cache-control', 'public, max-age=300');
      response.status(200).end(panelScript);
      return;
    }
    this.#describe(request).then(
      (facts) => {
        response.setHeader('cache-control', 'no-cache');
        response.status(200).json({ format: 1, ...facts });
      },
      (error) => next(error),
    );
  };

  async #describe(request: Request): Promise<PanelFacts> {
    const { names, auth, storage, reader } = this.#parts;
    const query = new URLSearchParams(request.url.split('?')[1] ?? '');
    const name = query.get('name') ?? '';
    if (!isInstallableName(name)) throw new Refusal(400, 'ERR_REQUEST', 'panel: name is not a package name');
    await assertAllowed(auth, 'access', request, name);
    const stored = await storage.readPackage(name);
    const version = query.get('version') ?? stored?.latest ?? '';
    if (!names.has(name)) return this.#judgeProxied(name, isExactVersion(version) ? version : '');
    const integrity = isExactVersion(version) ? stored?.versions.get(version)?.integrity : undefined;
    const unsigned: PanelFacts = {
      state: 'unsigned',
      title: 'Nobody signed this version',
      explanation: 'There is no evidence of who made it, from what source or when.',
      evidence: [],
    };
    if (integrity === undefined) return unsigned;
    const bundles = (await reader.read(name, version))?.attestations.map(({ bundle }) => bundle) ?? [];
    if (bundles.length === 0) return unsigned;
    return this.#judge({ name, version, integrity }, bundles);
  }

  /** A package of another registry, by what the gate would say of it. */
  async #judgeProxied(name: string, version: string): Promise<PanelFacts> {
    const { proofOf } = this.#parts;
    const state = 'foreign';
    try {
      const proof = version === '' ? undefined : await proofOf?.(name, version);
      if (proof === undefined) {
        const explanation = 'It comes from another registry, whose evidence is for whoever installs it to check.';
        return { state, title: 'Not judged here', explanation, evidence: [] };
      }
      const evidence = proof.attestations.map((attestation) => ({ facts: factsOf(attestation) }));
      const signed = proof.signed
        ? 'Its registry signed it.'
        : 'Its registry did not sign it, as far as is known here.';
      if (evidence.length > 0) {
        const document = documentOf(name, version);
        return { state: 'verified', title: 'From another registry, verified', explanation: signed, evidence, document };
      }
      const explanation = `${signed} There is no evidence of who made it, from what source or when.`;
      return { state, title: 'From another registry', explanation, evidence };
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      return { state: 'refused', title: 'Not passed on', explanation: error.message, evidence: [] };
    }
  }

  async #judge(
    release: { name: string; version: string; integrity: string },
    bundles: readonly unknown[],
  ): Promise<PanelFacts> {
    const { name, version } = release;
    const document = documentOf(name, version);
    try {
      const { attestations, warning } = await this.#parts.evidence.examineStored(release, bundles, 'warn');
      const evidence = attestations.map((attestation) => ({ facts: factsOf(attestation) }));
      if (warning === undefined) return { state: 'verified', title: 'Signed and verified', evidence, document };
      return { state: 'refused', title: 'Signed, but not accepted', explanation: warning, evidence, document };
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      return {
        state: 'refused',
        title: 'The evidence does not hold',
        explanation: error.message,
        evidence: [],
        document,
      };
    }
  }
}

/** Relative to the page's base, which knows a path that a proxy takes off. */
function documentOf(name: string, version: string): string {
  return `-/npm/v1/attestations/${name.replace('/', '%2f')}@${encodeURIComponent(version)}`;
}

function factsOf({ predicateType, verified }: VerifiedAttestation): readonly Fact[] {
  const facts: Fact[] = [];
  const add = (name: string, value: string | undefined, url?: string | undefined) => {
    if (value === undefined || value === '') return;
    const safe = url === undefined ? undefined : inertUrl(url);
    facts.push({ name, value: inert(value, { limit: 300 }), ...(safe === undefined ? {} : { url: safe }) });
  };
  const { signer, logEntries } = verified;
  if (signer.kind === 'certificate') {
    const { claims, subject, issuer } = signer;
    add('Signed by', subject.value, subject.type === 'uri' ? subject.value : undefined);
    add('Identity from', issuer, issuer);
    add('Source', claims.sourceRepositoryUri, claims.sourceRepositoryUri);
    add('Commit', claims.sourceRepositoryDigest, commitUrl(claims.sourceRepositoryUri, claims.sourceRepositoryDigest));
    add('Ref', claims.sourceRepositoryRef);
    add('Workflow', claims.buildConfigUri, claims.buildConfigUri);
    add('Run', claims.runInvocationUri, claims.runInvocationUri);
  } else {
    add('Signed by', predicateType === publishAttestationType ? 'the registry that took it' : 'a key');
  }
  add('Statement', predicateType, predicateType);
  add(
    'When',
    signedBy(verified)
      ?.toISOString()
      .replace('T', ' ')
      .replace(/\.000Z$/, ' UTC'),
  );
  for (const { origin, index } of logEntries)
    add('Log entry', `${index}${origin === undefined ? '' : ` in ${origin}`}`);
  return facts;
}

/** Where hosts of repositories show a commit; GitHub and GitLab agree on it. */
function commitUrl(repository: string | undefined, commit: string | undefined): string | undefined {
  return repository === undefined || commit === undefined || !/^[0-9a-f]{40,64}$/.test(commit)
    ? undefined
    : `${repository.replace(/\/$/, '')}/commit/${commit}`;
}
