import type { CertificateAuthority } from './certificate-authority.ts';

/** Counts what an authority did since it started, for `/metrics` (Prometheus text format 0.0.4). */
export class AuthorityMetrics {
  readonly #authority: CertificateAuthority;
  readonly #issued = new Map<string, number>();
  readonly #refused = new Map<string, number>();
  #failed = 0;

  constructor(authority: CertificateAuthority) {
    this.#authority = authority;
  }

  /** @param subjectType type of the certificate's only name */
  countIssued(subjectType: string): void {
    this.#issued.set(subjectType, (this.#issued.get(subjectType) ?? 0) + 1);
  }

  /** @param reason one of the finite set of refusals, never text of a request */
  countRefused(reason: string): void {
    this.#refused.set(reason, (this.#refused.get(reason) ?? 0) + 1);
  }

  countFailed(): void {
    this.#failed++;
  }

  toText(): string {
    const lines = [
      '# TYPE signet_ca_certificates_issued_total counter',
      ...[...this.#issued].map(([type, count]) => `signet_ca_certificates_issued_total{subject="${type}"} ${count}`),
      '# TYPE signet_ca_requests_refused_total counter',
      ...[...this.#refused].map(([reason, count]) => `signet_ca_requests_refused_total{reason="${reason}"} ${count}`),
      '# TYPE signet_ca_requests_failed_total counter',
      `signet_ca_requests_failed_total ${this.#failed}`,
      '# TYPE signet_ca_serving_until_seconds gauge',
      `signet_ca_serving_until_seconds ${this.#authority.servingUntil.getTime() / 1000}`,
    ];
    return `${lines.join('\n')}\n`;
  }
}
