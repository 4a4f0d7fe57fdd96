/** The choice from the grid table. What the server composes uses the same table, so a video phone sees what the page shows. */

import tables from "./tables.json";

export interface Grid {
  columns: number;
  rows: number;
}

/** Every grid there is, small ones first. */
export const GRIDS: readonly Grid[] = tables.grids.map(([columns = 1, rows = 1]) => ({ columns, rows }));

/** Pixels below which a face is no longer worth showing. */
const [MIN_WIDTH = 0, MIN_HEIGHT = 0] = tables.minTile;
const GAP = tables.gap;
const WIDEST = ratio(tables.widest);
/** Narrowest tile: where the area stands upright, tiles may, too. */
const NARROWEST = { lying: ratio(tables.narrowestLying), upright: ratio(tables.narrowestUpright) };

function ratio([width = 1, height = 1]: readonly number[]): number {
  return width / height;
}

export interface TileBox {
  width: number;
  height: number;
}

/** The size of one tile in a cell of the grid: as large as fits, never wider than 16:9 nor narrower than 4:3 (4:5 upright). */
export function tileBox(grid: Grid, width: number, height: number): TileBox {
  const cellWidth = Math.max(0, (width - GAP * (grid.columns - 1)) / grid.columns);
  const cellHeight = Math.max(0, (height - GAP * (grid.rows - 1)) / grid.rows);
  return {
    width: Math.floor(Math.min(cellWidth, cellHeight * WIDEST)),
    height: Math.floor(Math.min(cellHeight, cellWidth / (height > width ? NARROWEST.upright : NARROWEST.lying))),
  };
}

/** Pixels that one row of tiles takes with its gaps. */
export function rowWidth(grid: Grid, box: TileBox): number {
  return grid.columns * box.width + (grid.columns - 1) * GAP;
}

/**
 * The grid that shows `count` tiles largest in an area of the page. Where they do not all fit legibly: the grid that
 * fits most, and the rest go on further pages. Never none.
 */
export function gridFor(count: number, width: number, height: number): Grid {
  const fitting = GRIDS.filter((grid) => {
    const box = tileBox(grid, width, height);
    return box.width >= MIN_WIDTH && box.height >= MIN_HEIGHT;
  });
  const smallest = { columns: 1, rows: 1 };
  const enough = fitting.filter((grid) => grid.columns * grid.rows >= count);
  if (enough.length > 0) return best(enough, (grid) => area(tileBox(grid, width, height)));
  return fitting.length > 0 ? best(fitting, (grid) => grid.columns * grid.rows) : smallest;
}

function area(box: TileBox): number {
  return box.width * box.height;
}

/** The first with the highest score: of equal ones the smaller grid wins. */
function best(grids: readonly Grid[], score: (grid: Grid) => number): Grid {
  return grids.reduce((winner, grid) => (score(grid) > score(winner) ? grid : winner));
}
