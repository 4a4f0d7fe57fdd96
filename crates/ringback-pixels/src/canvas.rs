//! A picture made of tiles. It stays from one picture to the next: only tiles that changed are drawn again.

use ringback_pictures::{Arrangement, Place, Tile, places};

use crate::label;
use crate::picture::{Colour, Picture};
use crate::scale::{Part, Scratch};

const GROUND: Colour = [30, 131, 126];
const NOBODY: Colour = [56, 134, 123];
const BLACK: Colour = [16, 128, 128];

/// A composed picture and what is drawn on it.
pub struct Canvas {
    picture: Picture,
    places: Vec<Place>,
    /// Which picture of its source each tile shows; `None`: to be drawn.
    drawn: Vec<Option<u64>>,
    scratch: Scratch,
}

impl Canvas {
    /// An empty picture of this size.
    pub fn new(width: usize, height: usize) -> Canvas {
        Canvas {
            picture: Picture::new(width, height, GROUND),
            places: Vec::new(),
            drawn: Vec::new(),
            scratch: Scratch::default(),
        }
    }

    /// Tiles have changed: all of it is drawn anew. Tiles that there is no place for are not drawn.
    pub fn arrange(&mut self, arrangement: Arrangement, count: usize) {
        self.places = places(arrangement, count, self.picture.width, self.picture.height);
        self.drawn = vec![None; self.places.len()];
        let (width, height) = (self.picture.width, self.picture.height);
        self.picture.fill(0, 0, width, height, GROUND);
    }

    /// How many tiles have a place.
    pub fn shown(&self) -> usize {
        self.places.len()
    }

    /// The picture as it is.
    pub fn picture(&self) -> &Picture {
        &self.picture
    }

    /// Show a tile. `picture` is its source's with a number that is never used for another; `None`: its name alone.
    pub fn show(&mut self, index: usize, tile: &Tile, picture: Option<(u64, &Picture)>) {
        let number = picture.map_or(0, |(number, _)| number);
        if self.drawn.get(index).is_none_or(|drawn| *drawn == Some(number)) {
            return;
        }
        let place = self.places[index];
        self.drawn[index] = Some(number);
        match picture {
            Some((_, picture)) => self.paste(picture, place, tile.whole),
            None => self.picture.fill(place.x, place.y, place.width, place.height, NOBODY),
        }
        self.name(tile, place, picture.is_none());
    }

    fn paste(&mut self, picture: &Picture, place: Place, whole: bool) {
        let (part, place) = if whole { self.contain(picture, place) } else { (cover(picture, place), place) };
        let targets = self.picture.planes_mut();
        for (index, ((from, from_across), (to, to_across))) in picture.planes().into_iter().zip(targets).enumerate() {
            let half = usize::from(index > 0);
            let at = |place: Place, across| Part {
                across,
                x: place.x >> half,
                y: place.y >> half,
                width: place.width >> half,
                height: place.height >> half,
            };
            self.scratch.scale(from, at(part, from_across), to, at(place, to_across));
        }
    }

    /// All of a picture in the middle of its place, black beside it.
    fn contain(&mut self, picture: &Picture, place: Place) -> (Place, Place) {
        self.picture.fill(place.x, place.y, place.width, place.height, BLACK);
        let height = (place.width * picture.height / picture.width.max(1)).min(place.height) & !1;
        let width = (place.height * picture.width / picture.height.max(1)).min(place.width) & !1;
        let (x, y) = (place.x + half(place.width - width), place.y + half(place.height - height));
        (Place { x: 0, y: 0, width: picture.width, height: picture.height }, Place { x, y, width, height })
    }

    fn name(&mut self, tile: &Tile, place: Place, alone: bool) {
        let Some(size) = label::Size::for_tile(place.height) else { return };
        let mark = if tile.muted { size.height() } else { 0 };
        let room = place.width.saturating_sub(16 + mark) / size.width();
        let text = label::readable(&tile.name, room);
        let across = text.chars().count() * size.width();
        if alone {
            let x = place.x + place.width.saturating_sub(across) / 2;
            let y = place.y + place.height.saturating_sub(size.height()) / 2;
            label::write(&mut self.picture, &text, size, x, y);
        }
        let named = !alone && !text.is_empty();
        if !named && !tile.muted {
            return;
        }
        let height = (size.height() + 4) & !1;
        let width = ((if named { across + 8 } else { 0 }) + mark).min(place.width) & !1;
        let (x, y) = (place.x, place.y + place.height - height.min(place.height));
        label::darken(&mut self.picture, x, y, width, height);
        if tile.muted {
            label::mark_muted(&mut self.picture, x, y + 2, size.height());
        }
        if named {
            label::write(&mut self.picture, &text, size, x + mark + 4, y + 2);
        }
    }
}

