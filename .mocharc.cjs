// Without a file on the command line, all tests run: `npm test -- --grep lockfile`. Files named there run alone, where
// mocha would run them beside everything else: `npm test -- core/client/test/policy/rules.test.ts`.
//
// One file at a time: many tests start servers, worker threads or npm, which two cores already share.
const { globSync } = require('node:fs');

const everything = [
  'core/*/test/**/*.test.ts',
  'cli/test/**/*.test.ts',
  'registry/test/**/*.test.ts',
  'plugins/*/test/**/*.test.ts',
  'test/src/**/*.test.ts',
].filter((pattern) => globSync(pattern, { cwd: __dirname }).length > 0);
const named = process.argv.slice(2).some((argument) => argument.endsWith('.ts'));

module.exports = {
  spec: named ? [] : everything,
  'node-option': ['conditions=@signet/source'],
  timeout: 60_000,
  reporter: `${__dirname}/scripts/test-reporter.cjs`,
  'forbid-only': true,
  // A run in which no test ran is no success.
  'fail-zero': true,
};
