// What a request may not look like, because two programs in a row could read it differently (request smuggling). Node's
// parser refuses most: lengths that contradict each other, folded lines, bare line feeds, bad chunks.

/** A peer link carries 256 headers; some are ours. */
const MOST_HEADERS = 240;
/** A peer link carries no longer names. */
const LONGEST_NAME = 256;

/** Why no peer link would carry these; undefined: one does. Refused everywhere, so that it does not depend on who is asked. */
export function refuseHeaders(rawHeaders: readonly string[]): string | undefined {
  if (rawHeaders.length > 2 * MOST_HEADERS) return `the request has more than ${MOST_HEADERS} headers`;
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = rawHeaders[i]!;
    if (name.length > LONGEST_NAME)
      return `the request has a header whose name is longer than ${LONGEST_NAME} characters: "${name.slice(0, 32)}…"`;
  }
  return undefined;
}

/** Why the framing of a message is refused; undefined: there is one way to read it. `rawHeaders`: name, value, name, … */
export function refuseFraming(httpVersion: string, rawHeaders: readonly string[]): string | undefined {
  let lengths = 0;
  let encodings = 0;
  let hosts = 0;
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = rawHeaders[i]!;
    // Names of other lengths need no look: this runs on every request.
    if (name.length === 4 && name.toLowerCase() === 'host') hosts += 1;
    else if (name.length === 14 && name.toLowerCase() === 'content-length') lengths += 1;
    else if (name.length === 17 && name.toLowerCase() === 'transfer-encoding') {
      encodings += 1;
      const value = rawHeaders[i + 1]!;
      if (value.toLowerCase() !== 'chunked') return `transfer-encoding: only "chunked" is understood, got "${value}"`;
    }
  }
  if (hosts > 1) return 'host: the header is there more than once';
  if (lengths > 1) return 'content-length: the header is there more than once';
  if (encodings > 1) return 'transfer-encoding: the header is there more than once';
  if (encodings > 0 && lengths > 0)
    return 'transfer-encoding and content-length: only one of them can say where it ends';
  if (encodings > 0 && httpVersion === '1.0') return 'transfer-encoding: HTTP/1.0 has none';
  return undefined;
}

/** The path with the query; a target in absolute form is taken if it names the host of the request (RFC 9112 §3.2.2). */
export function originForm(target: string, host: string | undefined): { path: string } | { refused: string } {
  if (target.startsWith('/')) return { path: target };
  const absolute = /^https?:\/\/([^/?#]*)(.*)$/i.exec(target);
  if (absolute === null) return { refused: `the request target must be a path, got ${JSON.stringify(target)}` };
  const [, authority = '', rest = ''] = absolute;
  if (authority.toLowerCase() !== host?.toLowerCase()) {
    return { refused: `the request target names another host (${JSON.stringify(authority)}) than the host header` };
  }
  return { path: rest.startsWith('/') ? rest : `/${rest}` };
}
