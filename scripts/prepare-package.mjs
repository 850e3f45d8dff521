// First part of each package's build: nothing of an earlier build is published, and what is published has its licence.
import { copyFileSync, rmSync } from 'node:fs';
import path from 'node:path';

const folder = process.cwd();
rmSync(path.join(folder, 'dist'), { recursive: true, force: true });
copyFileSync(new URL('../LICENSE', import.meta.url), path.join(folder, 'LICENSE'));
