/**
 * The module of a user that every thread loads, by URL: an absolute one, so that it means the same wherever it is loaded. Throws
 * `TypeError` for anything else.
 */
export function userModule(url: string): string {
  const { protocol, href } = new URL(url);
  if (protocol !== 'file:') throw new TypeError(`'${url}' is no file: URL`);
  return href;
}
