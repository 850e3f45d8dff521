// Mocha's spec reporter and, as the very last line, the result in words that any log reader understands:
// `12 passed, 0 failed` or `12 passed, 0 failed, 3 skipped`. `.ci/run` demands this line: a run that ends without it
// (a test that calls process.exit, a crash) has not passed.
const { reporters } = require('mocha');

class SpecWithClosingLine extends reporters.Spec {
  epilogue() {
    super.epilogue();
    const { passes, failures, pending } = this.stats;
    const skipped = pending > 0 ? `, ${pending} skipped` : '';
    reporters.Base.consoleLog(`${passes} passed, ${failures} failed${skipped}`);
  }
}

module.exports = SpecWithClosingLine;
