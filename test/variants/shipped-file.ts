import { join } from 'node:path';
import { packageRoot } from '../../src/cli/package-root.ts';

/** A scenario that comes with the package. */
export const shippedFile = (name: string): string => join(packageRoot(), 'scenarios', name);
