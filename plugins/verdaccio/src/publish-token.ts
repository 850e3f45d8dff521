import { createHmac, hkdfSync, randomBytes, timingSafeEqual } from 'node:crypto';

/** How a publish token begins, so that it is recognised without being tried, and by those who scan for leaked secrets. */
const prefix = 'signet_tp_';

/** What a publish token allows, until it expires. */
export interface PublishGrant {
  /** The only package that may be published with it. */
  readonly name: string;
  /** Who it was given to, for logs. */
  readonly subject: string;
  readonly expires: Date;
}

/**
 * Tokens that let their holder publish one package for some minutes. They are nothing but their content under a MAC, so that
 * every process that shares Verdaccio's secret knows them and nothing has to be stored.
 */
export class PublishTokens {
  readonly #key: Uint8Array;

  /** @param secret Verdaccio's own, from its storage */
  constructor(secret: string) {
    this.#key = new Uint8Array(hkdfSync('sha256', secret, '', 'signet trusted publishing v1', 32));
  }

  issue({ name, subject, expires }: PublishGrant): string {
    const content = { n: name, s: subject, e: expires.getTime(), r: randomBytes(9).toString('base64url') };
    const text = Buffer.from(JSON.stringify(content)).toString('base64url');
    return `${prefix}${text}.${this.#mac(text).toString('base64url')}`;
  }

  /** @returns undefined when it is no token of ours, was changed, or has expired */
  read(token: string): PublishGrant | undefined {
    if (!token.startsWith(prefix)) return undefined;
    const [text = '', mac = '', more] = token.slice(prefix.length).split('.');
    const [found, expected] = [Buffer.from(mac, 'base64url'), this.#mac(text)];
    if (more !== undefined || found.length !== expected.length || !timingSafeEqual(found, expected)) return undefined;
    const { n, s, e } = JSON.parse(Buffer.from(text, 'base64url').toString('utf8'));
    return e > Date.now() ? { name: n, subject: s, expires: new Date(e) } : undefined;
  }

  /** Whether the text looks like one of these tokens, valid or not. */
  static isOne(token: string): boolean {
    return token.startsWith(prefix);
  }

  #mac(text: string): Buffer {
    return createHmac('sha256', this.#key).update(text).digest();
  }
}
