/** Cutting a list of tiles into pages. */

export interface Page {
  /** What is on it. */
  ids: string[];
  /** Which one it is, from 0: the nearest there is to the one asked for. */
  index: number;
  count: number;
}

export function pageAt(ids: readonly string[], perPage: number, wanted: number): Page {
  const size = Math.max(1, perPage);
  const count = Math.max(1, Math.ceil(ids.length / size));
  const index = Math.min(Math.max(0, wanted), count - 1);
  return { ids: ids.slice(index * size, (index + 1) * size), index, count };
}
