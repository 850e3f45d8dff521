import { isRead, pathOf } from './endpoint.ts';
import { Refusal } from './refusal.ts';
import type { RegistryStatements } from './registry-statements.ts';
import type { Logger, Next, Request, Response } from './verdaccio-host.ts';

const path = '/-/signet/v1/policy';

/**
 * Serves `GET /-/signet/v1/policy`: the operator's policy and trusted root as a Sigstore bundle, signed with the registry's key
 * and logged. Public, as what it says is what every publish is judged by.
 */
export function policyEndpoint(statements: RegistryStatements, logger: Logger) {
  return (request: Request, response: Response, next: Next): void => {
    if (pathOf(request) !== path || !isRead(request)) {
      next();
      return;
    }
    statements.policy().then(
      (bundle) => {
        response.setHeader('content-type', 'application/vnd.dev.sigstore.bundle.v0.3+json');
        response.status(200).end(JSON.stringify(bundle));
      },
      (cause) => {
        const reason = cause instanceof Error ? cause.message : String(cause);
        logger.error({ reason }, 'the policy cannot be signed: @{reason}');
        next(new Refusal(503, 'ERR_SERVICE_UNAVAILABLE', 'The registry’s policy cannot be signed now', cause));
      },
    );
  };
}
