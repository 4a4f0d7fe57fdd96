//! Where tiles go on a composed picture: the grids of the page, from the one table that both read.

use std::sync::LazyLock;

/// The page's own file: `web/packages/layout/src/tables.json`.
const FILE: &str = include_str!("../../../web/packages/layout/src/tables.json");

static TABLES: LazyLock<Tables> = LazyLock::new(|| Tables::read(FILE));

/// A number of columns and rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Grid {
    /// Tiles beside each other.
    pub columns: u32,
    /// Tiles above each other.
    pub rows: u32,
}

/// A place on the picture in pixels; all four are even, as colour has half the resolution.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// From the left.
    pub x: usize,
    /// From the top.
    pub y: usize,
    /// Across.
    pub width: usize,
    /// Down.
    pub height: usize,
}

/// How tiles are arranged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Arrangement {
    /// All of one size.
    Grid,
    /// The first large, the next ones small beside it.
    Speaker,
    /// The first alone, at its own size and pace where that fits: a transcoded copy.
    Alone,
}

#[derive(Debug)]
struct Tables {
    grids: Vec<Grid>,
    min_tile: [f64; 2],
    gap: f64,
    widest: f64,
    narrowest_lying: f64,
    narrowest_upright: f64,
    speaker_share: f64,
    speaker_others: usize,
}

impl Tables {
    /// The file is ours and checked by a test: a fault in it is a bug.
    fn read(text: &str) -> Tables {
        let pair = |key| {
            let numbers = numbers_of(text, key);
            [numbers[0], numbers[1]]
        };
        let ratio = |key| pair(key)[0] / pair(key)[1];
        let grids = numbers_of(text, "grids");
        let grids = grids.chunks(2).map(|pair| Grid { columns: pair[0] as u32, rows: pair[1] as u32 }).collect();
        Tables {
            grids,
            min_tile: pair("minTile"),
            gap: numbers_of(text, "gap")[0],
            widest: ratio("widest"),
            narrowest_lying: ratio("narrowestLying"),
            narrowest_upright: ratio("narrowestUpright"),
            speaker_share: ratio("speakerShare"),
            speaker_others: numbers_of(text, "speakerOthers")[0] as usize,
        }
    }
}

/// All numbers between one key and the next.
fn numbers_of(text: &str, key: &str) -> Vec<f64> {
    let after = text.split_once(&format!("\"{key}\":")).expect("tables.json has every key").1;
    let value = after.split('"').next().unwrap_or_default();
    value.split(|c: char| !c.is_ascii_digit()).filter(|n| !n.is_empty()).filter_map(|n| n.parse().ok()).collect()
}

/// The size of one tile in a cell of the grid, as the page's `tileBox` has it.
fn tile_box(grid: Grid, width: f64, height: f64) -> (f64, f64) {
    let tables = &*TABLES;
    let (columns, rows) = (f64::from(grid.columns), f64::from(grid.rows));
    let cell_width = ((width - tables.gap * (columns - 1.0)) / columns).max(0.0);
    let cell_height = ((height - tables.gap * (rows - 1.0)) / rows).max(0.0);
    let narrowest = if height > width { tables.narrowest_upright } else { tables.narrowest_lying };
    (cell_width.min(cell_height * tables.widest).floor(), cell_height.min(cell_width / narrowest).floor())
}

/// The grid that shows `count` tiles largest, as the page's `gridFor` chooses it.
pub fn grid_for(count: usize, width: usize, height: usize) -> Grid {
    let tables = &*TABLES;
    let (width, height) = (width as f64, height as f64);
    let fits = |grid: &&Grid| {
        let (w, h) = tile_box(**grid, width, height);
        w >= tables.min_tile[0] && h >= tables.min_tile[1]
    };
    let tiles = |grid: &Grid| grid.columns as usize * grid.rows as usize;
    let fitting: Vec<&Grid> = tables.grids.iter().filter(fits).collect();
    let area = |grid: &Grid| {
        let (w, h) = tile_box(*grid, width, height);
        w * h
    };
    let enough = fitting.iter().copied().filter(|grid| tiles(grid) >= count);
    let best = first_best(enough, area).or_else(|| first_best(fitting.iter().copied(), |grid| tiles(grid) as f64));
    best.unwrap_or(Grid { columns: 1, rows: 1 })
}

/// The first with the highest score.
fn first_best<'a>(grids: impl Iterator<Item = &'a Grid>, score: impl Fn(&Grid) -> f64) -> Option<Grid> {
    grids.fold(None, |best: Option<Grid>, grid| match best {
        Some(best) if score(&best) >= score(grid) => Some(best),
        _ => Some(*grid),
    })
}