/// The middle of a picture in the shape of its place.
fn cover(picture: &Picture, place: Place) -> Place {
    let width = (place.width * picture.height / place.height.max(1)).min(picture.width) & !1;
    let height = (place.height * picture.width / place.width.max(1)).min(picture.height) & !1;
    Place { x: half(picture.width - width), y: half(picture.height - height), width, height }
}

/// Half of it, even.
fn half(pixels: usize) -> usize {
    (pixels / 2) & !1
}

#[cfg(test)]
mod tests {
    use super::*;

    const GREEN: Colour = [145, 54, 34];
    const BLUE: Colour = [41, 240, 110];

    fn tile(name: &str) -> Tile {
        Tile { source: Some(1), name: name.into(), muted: false, whole: false }
    }

    #[test]
    fn each_tile_has_its_own_colour_and_the_rest_is_ground() {
        let mut canvas = Canvas::new(1280, 720);
        canvas.arrange(Arrangement::Grid, 2);
        canvas.show(0, &tile(""), Some((1, &Picture::new(320, 180, GREEN))));
        canvas.show(1, &tile(""), Some((1, &Picture::new(1280, 720, BLUE))));

        let close = |a: [u8; 3], b: Colour| a.iter().zip(b).all(|(a, b)| a.abs_diff(b) <= 2);
        assert!(close(canvas.picture().mean(100, 300, 400, 100), GREEN));
        assert!(close(canvas.picture().mean(780, 300, 400, 100), BLUE));
        assert!(close(canvas.picture().mean(0, 0, 1280, 40), GROUND));
    }

    #[test]
    fn a_tile_is_drawn_again_only_when_its_picture_is_another() {
        let mut canvas = Canvas::new(320, 180);
        canvas.arrange(Arrangement::Grid, 1);
        canvas.show(0, &tile(""), Some((1, &Picture::new(320, 180, GREEN))));
        canvas.show(0, &tile(""), Some((1, &Picture::new(320, 180, BLUE))));
        assert_eq!(canvas.picture().mean(0, 0, 320, 180), GREEN);

        canvas.show(0, &tile(""), Some((2, &Picture::new(320, 180, BLUE))));
        assert_eq!(canvas.picture().mean(0, 0, 320, 180), BLUE);
    }

    #[test]
    fn a_screen_is_shown_whole_and_a_face_fills_its_tile() {
        let upright = Picture::new(100, 200, GREEN);
        let mut canvas = Canvas::new(400, 200);
        canvas.arrange(Arrangement::Grid, 1);
        canvas.show(0, &Tile { whole: true, ..tile("") }, Some((1, &upright)));
        assert_eq!(canvas.picture().mean(0, 0, 140, 200), BLACK);
        assert_eq!(canvas.picture().mean(160, 20, 80, 160), GREEN);

        canvas.show(0, &tile(""), Some((2, &upright)));
        assert_eq!(canvas.picture().mean(0, 0, 400, 200), GREEN);
    }

    #[test]
    fn who_has_no_picture_has_a_name_in_the_middle() {
        let mut canvas = Canvas::new(640, 360);
        canvas.arrange(Arrangement::Grid, 1);
        canvas.show(0, &tile("Ann"), None);

        let brightest = |x: usize, y: usize, w: usize, h: usize| {
            let picture = canvas.picture();
            (y..y + h).flat_map(|y| &picture.y[y * 640 + x..][..w]).copied().max().unwrap_or(0)
        };
        assert!(brightest(280, 160, 80, 40) > 200);
        assert_eq!(brightest(0, 0, 640, 100), NOBODY[0]);
    }

    #[test]
    fn tiles_of_every_size_and_sources_of_every_shape_fit() {
        for (width, height) in [(1280, 720), (16, 16), (176, 144), (720, 1280)] {
            for count in [1, 2, 5, 25, 40] {
                for arrangement in [Arrangement::Grid, Arrangement::Speaker] {
                    let mut canvas = Canvas::new(width, height);
                    canvas.arrange(arrangement, count);
                    for (index, (w, h)) in [(2, 2), (1920, 2), (2, 1080), (640, 360)].into_iter().enumerate() {
                        for whole in [false, true] {
                            let tile = Tile { whole, muted: true, ..tile("A long name on a small tile") };
                            let number = 2 + u64::from(whole);
                            canvas.show(index, &tile, Some((number, &Picture::new(w, h, GREEN))));
                        }
                    }
                }
            }
        }
    }
}
