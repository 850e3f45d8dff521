import { digest } from '@signet/primitives/crypto';
import {
  type AuthorityInstance,
  Certificate,
  isWithin,
  type oids,
  SignetError,
  type TimeRange,
} from '@signet/primitives/formats';
import { checkAuthorityCertificate, isSignedBy, namesIssuer, type Purpose } from './certificate-rules.ts';

/** A certificate that may issue leaves, and when everything from it up to the trust anchor was valid. */
export interface Issuer {
  readonly certificate: Certificate;
  /** SHA-256 of its SubjectPublicKeyInfo: what certificate logs call it by (RFC 6962 §3.2). */
  readonly keyHash: Uint8Array;
  readonly authority: TrustedAuthority;
  /** From the latest start to the earliest end of the path and of the authority in the trusted root. */
  readonly validFor: TimeRange;
}

/**
 * A certificate or timestamp authority of a trusted root. Its chain is parsed and checked once, when it is first needed;
 * what depends on the time of a signature is kept as an interval.
 */
export class TrustedAuthority {
  readonly uri: string;
  readonly purpose: Purpose;
  readonly validFor: TimeRange;
  readonly operator: string;
  /** As the trusted root has them, the trust anchor last. */
  readonly certificates: readonly Certificate[];
  #issuers: readonly Issuer[] | undefined;

  constructor(instance: AuthorityInstance, purpose: typeof oids.codeSigning | typeof oids.timeStamping) {
    this.uri = instance.uri;
    this.purpose = purpose;
    this.validFor = instance.validFor;
    this.certificates = instance.certificates.map((bytes) => Certificate.parse(bytes));
    this.operator = instance.operator ?? instance.uri;
  }

  /** A timestamp authority's own certificate, where the trusted root gives it: the first, when it is no authority. */
  get leaf(): Certificate | undefined {
    const [first] = this.certificates;
    return first !== undefined && first.basicConstraints?.ca !== true ? first : undefined;
  }

  /**
   * The certificates of the chain that may issue, each with the interval in which its path to the anchor is valid.
   *
   * @throws ERR_TRUST_MATERIAL, ERR_CERT_USAGE when the chain does not hold together
   */
  get issuers(): readonly Issuer[] {
    this.#issuers ??= this.#buildIssuers();
    return this.#issuers;
  }

  #buildIssuers(): readonly Issuer[] {
    const chain = this.leaf === undefined ? this.certificates : this.certificates.slice(1);
    const anchor = chain.at(-1);
    if (anchor === undefined) {
      throw new SignetError('ERR_TRUST_MATERIAL', `the authority ${this.uri} has no certificate that issues others`);
    }
    return chain.map((certificate) => {
      let validFor = this.validFor;
      const path = pathTo(anchor, certificate, chain, this.uri);
      for (const [depth, member] of path.entries()) {
        checkAuthorityCertificate(member, this.purpose, depth);
        validFor = intersect(validFor, { start: member.notBefore, end: member.notAfter });
      }
      const keyHash = digest('sha256', certificate.publicKey.spki);
      return { certificate, keyHash, authority: this, validFor };
    });
  }

  /** Whether the trusted root vouches for the authority at this time. */
  isTrustedAt(time: Date): boolean {
    return isWithin(this.validFor, time);
  }
}

/** From `start` upwards to the anchor, every signature checked; the anchor itself is trusted as it is. */
function pathTo(anchor: Certificate, start: Certificate, chain: readonly Certificate[], uri: string): Certificate[] {
  const path = [start];
  for (let current = start; current !== anchor; ) {
    const child = current;
    const parent = chain.find(
      (candidate) => !path.includes(candidate) && namesIssuer(child, candidate) && isSignedBy(child, candidate),
    );
    if (parent === undefined) {
      throw new SignetError('ERR_TRUST_MATERIAL', `the certificates of the authority ${uri} do not form a chain`);
    }
    path.push(parent);
    current = parent;
  }
  return path;
}

function intersect(a: TimeRange, b: TimeRange): TimeRange {
  const start = a.start > b.start ? a.start : b.start;
  const ends = [a.end, b.end].filter((end) => end !== undefined);
  const end =
    ends.length === 2 && ends[1] !== undefined && ends[0] !== undefined && ends[1] < ends[0] ? ends[1] : ends[0];
  return end === undefined ? { start } : { start, end };
}
