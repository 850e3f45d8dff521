import type { Violation } from '@signet/client/policy';
import type { LockfileReport } from '@signet/client/preflight';
import { inert } from '@signet/primitives/basics';

/** A sentence of a violation with what was expected and found, as one line. */
function describe({ message, expected, found, evidence, next }: Violation): string {
  return [
    inert(message),
    ...(expected === undefined ? [] : [`expected ${inert(expected)}`]),
    ...(found === undefined ? [] : [`found ${inert(found)}`]),
    ...(evidence === undefined ? [] : [`evidence ${inert(evidence)}`]),
    inert(next),
  ].join('; ');
}

/**
 * A report as SARIF 2.1.0 (OASIS), which code scanning services show beside the lockfile.
 *
 * @param lockfile its path as the service knows it, relative to the repository
 * @param meanings what each code means
 */
export function sarifDocument(
  report: LockfileReport,
  lockfile: string,
  meanings: Readonly<Record<string, string>>,
): Record<string, unknown> {
  const location = { physicalLocation: { artifactLocation: { uri: encodeURI(lockfile.replaceAll('\\', '/')) } } };
  const failures = report.failures.map(({ package: name, error }) => ({
    ruleId: error.code,
    level: 'error',
    message: { text: `${inert(name)}: ${inert(error.message)}` },
    locations: [location],
  }));
  const results = report.violations.map((violation) => ({
    ruleId: violation.code,
    level: violation.severity === 'error' ? 'error' : 'warning',
    message: { text: `${inert(violation.package)}: ${describe(violation)}` },
    locations: [location],
    // The same finding in the next run is the same, however its words change.
    partialFingerprints: {
      'signet/v1': `${violation.code} ${inert(violation.package)} ${inert(violation.rule ?? '')}`,
    },
  }));
  const ids = [...new Set([...results, ...failures].map(({ ruleId }) => ruleId))];
  const rules = ids.map((id) => ({ id, shortDescription: { text: meanings[id] ?? id } }));
  return {
    $schema: 'https://json.schemastore.org/sarif-2.1.0.json',
    version: '2.1.0',
    runs: [{ tool: { driver: { name: 'signet', rules } }, results: [...results, ...failures] }],
  };
}

/** A report as JUnit's XML, a case for each package, which most CI services show. */
export function junitDocument(report: LockfileReport): string {
  const cases = new Map<string, string[]>();
  for (const { name, version } of report.judged) cases.set(`${name}@${version}`, []);
  const add = (name: string, element: string): void => {
    cases.set(name, [...(cases.get(name) ?? []), element]);
  };
  for (const violation of report.violations) {
    const text = describe(violation);
    if (violation.severity === 'error') {
      add(
        violation.package,
        `<failure type="${violation.code}" message="${xml(violation.message)}">${xml(text)}</failure>`,
      );
    } else if (violation.code !== 'TP101') {
      add(violation.package, `<system-out>${xml(`${violation.code} ${text}`)}</system-out>`);
    }
  }
  for (const { package: name, error } of report.failures) {
    add(name, `<error type="${error.code}" message="${xml(error.message)}"></error>`);
  }
  const elements = [...cases].map(([name, inside]) => {
    // JUnit knows one failure a case.
    const failures = inside.filter((element) => !element.startsWith('<system-out>'));
    const [first, ...others] = failures;
    const outputs = inside.filter((element) => element.startsWith('<system-out>'));
    const more = others.length === 0 ? '' : `<system-err>${xml(others.join('\n'))}</system-err>`;
    return `<testcase classname="signet" name="${xml(name)}">${first ?? ''}${outputs.join('')}${more}</testcase>`;
  });
  const failed = report.violations.filter(({ severity }) => severity === 'error').length;
  return [
    '<?xml version="1.0" encoding="UTF-8"?>',
    `<testsuites><testsuite name="signet" tests="${cases.size}" failures="${failed}" errors="${report.failures.length}">`,
    ...elements,
    '</testsuite></testsuites>\n',
  ].join('\n');
}

function xml(text: string): string {
  const names: Readonly<Record<string, string>> = {
    '&': '&amp;',
    '<': '&lt;',
    '>': '&gt;',
    '"': '&quot;',
    "'": '&apos;',
  };
  return inert(text).replace(/[&<>"']/g, (character) => names[character] ?? '');
}
