/** The order of tiles: steady, so that nobody jumps about, but whoever speaks is on the first page. */

export interface Arrangeable {
  id: string;
  local: boolean;
  /** A shared screen comes before all faces. */
  screen: boolean;
}

/**
 * @param tiles everybody there is now, in any order
 * @param before the order shown so far
 * @param speaker id of who speaks, if anybody
 * @param firstPage how many tiles the first page has
 */
export function arrange(
  tiles: readonly Arrangeable[],
  before: readonly string[],
  speaker: string | null,
  firstPage: number,
): string[] {
  const known = new Map(tiles.map((tile) => [tile.id, tile]));
  const kept = before.filter((id) => known.has(id));
  const added = tiles.filter(({ id }) => !kept.includes(id)).map(({ id }) => id);
  const order = byRank([...kept, ...added], known);
  return speaker === null ? order : withSpeaker(order, speaker, firstPage, known);
}

/** Screens, then the others, ourselves last; within a rank as before. */
function byRank(ids: string[], known: Map<string, Arrangeable>): string[] {
  const rank = (id: string) => (known.get(id)?.screen === true ? 0 : known.get(id)?.local === true ? 2 : 1);
  return [0, 1, 2].flatMap((wanted) => ids.filter((id) => rank(id) === wanted));
}

/** A speaker on a later page changes places with the last other face of the first. */
function withSpeaker(order: string[], speaker: string, firstPage: number, known: Map<string, Arrangeable>): string[] {
  const from = order.indexOf(speaker);
  if (from < firstPage || known.get(speaker)?.local === true) return order;
  for (let to = firstPage - 1; to >= 0; to -= 1) {
    const other = order[to];
    if (other === undefined || known.get(other)?.screen === true) continue;
    const swapped = [...order];
    swapped[to] = speaker;
    swapped[from] = other;
    return swapped;
  }
  return order;
}
