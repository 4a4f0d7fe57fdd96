import { describe, expect, test } from "vitest";
import { gridFor, GRIDS, rowWidth, tileBox } from "../src";
import shared from "./grids.json";

// [tiles, width, height] → columns × rows. One row per situation people are in.
const CHOSEN: [count: number, width: number, height: number, grid: string, why: string][] = [
  [1, 1280, 720, "1×1", "alone"],
  [2, 1280, 720, "2×1", "two on a wide window"],
  [2, 390, 700, "1×2", "two on a phone held upright"],
  [2, 844, 300, "2×1", "two on a phone on its side"],
  [3, 1280, 720, "2×2", "three"],
  [3, 390, 700, "1×3", "three on a phone"],
  [3, 1800, 420, "3×1", "three on a flat window"],
  [4, 1280, 720, "2×2", "four"],
  [4, 844, 260, "4×1", "four on a phone on its side"],
  [5, 1280, 720, "3×2", "five"],
  [6, 390, 700, "2×3", "six on a phone"],
  [7, 1280, 720, "3×3", "seven"],
  [12, 1280, 720, "4×3", "a dozen"],
  [16, 1280, 720, "4×4", "sixteen"],
  [25, 1280, 720, "5×5", "twenty-five"],
  [49, 1280, 720, "5×5", "more than any grid holds: the rest on further pages"],
  [30, 390, 700, "2×4", "a crowd on a phone: as many as stay legible"],
  [4, 100, 80, "1×1", "a window too small for any tile"],
  [0, 1280, 720, "1×1", "nobody yet"],
  [3, 0, 0, "1×1", "not laid out yet"],
];

describe("the grid", () => {
  test.each(CHOSEN)("%i tiles in %i by %i: %s (%s)", (count, width, height, expected) => {
    const { columns, rows } = gridFor(count, width, height);
    expect(`${columns}×${rows}`).toBe(expected);
  });

  test("the cases that the server's layout is held to are these", () => {
    expect(shared.map(([count, width, height, columns, rows]) => [count, width, height, `${columns}×${rows}`])).toEqual(
      CHOSEN.map(([count, width, height, grid]) => [count, width, height, grid]),
    );
  });

  test("a tile never leaves the area and keeps its shape", () => {
    for (const grid of GRIDS) {
      for (const [width, height] of [
        [1280, 720],
        [390, 700],
        [2000, 300],
      ] as const) {
        const box = tileBox(grid, width, height);
        expect(rowWidth(grid, box)).toBeLessThanOrEqual(width);
        expect(box.height * grid.rows + 12 * (grid.rows - 1)).toBeLessThanOrEqual(height);
        expect(box.width / box.height).toBeLessThan(16 / 9 + 0.03);
        expect(box.width / box.height).toBeGreaterThan((height > width ? 4 / 5 : 4 / 3) - 0.03);
      }
    }
  });
});
