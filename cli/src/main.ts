#!/usr/bin/env node
import { keepCompiledCode } from './compiled-code.ts';

keepCompiledCode(process.env);
// Not before: what is loaded until then is compiled anew each time.
await import('./start.ts');