/// Places of the first tiles of `count`; those that there is no room for have none.
pub fn places(arrangement: Arrangement, count: usize, width: usize, height: usize) -> Vec<Place> {
    match arrangement {
        _ if count == 0 => Vec::new(),
        Arrangement::Alone => vec![even(0.0, 0.0, width as f64, height as f64)],
        Arrangement::Speaker if count > 1 => speaker_places(count, width, height),
        Arrangement::Grid | Arrangement::Speaker => grid_places(count, width, height),
    }
}

/// Rows from the top, each centred, the whole in the middle: what the page's wrapping boxes give.
fn grid_places(count: usize, width: usize, height: usize) -> Vec<Place> {
    let grid = grid_for(count, width, height);
    if grid.columns * grid.rows == 1 {
        return vec![even(0.0, 0.0, width as f64, height as f64)];
    }
    let gap = TABLES.gap;
    let (w, h) = tile_box(grid, width as f64, height as f64);
    let columns = grid.columns as usize;
    let shown = count.min(columns * grid.rows as usize);
    let rows = shown.div_ceil(columns);
    let top = (height as f64 - (h + gap) * rows as f64 + gap) / 2.0;
    let place = |index: usize| {
        let row = index / columns;
        let in_row = (shown - row * columns).min(columns);
        let left = (width as f64 - (w + gap) * in_row as f64 + gap) / 2.0;
        even(left + (w + gap) * (index % columns) as f64, top + (h + gap) * row as f64, w, h)
    };
    (0..shown).map(place).collect()
}

/// The first at the left, up to four others below each other at its right.
fn speaker_places(count: usize, width: usize, height: usize) -> Vec<Place> {
    let tables = &*TABLES;
    let (w, h) = (width as f64, height as f64);
    let large = w * tables.speaker_share;
    let (small, each) = (w - large - tables.gap, h / tables.speaker_others as f64);
    let small_height = (small / tables.widest).min(each - tables.gap);
    if small_height < 16.0 {
        return vec![even(0.0, 0.0, w, h)];
    }
    let others = (count - 1).min(tables.speaker_others);
    let large_height = (large / tables.widest).min(h);
    let mut places = vec![even(0.0, (h - large_height) / 2.0, large, large_height)];
    let top = (h - (small_height + tables.gap) * others as f64 + tables.gap) / 2.0;
    let at =
        |index: usize| even(large + tables.gap, top + (small_height + tables.gap) * index as f64, small, small_height);
    places.extend((0..others).map(at));
    places
}

fn even(x: f64, y: f64, width: f64, height: f64) -> Place {
    let down = |value: f64| (value.max(0.0) as usize) & !1;
    Place { x: down(x), y: down(y), width: down(width), height: down(height) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What `web/packages/layout/test/grid.test.ts` holds the page to, from the same file.
    #[test]
    fn the_grids_are_the_pages() {
        let cases = include_str!("../../../web/packages/layout/test/grids.json");
        let numbers: Vec<usize> = cases.split(|c: char| !c.is_ascii_digit()).filter_map(|n| n.parse().ok()).collect();
        assert!(numbers.len() >= 50 && numbers.len().is_multiple_of(5), "count, width, height, columns, rows");
        for case in numbers.chunks(5) {
            let grid = grid_for(case[0], case[1], case[2]);
            assert_eq!([grid.columns as usize, grid.rows as usize], [case[3], case[4]], "{case:?}");
        }
    }

    #[test]
    fn tiles_lie_on_the_picture_beside_each_other_and_at_even_pixels() {
        for arrangement in [Arrangement::Grid, Arrangement::Speaker, Arrangement::Alone] {
            for count in 1..40 {
                for (width, height) in [(1280, 720), (640, 360), (320, 240), (720, 1280), (176, 144), (16, 16)] {
                    let places = places(arrangement, count, width, height);
                    assert!(!places.is_empty());
                    for (i, a) in places.iter().enumerate() {
                        assert!(a.x + a.width <= width && a.y + a.height <= height, "{a:?} of {count}");
                        assert!([a.x, a.y, a.width, a.height].iter().all(|n| n.is_multiple_of(2)));
                        let apart = |b: &Place| {
                            a.x + a.width <= b.x
                                || b.x + b.width <= a.x
                                || a.y + a.height <= b.y
                                || b.y + b.height <= a.y
                        };
                        assert!(places[i + 1..].iter().all(apart), "{arrangement:?} {count} {width}x{height}");
                    }
                }
            }
        }
    }

    #[test]
    fn a_speaker_is_nine_times_as_large_as_another() {
        let places = places(Arrangement::Speaker, 4, 1280, 720);

        assert_eq!(places.len(), 4);
        assert_eq!((places[0].width, places[0].height), (960, 540));
        assert!(places[0].width * places[0].height > 8 * places[1].width * places[1].height);
    }

    #[test]
    fn who_is_alone_fills_the_picture() {
        for arrangement in [Arrangement::Grid, Arrangement::Speaker, Arrangement::Alone] {
            assert_eq!(places(arrangement, 1, 640, 480), [Place { x: 0, y: 0, width: 640, height: 480 }]);
        }
    }
}
