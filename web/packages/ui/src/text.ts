/** Text that came from somebody else, made safe to show. Escaping is the framework's; this is about what eyes see. */

// C0 and C1 controls, line and paragraph separators, and everything that can turn the direction of what follows.
// eslint-disable-next-line no-control-regex -- control characters are what this is for
const HOSTILE = /[\u0000-\u001f\u007f-\u009f\u2028\u2029\u061c\u200b\u200e\u200f\u202a-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb]/g;

/** One line without control, direction and invisible characters, at most `limit` characters long. */
export function clean(text: string, limit = 120): string {
  const line = text.replace(HOSTILE, " ").replace(/\s+/g, " ").trim();
  const characters = Array.from(line);
  return characters.length > limit ? `${characters.slice(0, limit - 1).join("")}…` : line;
}

/** Up to two letters for somebody without a picture. */
export function initials(name: string): string {
  const words = clean(name)
    .split(" ")
    .filter((word) => /[\p{L}\p{N}]/u.test(word));
  const letters = words.length > 1 ? [words[0], words[words.length - 1]] : [words[0]];
  return letters
    .map((word) => Array.from((word ?? "").replace(/[^\p{L}\p{N}]/gu, ""))[0] ?? "")
    .join("")
    .toUpperCase();
}
