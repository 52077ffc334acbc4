import { register } from 'node:module';

// Loaded before the command line: from here on there is no such package.
const HOOKS = `export async function resolve(specifier, context, next) {
  if (specifier !== '@duckdb/node-api') return next(specifier, context);
  throw Object.assign(new Error("Cannot find package '@duckdb/node-api'"), { code: 'ERR_MODULE_NOT_FOUND' });
}`;
register(`data:text/javascript,${encodeURIComponent(HOOKS)}`);
