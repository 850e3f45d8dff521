import { parseJson, SignetError } from '@signet/primitives/formats';

const timeoutMilliseconds = 30_000;
const maximumAnswer = 32 << 20;

/** How a log is asked: with a limit of time and size, and never by way of another address. */
export class LogConnection {
  readonly #token: string | undefined;
  readonly #signal: AbortSignal | undefined;

  /** @param token of a reader of a private log */
  constructor(token: string | undefined, signal: AbortSignal | undefined) {
    this.#token = token;
    this.#signal = signal;
  }

  /** @throws as {@link LogConnection.get}; ERR_JSON */
  async json(url: string, body?: object): Promise<unknown> {
    return (await this.jsonWithHeaders(url, body)).value;
  }

  /** @throws as {@link LogConnection.get}; ERR_JSON */
  async jsonWithHeaders(url: string, body?: object): Promise<{ readonly value: unknown; readonly headers: Headers }> {
    const { bytes, headers } = await this.#ask(url, body);
    return { value: parseJson(bytes, url, { maxLength: maximumAnswer }), headers };
  }

  /** @throws ERR_NETWORK, ERR_HTTP_STATUS, ERR_LOG_READER, ERR_LOG_RANGE, ERR_RESPONSE_TOO_LARGE */
  async text(url: string): Promise<string> {
    return Buffer.from((await this.#ask(url)).bytes).toString();
  }

  async #ask(url: string, body?: object): Promise<{ readonly bytes: Uint8Array; readonly headers: Headers }> {
    const token: Record<string, string> = this.#token === undefined ? {} : { authorization: `Bearer ${this.#token}` };
    const request = body === undefined ? {} : { method: 'POST', body: JSON.stringify(body) };
    const signals = [AbortSignal.timeout(timeoutMilliseconds), ...(this.#signal === undefined ? [] : [this.#signal])];
    try {
      const headers = { ...token, ...(body === undefined ? {} : { 'content-type': 'application/json' }) };
      const answer = await fetch(url, { headers, redirect: 'error', signal: AbortSignal.any(signals), ...request });
      const bytes = await readBounded(answer, url);
      if (answer.status === 200) return { bytes, headers: answer.headers };
      throw refusal(answer.status, url, bytes);
    } catch (cause) {
      if (cause instanceof SignetError) throw cause;
      if (this.#signal?.aborted === true) throw cause;
      throw new SignetError('ERR_NETWORK', `${url} cannot be read: ${reasonOf(cause)}`, { cause });
    }
  }
}

/** A URL as others are compared with it and appended to it. */
export function plainUrl(url: string): string {
  return url.replace(/\/+$/, '');
}

/** The members of an answer that ought to be an object. */
export function membersOf(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null ? (value as Readonly<Record<string, unknown>>) : {};
}

function refusal(status: number, url: string, bytes: Uint8Array): SignetError {
  let told: unknown;
  try {
    told = (JSON.parse(Buffer.from(bytes).toString()) as { message?: unknown }).message;
  } catch {
    // Whatever stands between answers in its own words.
  }
  const said = typeof told === 'string' ? `: ${told}` : '';
  if (status === 401)
    return new SignetError('ERR_LOG_READER', `${url} is not to be read by everybody${said}; give --token-file FILE`);
  if (status === 404) return new SignetError('ERR_LOG_RANGE', `the log has nothing at ${url}${said}`);
  return new SignetError('ERR_HTTP_STATUS', `${url} answers with HTTP ${status}${said}`, { found: `HTTP ${status}` });
}

async function readBounded(answer: Response, url: string): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  let length = 0;
  for await (const part of answer.body ?? []) {
    length += part.length;
    if (length > maximumAnswer)
      throw new SignetError('ERR_RESPONSE_TOO_LARGE', `${url} answers with more than ${maximumAnswer} bytes`);
    parts.push(part);
  }
  return Buffer.concat(parts);
}

function reasonOf(error: unknown): string {
  const { cause, message } = error as { cause?: { message?: string }; message?: string };
  return cause?.message ?? message ?? String(error);
}
