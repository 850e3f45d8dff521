// Mocha's spec reporter and, as the very last line, the result in words that any log reader understands:
// `12 passed, 0 failed` or `12 passed, 0 failed, 3 skipped`. `.ci/run` demands this line: a run that ends without it
// (a test that calls process.exit, a crash) has not passed.
const { reporters } = require('mocha');

/** Milliseconds that a finished run may take to end by itself. */
const patience = 20_000;

class SpecWithClosingLine extends reporters.Spec {
  epilogue() {
    super.epilogue();
    const { passes, failures, pending } = this.stats;
    const skipped = pending > 0 ? `, ${pending} skipped` : '';
    reporters.Base.consoleLog(`${passes} passed, ${failures} failed${skipped}`);
    // What outlives its test would outlive its command too: a process that does not end is a fault of its own. This timer
    // alone keeps nothing alive.
    setTimeout(() => {
      const kept = process.getActiveResourcesInfo().filter((name) => name !== 'PipeWrap' && name !== 'TTYWrap');
      console.error(`All tests are over, but something keeps the process alive: ${kept.join(', ')}.`);
      // Mocha sets the code once more when the process exits.
      process.once('exit', () => {
        process.exitCode = 1;
      });
      process.exit();
    }, patience).unref();
  }
}

module.exports = SpecWithClosingLine;
