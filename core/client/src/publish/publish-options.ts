import type { Signer } from '@signet/primitives/keys';
import type { ServiceAccess } from '../http/index.ts';
import type { FoundToken } from '../identity/index.ts';
import type { SigningServices, SigningStep, TokenRequirements } from '../sign/index.ts';
import type { TrustMaterial } from '../trust/index.ts';
import type { SbomFormat } from './reproducible-sbom.ts';

/** The steps of a publish, in order, as `onStep` is told of them. */
export type PublishStep = 'pack' | 'preflight' | 'identity' | SigningStep | 'upload' | 'read back';

/** What is published, where to, in whose name, and whom the result must convince. */
export interface PublishOptions {
  /** Path of a folder or of a tarball. */
  readonly source: string;
  /** The folder whose `.npmrc` counts, and in whose `.signet` an unfinished publish is kept. */
  readonly cwd: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Overrides every configured registry. */
  readonly registry?: string | undefined;
  /** Distribution tag; default npm's configuration, `latest`. */
  readonly tag?: string | undefined;
  readonly access?: 'public' | 'restricted' | undefined;
  /** One-time password for the registry. */
  readonly otp?: string | undefined;
  /** What consumers of the package trust, or how to find it by the package's name. The finished bundle must verify with it. */
  readonly trust: TrustMaterial | ((packageName: string) => Promise<TrustMaterial>);
  /**
   * Services named by the caller. Without them the registry is asked where its services are, and only services that the
   * trusted root names are used.
   */
  readonly services?: SigningServices | undefined;
  /** Obtains the identity token, once nothing else stands in the way. Needed where no `signer` is given. */
  readonly findToken?: ((wanted: TokenRequirements) => Promise<FoundToken>) | undefined;
  /** A lasting key to sign with instead of an identity, for registries whose policy names it. */
  readonly signer?: Signer | undefined;
  /** Milliseconds for which failures of services are met by trying again, all together. Default five minutes. */
  readonly retryFor?: number | undefined;
  /** Attests a bill of materials beside the provenance, made by `npm sbom`. */
  readonly sbom?: SbomFormat | undefined;
  /** Attests the result of `npm audit` beside the provenance. */
  readonly audit?: boolean | undefined;
  /** What carries requests to the signing services, and how long one may take. npm's own settings serve the registry. */
  readonly http?: Pick<ServiceAccess, 'transport' | 'timeout'> | undefined;
  readonly onStep?: ((step: PublishStep) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Five minutes: longer than a restart or a deployment of a service takes. */
export const defaultRetryFor = 300_000;
