import { canonicalize, type JsonObject, parseJson, SignetError, utf8 } from '@signet/primitives/formats';
import type { ErrorObject, ValidateFunction } from 'ajv';
import { Ajv } from 'ajv';
import { builtInPkiFormats, type PkiFormat } from '../pki/index.ts';
import type { SearchTerm } from '../search/search-keys.ts';
import { coseV001 } from './cose.ts';
import { dsseV001 } from './dsse.ts';
import { type EntryContext, type EntryType, proposalError } from './entry-type.ts';
import { hashedRekordV001 } from './hashedrekord.ts';
import { intotoV001, intotoV002 } from './intoto.ts';
import { rekordV001 } from './rekord.ts';
import { rfc3161V001 } from './rfc3161.ts';
import { tufV001 } from './tuf.ts';

/** The entry types that every v1 log takes. */
export const builtInEntryTypes: readonly EntryType[] = [
  hashedRekordV001,
  dsseV001,
  intotoV001,
  intotoV002,
  rekordV001,
  rfc3161V001,
  coseV001,
  tufV001,
] as readonly EntryType<never>[] as readonly EntryType[];

/** A proposal that has been verified, as it goes into the log. */
export interface VerifiedProposal {
  readonly kind: string;
  readonly version: string;
  /** The entry's bytes: JSON in canonical form (RFC 8785). */
  readonly body: Uint8Array;
  /** As {@link EntryType.subjects}. */
  readonly subjects: readonly string[];
  /** As {@link EntryType.attestation}, where it is asked for. */
  readonly attestation: Uint8Array | undefined;
}

/** What is asked for beside an entry. */
export interface VerifyOptions {
  /** Longest attestation that is of interest, bytes; none by default. */
  readonly attestationBytes?: number;
}

const maximumProposal = 64 << 20;
const maximumSubjects = 256;
// As search takes them: names are lines of printable ASCII.
const subjectPattern =
  /^(?:pkg:[a-z0-9.+-]+\/[\x21-\x7e]{1,1000}|sha1:[0-9a-f]{40}|sha256:[0-9a-f]{64}|sha384:[0-9a-f]{96}|sha512:[0-9a-f]{128})$/;
const kindPattern = /^[a-z][a-z0-9_-]{0,63}$/;
const versionPattern = /^\d{1,5}\.\d{1,5}\.\d{1,5}$/;

/** Reads the JSON of a proposal. @throws ERR_JSON, ERR_INPUT_TOO_LARGE */
export function readProposalJson(proposal: Uint8Array): unknown {
  return parseJson(proposal, 'the entry', { maxLength: maximumProposal });
}

/** The entry types that a log takes, by kind and version. */
export class EntryTypes {
  readonly #types = new Map<string, { type: EntryType; matches: ValidateFunction }>();
  readonly #context: EntryContext;

