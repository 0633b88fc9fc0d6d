/** Every escape of JSON is one that an array literal reads alike. */
const ARE_ESCAPES_ALIKE = /^(?:[^\\]|\\["\\])*$/;

/**
 * A one-dimensional array as the server reads it: `{"a",null,"b"}`. The driver would build the same text, but asks the
 * catalogue for the array types first and looks at every element's type; a group of hundreds of rows feels that.
 */
export function arrayLiteral(elements: readonly (string | number | null)[]): string {
  // Natively in one go: JSON escapes quotes and backslashes as the server reads them, and what else it escapes is rare.
  const json = JSON.stringify(elements);
  if (json.includes('\\') && !ARE_ESCAPES_ALIKE.test(json)) return `{${elements.map(elementText).join()}}`;
  return `{${json.slice(1, -1)}}`;
}

const elementText = (element: string | number | null): string =>
  typeof element === 'string' ? `"${element.replace(/["\\]/g, '\\$&')}"` : String(element);

/** An array of JSON texts. They have no raw control characters, so quotes and backslashes are all there is to escape. */
export const jsonsLiteral = (jsons: readonly (string | null)[]): string => `{${JSON.stringify(jsons).slice(1, -1)}}`;

const HEX = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0'));

/** Bytes as an element of a `bytea[]`. */
export function bytesText(bytes: Uint8Array): string {
  let text = '\\x';
  for (let i = 0; i < bytes.length; i++) text += HEX[bytes[i]!]!;
  return text;
}
