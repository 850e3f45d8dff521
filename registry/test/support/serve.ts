import { startInstance } from '../../src/index.ts';

// A server in a process of its own, which a test may kill. `node serve.ts DIRECTORY`
const [directory = ''] = process.argv.slice(2);
const running = await startInstance({
  directory,
  port: 0,
  devIdentity: true,
  onEvent: (event) => process.stderr.write(`${JSON.stringify(event)}\n`),
});
process.stdout.write(`${running.urls.registry}\n`);
