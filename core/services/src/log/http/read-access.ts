import { timingSafeEqual } from 'node:crypto';
import { digest } from '@signet/primitives/crypto';
import { SignetError, utf8 } from '@signet/primitives/formats';

/** Who may read a log: everybody, or who has one of the tokens. */
export class ReadAccess {
  readonly #digests: readonly Uint8Array[];

  /** @param tokens none for a public log */
  constructor(tokens: readonly string[] = []) {
    for (const token of tokens) {
      if (token.length >= 16 && /^[\x21-\x7e]+$/.test(token)) continue;
      throw new SignetError('ERR_LOG_CONFIG', 'a read token is not 16 or more visible ASCII characters');
    }
    this.#digests = tokens.map((token) => digest('sha256', utf8(token)));
  }

  get public(): boolean {
    return this.#digests.length === 0;
  }

  /**
   * @param authorization the header of a request
   * @throws ERR_LOG_READER
   */
  check(authorization: string | undefined): void {
    if (this.public) return;
    const [, token = ''] = /^Bearer +(\S+)$/i.exec(authorization ?? '') ?? [];
    const given = digest('sha256', utf8(token));
    // All are compared, so that the time tells nothing about which one it is.
    const known = this.#digests.filter((one) => timingSafeEqual(one, given)).length > 0;
    if (known) return;
    throw new SignetError(
      'ERR_LOG_READER',
      token === ''
        ? 'this log is private; send one of its read tokens as Authorization: Bearer TOKEN'
        : 'this log is private, and the token is not one of its read tokens',
    );
  }
}
