/** Which room the page is for: `https://host/<room>?t=<token>`. */

export interface Place {
  /** Without query: what the SDK joins. */
  url: string;
  room: string;
  token: string | null;
}

export function placeOf(location: Pick<Location, "origin" | "pathname" | "search">): Place {
  const segment = location.pathname.split("/")[1] ?? "";
  return {
    url: `${location.origin}/${segment}`,
    room: decode(segment),
    token: new URLSearchParams(location.search).get("t"),
  };
}

function decode(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch {
    return segment;
  }
}
