// Part of each package's build: what is published carries the licence.
import { copyFileSync } from 'node:fs';
import path from 'node:path';

copyFileSync(new URL('../LICENSE', import.meta.url), path.join(process.cwd(), 'LICENSE'));
