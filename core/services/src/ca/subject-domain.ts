import type { Section } from './configuration-section.ts';

/** Second labels under which registries of two-letter domains sell names (`co.uk`); a name there has three labels. */
const sharedSecondLabels = new Set('ac co com edu gob gov govt id ltd me mil ne net nhs nom or org plc sch'.split(' '));

/**
 * Checks that the issuer may speak for `subject-domain`: the same host, or one of the same registered domain. Whoever
 * writes this configuration vouches that both belong to one owner (Fulcio, docs/oidc.md).
 *
 * @throws ERR_ISSUER_CONFIG
 */
export function checkSubjectDomain(
  type: 'uri' | 'username',
  subjectDomain: string | undefined,
  issuerUrl: string,
  section: Section,
): void {
  if (subjectDomain === undefined) throw section.error('subject-domain', `must be set for issuers of type ${type}`);
  const issuer = new URL(issuerUrl.replaceAll('*', '1'));
  let host = subjectDomain;
  if (type === 'uri') {
    const parsed = URL.canParse(subjectDomain) ? new URL(subjectDomain) : undefined;
    if (parsed === undefined || parsed.hostname === '' || !['', '/'].includes(parsed.pathname)) {
      throw section.error('subject-domain', 'must be a scheme and a host', {
        expected: 'https://users.example.com',
        found: subjectDomain,
      });
    }
    if (parsed.protocol !== issuer.protocol) {
      throw section.error('subject-domain', 'must have the scheme of the issuer', {
        expected: issuer.protocol,
        found: parsed.protocol,
      });
    }
    host = parsed.hostname;
  } else if (!/^[a-z0-9.-]{1,253}$/i.test(subjectDomain)) {
    throw section.error('subject-domain', 'must be a host name without a scheme', { found: subjectDomain });
  }
  if (!sameRegisteredDomain(host.toLowerCase(), issuer.hostname)) {
    throw section.error('subject-domain', 'is not of the domain of the issuer', {
      expected: `a host of the domain of ${issuer.hostname}`,
      found: host,
    });
  }
}

function sameRegisteredDomain(left: string, right: string): boolean {
  if (left === right) return true;
  // Numbers are no hierarchy: 10.0.0.1 and 20.0.0.1 share their last labels and nothing else.
  if (/^[\d.]+$/.test(left) || /^[\d.]+$/.test(right)) return false;
  const [a, b] = [left.split('.'), right.split('.')];
  const [second = '', top = ''] = a.slice(-2);
  const needed = top.length === 2 && sharedSecondLabels.has(second) ? 3 : 2;
  if (a.length < needed || b.length < needed) return false;
  return a.slice(-needed).join('.') === b.slice(-needed).join('.');
}
