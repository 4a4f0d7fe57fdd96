/** Where tiles go: which order, which grid, which page. Pure functions over plain data. */

export { type Grid, gridFor, GRIDS, rowWidth, type TileBox, tileBox } from "./grid";
export { arrange, type Arrangeable } from "./order";
export { type Page, pageAt } from "./pages";
