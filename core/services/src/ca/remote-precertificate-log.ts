import {
  concat,
  fromBase64,
  parseSct,
  type SignedCertificateTimestamp,
  SignetError,
  toBase64,
} from '@signet/primitives/formats';
import { fetchJson } from './fetch-json.ts';
import type { PrecertificateLog } from './precertificate-log.ts';

/** A certificate log in another process. */
export interface RemotePrecertificateLogOptions {
  /** Base URL of the log, below which `ct/v1/add-pre-chain` is. */
  readonly url: string;
  /** PEM of the authorities that vouch for its HTTPS server, instead of the system's. */
  readonly caCertificates?: string;
  /** Default 10000. */
  readonly timeoutMilliseconds?: number;
}

const maxAnswerBytes = 16 * 1024;
const defaultTimeoutMilliseconds = 10_000;

/**
 * Submits precertificates to any RFC 6962 log by its URL. Give the authority the log's key too: this only reads the
 * answer, the authority verifies it.
 */
export function remotePrecertificateLog(options: RemotePrecertificateLogOptions): PrecertificateLog {
  const url = `${options.url.replace(/\/+$/, '')}/ct/v1/add-pre-chain`;
  if (!URL.canParse(url) || !/^https?:$/.test(new URL(url).protocol)) {
    throw new SignetError('ERR_CT_LOG', 'The URL of the certificate log is not one of http or https.', {
      found: options.url,
    });
  }
  return {
    async addPreChain(chain) {
      const answer = await fetchJson(url, {
        body: { chain: chain.map(toBase64) },
        maxBytes: maxAnswerBytes,
        timeoutMilliseconds: options.timeoutMilliseconds ?? defaultTimeoutMilliseconds,
        ...(options.caCertificates === undefined ? {} : { caCertificates: options.caCertificates }),
      });
      return readAnswer(answer);
    },
  };
}

/** Reads the output of add-pre-chain (RFC 6962 §4.1) by putting it together as an SCT's bytes. */
function readAnswer(answer: unknown): SignedCertificateTimestamp {
  const { sct_version, id, timestamp, extensions, signature } = (answer ?? {}) as Record<string, unknown>;
  const texts = [id, extensions, signature];
  if (sct_version !== 0 || !Number.isSafeInteger(timestamp) || !texts.every((text) => typeof text === 'string')) {
    throw new SignetError('ERR_CT_LOG', "The certificate log's answer is not an SCT of version 1.");
  }
  const [idBytes, extensionBytes, signatureBytes] = texts.map((text) => fromBase64(String(text), 'SCT')) as [
    Uint8Array,
    Uint8Array,
    Uint8Array,
  ];
  const time = new DataView(new ArrayBuffer(8));
  time.setBigUint64(0, BigInt(timestamp as number));
  const length = Uint8Array.of(extensionBytes.length >> 8, extensionBytes.length & 0xff);
  if (idBytes.length !== 32 || extensionBytes.length > 0xffff) {
    throw new SignetError('ERR_CT_LOG', "The certificate log's answer is not an SCT of version 1.");
  }
  return parseSct(
    concat(Uint8Array.of(0), idBytes, new Uint8Array(time.buffer), length, extensionBytes, signatureBytes),
  );
}
