import { digest } from '../crypto/index.ts';
import {
  fromBase64,
  fromUtf8,
  type KeyDetails,
  keyDetailsHash,
  keyMatchesDetails,
  type PublicKeyInfo,
  parseJson,
  redact,
  SignetError,
  toBase64,
} from '../formats/index.ts';
import type { Signer } from './signer.ts';
import { checkedSignature, ecdsaFromRaw, signerFailure } from './signer-answer.ts';

/** A key that another program holds, for example the client of a key management service. */
export interface ExternalCommand {
  /** Program and arguments; no shell is involved. */
  readonly command: readonly string[];
  readonly publicKey: PublicKeyInfo;
  readonly keyDetails: KeyDetails;
  /** Milliseconds for one signature. Default 10 000. */
  readonly timeout?: number;
  /** Default: this process's. */
  readonly env?: Readonly<Record<string, string | undefined>>;
}

const defaultTimeout = 10_000;
const maximumAnswer = 64 * 1024;

/**
 * A signer that starts a program for every signature, writes one request to its standard input and reads one answer from its
 * standard output:
 *
 * ```
 * {"format":1,"operation":"sign","keyDetails":"PKIX_ECDSA_P256_SHA_256","publicKey":"<base64 SPKI>","message":"<base64>",
 *  "digest":{"algorithm":"sha256","value":"<base64>"}}
 * {"signature":"<base64>"}
 * ```
 *
 * `digest` is absent where the algorithm signs whole messages. ECDSA signatures are DER, or r and s one after the other with
 * `"encoding":"p1363"`. Instead of a signature, `{"error":"…"}` says why not. Every signature is verified before it is used.
 *
 * @throws ERR_KEY_UNSUPPORTED, ERR_KEY_SIGNER; `sign` throws ERR_KEY_SIGNER
 */
export function externalCommandSigner(options: ExternalCommand): Signer {
  const { command, publicKey, keyDetails } = options;
  const [program, ...args] = command;
  if (program === undefined || program === '') throw signerFailure('', 'names no program to start');
  if (!keyMatchesDetails(publicKey, keyDetails)) {
    throw new SignetError('ERR_KEY_UNSUPPORTED', `the algorithm ${keyDetails} is not for the key of ${program}`);
  }
  return {
    publicKey,
    keyDetails,
    async sign(message) {
      const hash = keyDetailsHash(keyDetails);
      const request = {
        format: 1,
        operation: 'sign',
        keyDetails,
        publicKey: toBase64(publicKey.spki),
        message: toBase64(message),
        ...(hash === undefined ? {} : { digest: { algorithm: hash, value: toBase64(digest(hash, message)) } }),
      };
      const answer = await run(program, args, `${JSON.stringify(request)}\n`, options);
      return checkedSignature(program, options, { message }, readAnswer(program, answer));
    },
  };
}

function readAnswer(program: string, bytes: Uint8Array): Uint8Array {
  let answer: Readonly<Record<string, unknown>>;
  try {
    answer = parseJson(fromUtf8(bytes, 'the answer'), 'the answer') as typeof answer;
  } catch (cause) {
    throw signerFailure(program, 'did not answer with one JSON object', cause);
  }
  if (typeof answer !== 'object' || answer === null)
    throw signerFailure(program, 'did not answer with one JSON object');
  if (typeof answer.error === 'string') throw signerFailure(program, `refuses: ${redact(answer.error).slice(0, 500)}`);
  if (typeof answer.signature !== 'string') throw signerFailure(program, 'answered without a signature');
  const { encoding } = answer;
  if (encoding !== undefined && encoding !== 'der' && encoding !== 'p1363') {
    throw signerFailure(program, 'answered with an encoding that is neither der nor p1363');
  }
  try {
    const signature = fromBase64(answer.signature, 'signature');
    return encoding === 'p1363' ? ecdsaFromRaw(signature) : signature;
  } catch (cause) {
    throw signerFailure(program, 'answered with a signature that is not base64', cause);
  }
}

function run(program: string, args: readonly string[], input: string, options: ExternalCommand): Promise<Uint8Array> {
  const timeout = options.timeout ?? defaultTimeout;
  return new Promise((resolve, reject) => {
    const env = options.env ?? process.env;
    const { spawn } = process.getBuiltinModule('node:child_process');
    const child = spawn(program, args, { stdio: ['pipe', 'pipe', 'pipe'], env, windowsHide: true });
    const chunks: Buffer[] = [];
    let length = 0;
    let complaint = '';
    const fail = (problem: string, cause?: unknown) => {
      clearTimeout(limit);
      child.kill('SIGKILL');
      reject(signerFailure(program, problem, cause));
    };
    const limit = setTimeout(() => fail(`did not answer within ${timeout / 1000} s`), timeout);
    child.on('error', (cause) => fail('cannot be started', cause));
    child.stdout.on('data', (chunk: Buffer) => {
      length += chunk.length;
      if (length > maximumAnswer) fail(`answered with more than ${maximumAnswer} bytes`);
      else chunks.push(chunk);
    });
    child.stderr.on('data', (chunk: Buffer) => {
      complaint = `${complaint}${chunk.toString('utf8')}`.slice(0, 2000);
    });
    // It may end without reading what it does not need.
    child.stdin.on('error', () => undefined);
    child.stdin.end(input);
    child.on('close', (code, signal) => {
      clearTimeout(limit);
      if (code === 0) return resolve(Buffer.concat(chunks));
      const said = redact(complaint.trim()).slice(0, 500);
      fail(`ended with ${code ?? signal}${said === '' ? '' : `: ${said}`}`);
    });
  });
}
