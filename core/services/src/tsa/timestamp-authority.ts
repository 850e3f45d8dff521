import { randomBytes } from 'node:crypto';
import { digest } from '@signet/primitives/crypto';
import {
  type Certificate,
  encodeTimestampResponse,
  oids,
  SignetError,
  signatureAlgorithmName,
  type TimestampFailure,
  type TimestampRequest,
} from '@signet/primitives/formats';
import type { Signer } from '@signet/primitives/keys';
import { ClockGuard } from './clock-guard.ts';
import type { TimeWatch } from './time-watch.ts';
import { readTimestampChain } from './timestamp-chain.ts';

/** What a timestamp authority is made of. */
export interface TimestampAuthorityOptions {
  /** Holds the private key of the first certificate of `chain`. */
  readonly signer: Signer;
  /** DER, leaf first, root last. */
  readonly chain: readonly Uint8Array[];
  /** A clock of the caller's is believed as it is; the machine's own is watched for jumps. */
  readonly clock?: () => Date;
  /** Dotted. Default: Sigstore's policy for timestamp authorities. */
  readonly policy?: string;
  /** Compares the clock with others; while it does not believe it, no time is given. */
  readonly timeWatch?: Pick<TimeWatch, 'isBelieved' | 'driftMilliseconds'> | undefined;
}

/** A timestamp request is refused, with the reason that the protocol has for it. */
export class TimestampRefusal extends SignetError {
  readonly failure: TimestampFailure;

  constructor(failure: TimestampFailure, message: string, details: { expected?: string; found?: string } = {}) {
    super('ERR_TIMESTAMP_REFUSED', message, details);
    this.failure = failure;
  }
}

const accuracySeconds = 1;
const acceptedHashes = ['sha256', 'sha384', 'sha512'] as const;

/** Stamps digests with the time of its clock (RFC 3161). */
export class TimestampAuthority {
  /** DER, leaf first, root last. */
  readonly chain: readonly Uint8Array[];
  /** Dotted. */
  readonly policy: string;
  readonly #signer: Signer;
  readonly #clock: { now(): Date | undefined };
  readonly #timeWatch: TimestampAuthorityOptions['timeWatch'];
  readonly #certificate: Certificate;
  readonly #certificateDigest: Uint8Array;
  readonly #algorithm: { readonly oid: string; readonly hash: 'sha256' | 'sha384' | 'sha512' };

  /** @throws ERR_AUTHORITY_CHAIN, ERR_KEY_UNSUPPORTED */
  constructor(options: TimestampAuthorityOptions) {
    const clock = options.clock ?? (() => new Date());
    const [leaf] = readTimestampChain(options.chain, options.signer, clock());
    this.chain = options.chain;
    this.policy = options.policy ?? oids.sigstoreTimestampPolicy;
    this.#signer = options.signer;
    this.#clock = options.clock === undefined ? new ClockGuard(clock) : { now: clock };
    this.#timeWatch = options.timeWatch;
    this.#certificate = leaf;
    this.#certificateDigest = digest('sha256', leaf.bytes);
    this.#algorithm = algorithmOf(options.signer);
  }

  /** Until when timestamps can be given. */
  get servingUntil(): Date {
    return this.#certificate.notAfter;
  }

  /** Whether timestamps can be given now: the certificate is valid and the clock is believed. */
  get isServing(): boolean {
    const now = this.#now();
    return now !== undefined && this.#certificate.isValidAt(now);
  }

  /** How far the clock was off from those of time servers, milliseconds; undefined where none are asked or none answer. */
  get driftMilliseconds(): number | undefined {
    return this.#timeWatch?.driftMilliseconds;
  }

  #now(): Date | undefined {
    return this.#timeWatch?.isBelieved === false ? undefined : this.#clock.now();
  }

  /**
   * @returns DER of a TimeStampResp that grants
   * @throws TimestampRefusal (ERR_TIMESTAMP_REFUSED)
   */
  async stamp(request: TimestampRequest): Promise<Uint8Array> {
    const { messageImprint } = request;
    if (!acceptedHashes.some((hash) => hash === messageImprint.algorithm)) {
      throw new TimestampRefusal('badAlg', `The hash ${messageImprint.algorithm} is too weak to be stamped.`, {
        expected: acceptedHashes.join(', '),
        found: messageImprint.algorithm,
      });
    }
    if (request.policy !== undefined && request.policy !== this.policy) {
      throw new TimestampRefusal(
        'unacceptedPolicy',
        `This authority does not stamp under the policy ${request.policy}.`,
        {
          expected: this.policy,
          found: request.policy,
        },
      );
    }
    if (request.hasExtensions) {
      throw new TimestampRefusal('unacceptedExtension', 'Extensions in timestamp requests are not understood.');
    }
    const genTime = this.#now();
    if (genTime === undefined || !this.#certificate.isValidAt(genTime)) {
      throw new TimestampRefusal('timeNotAvailable', 'The clock of this authority cannot be relied on at the moment.');
    }
    const { hash } = this.#algorithm;
    return encodeTimestampResponse({
      messageImprint,
      policy: this.policy,
      serialNumber: serialNumber(),
      genTime,
      accuracy: accuracySeconds,
      ...(request.nonce === undefined ? {} : { nonce: request.nonce }),
      certificate: this.#certificate,
      certificateDigest: this.#certificateDigest,
      // The root comes from the verifier's own trust, never from the token.
      certificates: request.certificateRequested ? this.chain.slice(0, -1) : [],
      digestAlgorithm: hash,
      signatureAlgorithm: this.#algorithm.oid,
      digest: (bytes) => digest(hash, bytes),
      sign: (message) => this.#signer.sign(message),
    });
  }
}

function algorithmOf(signer: Signer): { oid: string; hash: 'sha256' | 'sha384' | 'sha512' } {
  const { oid, hash } = signatureAlgorithmName(signer.keyDetails);
  if (hash !== 'sha256' && hash !== 'sha384' && hash !== 'sha512') {
    throw new SignetError('ERR_KEY_UNSUPPORTED', `Timestamps are not signed with ${signer.keyDetails} here.`, {
      expected: 'ECDSA or RSA',
    });
  }
  return { oid, hash };
}

/**
 * RFC 3161 §2.4.2: unique for each token of this authority, also after a crash. 159 random bits need no memory for that,
 * and do not tell how many timestamps there are.
 */
function serialNumber(): Uint8Array {
  const bytes = new Uint8Array(randomBytes(20));
  bytes[0] = ((bytes[0] ?? 0) & 0x7f) | 0x40;
  return bytes;
}