  /** @throws ERR_LOG_TYPE when two types or two formats of keys have one name, or a schema cannot be used */
  constructor(more: readonly EntryType[] = [], morePki: readonly PkiFormat[] = []) {
    const formats = new Map<string, PkiFormat>();
    for (const format of [...builtInPkiFormats, ...morePki]) {
      if (formats.has(format.name)) throw typeError(`there are two formats of keys ${JSON.stringify(format.name)}`);
      formats.set(format.name, format);
    }
    this.#context = {
      publicKey(name, bytes) {
        const format = formats.get(name);
        if (format === undefined) {
          throw proposalError(
            `keys of the format ${JSON.stringify(name)} are unknown; known are ${[...formats.keys()].join(', ')}`,
          );
        }
        return format.readPublicKey(bytes);
      },
    };
    const ajv = new Ajv({ strict: true, strictRequired: false, allErrors: false, formats: { byte: true } });
    for (const type of [...builtInEntryTypes, ...more]) this.#add(type, ajv);
  }

  /**
   * The built-in types and formats of keys, and those of plug-ins.
   *
   * @param modules URLs or package names of modules whose default export is an {@link EntryType} or an array of them, or which
   *   export formats of keys as `pkiFormats`, an array of {@link PkiFormat}
   * @throws ERR_LOG_TYPE
   */
  static async load(modules: readonly string[] = []): Promise<EntryTypes> {
    const types: EntryType[] = [];
    const formats: PkiFormat[] = [];
    for (const specifier of modules) {
      let loaded: { default?: unknown; pkiFormats?: unknown };
      try {
        loaded = (await import(specifier)) as typeof loaded;
      } catch (cause) {
        const reason = cause instanceof Error ? cause.message : String(cause);
        throw typeError(`the entry type ${specifier} cannot be loaded: ${reason}`, cause);
      }
      const { pkiFormats = [] } = loaded;
      if (!Array.isArray(pkiFormats) || !pkiFormats.every(isPkiFormat)) {
        throw typeError(`pkiFormats of ${specifier} is not an array of formats of keys`);
      }
      formats.push(...pkiFormats);
      // A module may have formats of keys alone.
      if (loaded.default === undefined && pkiFormats.length > 0) continue;
      const exported = Array.isArray(loaded.default) ? loaded.default : [loaded.default];
      for (const one of exported) {
        if (!isEntryType(one)) throw typeError(`the default export of ${specifier} is not an entry type`);
        types.push(one);
      }
    }
    return new EntryTypes(types, formats);
  }

  /** All of them, with their schemas. */
  get list(): readonly EntryType[] {
    return [...this.#types.values()].map(({ type }) => type);
  }

  /**
   * Verifies a proposed entry.
   *
   * @param proposal `{apiVersion, kind, spec}`, or its JSON
   * @throws ERR_LOG_REQUEST, ERR_JSON, ERR_LOG_SIGNATURE, ERR_LOG_PKI_UNAVAILABLE
   */
  async verify(proposal: unknown, { attestationBytes = 0 }: VerifyOptions = {}): Promise<VerifiedProposal> {
    const value = proposal instanceof Uint8Array ? readProposalJson(proposal) : proposal;
    const { kind, version, spec } = readProposal(value);
    const { type, matches } = this.#find(kind, version);
    if (!matches(spec)) throw proposalError(schemaProblem(matches.errors?.[0]));
    const logged = await type.verify(spec, this.#context);
    const body = utf8(canonicalize({ apiVersion: version, kind, spec: logged }));
    const subjects = (type.subjects?.(spec) ?? []).filter((name) => subjectPattern.test(name));
    const attestation = attestationBytes > 0 ? type.attestation?.(spec) : undefined;
    return {
      kind,
      version,
      body,
      subjects: [...new Set(subjects)].slice(0, maximumSubjects),
      attestation: attestation === undefined || attestation.length > attestationBytes ? undefined : attestation,
    };
  }

  /** SHA-256 of the attestation that may have been kept for an entry, in hexadecimal. */
  attestationHash(body: Uint8Array): string | undefined {
    try {
      const { kind, version, spec } = readProposal(parseJson(body, 'the entry'));
      return this.#types.get(`${kind} ${version}`)?.type.attestationHash?.(spec);
    } catch (error) {
      // An entry of a kind that nobody here knows any more.
      if (error instanceof SignetError) return undefined;
      throw error;
    }
  }

  /** What a logged entry is found by; nothing where its kind is unknown or it cannot be read. */
  searchTerms(body: Uint8Array): readonly SearchTerm[] {
    try {
      const { kind, version, spec } = readProposal(parseJson(body, 'the entry'));
      return this.#types.get(`${kind} ${version}`)?.type.searchTerms(spec, this.#context) ?? [];
    } catch (error) {
      // Nobody stops the index with an entry, whoever wrote its type.
      if (error instanceof SignetError || error instanceof TypeError || error instanceof RangeError) return [];
      throw error;
    }
  }

  /** The canonical form of a public key, by which Rekor's index names it. @throws ERR_LOG_REQUEST, ERR_LOG_SIGNATURE */
  publicKey(format: string, bytes: Uint8Array): ReturnType<EntryContext['publicKey']> {
    return this.#context.publicKey(format, bytes);
  }

  #add(type: EntryType, ajv: Ajv): void {
    const name = `${type.kind} ${type.version}`;
    if (!kindPattern.test(type.kind) || !versionPattern.test(type.version)) {
      throw typeError(`${JSON.stringify(name)} is not a kind and a version such as "hashedrekord 0.0.1"`);
    }
    if (this.#types.has(name)) throw typeError(`there are two entry types ${name}`);
    try {
      this.#types.set(name, { type, matches: ajv.compile(type.schema) });
    } catch (cause) {
      const reason = cause instanceof Error ? cause.message : String(cause);
      throw typeError(`the schema of ${name} cannot be used: ${reason}`, cause);
    }
  }

  #find(kind: string, version: string): { type: EntryType; matches: ValidateFunction } {
    const found = this.#types.get(`${kind} ${version}`);
    if (found !== undefined) return found;
    const known = [...this.#types.keys()].join(', ');
    const shown = JSON.stringify(`${kind} ${version}`.slice(0, 80));
    throw proposalError(`entries of kind ${shown} are not logged here; this log takes ${known}`);
  }
}

function readProposal(value: unknown): { kind: string; version: string; spec: JsonObject } {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw proposalError('the entry is not an object');
  const { kind, apiVersion, spec, ...rest } = value as Record<string, unknown>;
  const [unknown] = Object.keys(rest);
  if (unknown !== undefined) {
    throw proposalError(
      `the entry has the unknown field ${JSON.stringify(unknown.slice(0, 80))}; it takes kind, apiVersion, spec`,
    );
  }
  if (typeof kind !== 'string' || typeof apiVersion !== 'string')
    throw proposalError('kind or apiVersion is not a string');
  if (typeof spec !== 'object' || spec === null || Array.isArray(spec)) throw proposalError('spec is not an object');
  return { kind, version: apiVersion, spec: spec as JsonObject };
}

function schemaProblem(error: ErrorObject | undefined): string {
  if (error === undefined) return 'spec does not match its schema';
  const path = `spec${error.instancePath.replaceAll('/', '.')}`;
  const extra = (error.params as { additionalProperty?: unknown }).additionalProperty;
  const named = typeof extra === 'string' ? ` (${JSON.stringify(extra.slice(0, 80))})` : '';
  return `${path} ${error.message ?? 'does not match its schema'}${named}`;
}

function isEntryType(value: unknown): value is EntryType {
  const { kind, version, schema, verify, searchTerms } = (value ?? {}) as Record<string, unknown>;
  return (
    typeof kind === 'string' &&
    typeof version === 'string' &&
    typeof schema === 'object' &&
    schema !== null &&
    typeof verify === 'function' &&
    typeof searchTerms === 'function'
  );
}

function isPkiFormat(value: unknown): value is PkiFormat {
  const { name, readPublicKey } = (value ?? {}) as Record<string, unknown>;
  return typeof name === 'string' && kindPattern.test(name) && typeof readPublicKey === 'function';
}

function typeError(reason: string, cause?: unknown): SignetError {
  return new SignetError('ERR_LOG_TYPE', reason, { cause });
}
