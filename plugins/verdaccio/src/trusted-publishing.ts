import { inert } from '@signet/primitives/formats';
import type { AuditLog } from './audit-log.ts';
import { decodeName, pathOf } from './endpoint.ts';
import { IdentityTokens } from './identity-token.ts';
import type { OwnedNames } from './names.ts';
import { PublishTokens } from './publish-token.ts';
import { asRefusal, Refusal } from './refusal.ts';
import type { Auth, Next, Permission, RemoteUser, Request, Response } from './verdaccio-host.ts';

/** Who may have a publish token for one of these packages: a CI job whose identity token says all of this. */
export interface TrustedPublisher {
  readonly packages: OwnedNames;
  readonly issuer: string;
  /** Claims with the exact text that they must have. */
  readonly claims: Readonly<Record<string, string>>;
}

const path = /^\/-\/npm\/v1\/oidc\/token\/exchange\/package\/(.+)$/;

/** How long a publish token can be used, milliseconds: packing and sending take a while, a leak should not. */
const lifetime = 15 * 60 * 1000;

/** Users that hold a publish token, and what for. */
const holders = new WeakMap<RemoteUser, string>();

/**
 * Trusted publishing: `POST /-/npm/v1/oidc/token/exchange/package/<name>` gives a CI job that shows its identity token a publish
 * token for that one package, so that no npm token lies in CI. What is published with it needs evidence like everything else.
 */
export class TrustedPublishing {
  readonly #publishers: readonly TrustedPublisher[];
  readonly #identities: IdentityTokens;
  readonly #tokens: PublishTokens;
  readonly #audit: AuditLog;

  /**
   * @param options.audience what npm asks identity tokens for: `npm:` and the registry's host name
   * @param options.secret Verdaccio's own
   */
  constructor(options: {
    readonly publishers: readonly TrustedPublisher[];
    readonly audience: string;
    readonly secret: string;
    readonly audit: AuditLog;
  }) {
    this.#publishers = options.publishers;
    this.#identities = new IdentityTokens(options.audience);
    this.#tokens = new PublishTokens(options.secret);
    this.#audit = options.audit;
  }

  /** Exchanges tokens; otherwise lets the holder of a publish token be known. Comes before everything that asks for rights. */
  readonly handle = (request: Request, response: Response, next: Next): void => {
    const token = bearer(request);
    const [, encoded] = path.exec(pathOf(request)) ?? [];
    if (encoded !== undefined && request.method === 'POST') {
      this.#exchange(token, encoded).then(
        (answer) => {
          response.setHeader('cache-control', 'no-store');
          response.status(201).json(answer);
        },
        (error) => next(asRefusal(error)),
      );
      return;
    }
    if (!PublishTokens.isOne(token)) {
      next();
      return;
    }
    const grant = this.#tokens.read(token);
    if (grant === undefined) {
      next(new Refusal(401, 'ERR_TOKEN_REJECTED', 'The publish token has expired, or was not issued by this registry'));
      return;
    }
    // None of the groups of people who logged in: what it may do is said below, name by name.
    const user: RemoteUser = {
      name: `trusted-publisher:${grant.subject}`,
      groups: ['$all', '@all', '$anonymous', '@anonymous'],
      real_groups: [],
    };
    holders.set(user, grant.name);
    request.remote_user = user;
    next();
  };

  /** The package that the request has a publish token for, if the token is valid now. */
  tokenFor(request: Request): string | undefined {
    return this.#tokens.read(bearer(request))?.name;
  }

  /** The only package that the user may publish, when it is the holder of a publish token. */
  static packageOf(user: RemoteUser | undefined): string | undefined {
    return user === undefined ? undefined : holders.get(user);
  }

  /** Teaches Verdaccio what the holder of a publish token may do: read and publish one package, and unpublish nothing. */
  static limit(auth: Auth): void {
    const limited = (original: Permission, rule: (own: boolean) => boolean | undefined): Permission => {
      return (target, user, callback) => {
        const held = user === undefined ? undefined : holders.get(user);
        const verdict = held === undefined ? undefined : rule(target.packageName === held);
        if (verdict === undefined) original.call(auth, target, user, callback);
        else if (verdict) callback(null, true);
        else {
          const problem = `This publish token is for ${held} and for publishing alone`;
          callback(new Refusal(403, 'ERR_PUBLISH_FORBIDDEN', problem));
        }
      };
    };
    auth.allow_access = limited(auth.allow_access, (own) => (own ? true : undefined));
    auth.allow_publish = limited(auth.allow_publish, (own) => own);
    auth.allow_unpublish = limited(auth.allow_unpublish, () => false);
  }

  async #exchange(token: string, encoded: string): Promise<object> {
    const name = decodeName(encoded);
    if (name === undefined) throw new Refusal(400, 'ERR_PACKAGE_NAME', 'The address names no package');
    try {
      const { subject } = await this.#identify(token, name);
      const expires = new Date(Date.now() + lifetime);
      this.#audit.append({
        decision: 'accepted',
        action: 'token',
        package: name,
        user: `trusted-publisher:${subject}`,
      });
      return {
        token: this.#tokens.issue({ name, subject, expires }),
        token_type: 'oidc',
        created: new Date().toISOString(),
        expires: expires.toISOString(),
      };
    } catch (error) {
      if (error instanceof Refusal) {
        const { status, code, message: reason } = error;
        this.#audit.append({ decision: 'refused', action: 'token', package: name, status, code, reason });
      }
      throw error;
    }
  }

  async #identify(token: string, name: string): Promise<{ readonly subject: string }> {
    if (token === '') throw new Refusal(401, 'ERR_TOKEN_REJECTED', 'The identity token is missing');
    const issuer = this.#identities.issuerOf(token);
    // Only issuers that the operator named for this package are asked for keys.
    const candidates = this.#publishers.filter(({ packages, issuer: own }) => own === issuer && packages.has(name));
    if (candidates.length === 0) {
      const problem = `No trusted publisher of ${name} is configured whose identity comes from ${inert(issuer, { limit: 200 })}`;
      throw new Refusal(403, 'ERR_TOKEN_ISSUER', problem);
    }
    const claims = await this.#identities.verify(token, issuer);
    const differences = candidates.map(({ claims: wanted }) =>
      Object.entries(wanted).filter(([claim, value]) => !Object.hasOwn(claims, claim) || claims[claim] !== value),
    );
    if (differences.some((wrong) => wrong.length === 0)) return { subject: inert(claims.sub, { limit: 300 }) };
    const [nearest = []] = [...differences].sort((a, b) => a.length - b.length);
    const reasons = nearest.map(([claim, value]) => {
      const found = Object.hasOwn(claims, claim) ? inert(claims[claim], { limit: 200 }) : 'nothing';
      return `${claim} must be ${value}, found ${found}`;
    });
    throw new Refusal(403, 'ERR_TOKEN_CLAIM', `This is no trusted publisher of ${name}: ${reasons.join('; ')}`);
  }
}

function bearer(request: Request): string {
  const [, token = ''] = /^Bearer +(\S+)$/i.exec(request.headers.authorization ?? '') ?? [];
  return token;
}
