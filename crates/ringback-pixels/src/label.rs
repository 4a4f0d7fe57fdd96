//! Letters on a picture, from a raster of Noto Sans Mono that is compiled in.

use noto_sans_mono_bitmap::{FontWeight, RasterHeight, get_raster, get_raster_width};

use crate::picture::{Colour, Picture};

/// Letters of one height.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size(RasterHeight);

impl Size {
    /// The letters for a tile so many pixels high; none on one too small to be read.
    pub fn for_tile(height: usize) -> Option<Size> {
        match height {
            0..80 => None,
            80..400 => Some(Size(RasterHeight::Size20)),
            _ => Some(Size(RasterHeight::Size32)),
        }
    }

    /// Pixels down.
    pub fn height(self) -> usize {
        self.0.val()
    }

    /// Pixels across of one letter.
    pub fn width(self) -> usize {
        get_raster_width(FontWeight::Regular, self.0)
    }
}

/// What of a name can be shown in so many letters: a stranger wrote it. What has no letter here is a box.
pub fn readable(name: &str, most: usize) -> String {
    let shown = |c: char| !c.is_control() && !is_invisible(c);
    let letter = |c: char| if get_raster(c, FontWeight::Regular, RasterHeight::Size20).is_some() { c } else { '?' };
    let mut letters: Vec<char> = name.chars().filter(|&c| shown(c)).map(letter).collect();
    if letters.len() > most {
        letters.truncate(most.saturating_sub(2));
        letters.extend("..".chars().take(most));
    }
    letters.into_iter().collect::<String>().trim().to_owned()
}

/// Marks that change how others are written: direction, joining, variation.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
        | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{e0000}'..='\u{e0fff}')
}

/// Write in white; what does not fit on the picture is left out.
pub fn write(picture: &mut Picture, text: &str, size: Size, x: usize, y: usize) {
    const WHITE: u16 = 235;
    for (index, letter) in text.chars().enumerate() {
        let left = x + index * size.width();
        if left + size.width() > picture.width || y + size.height() > picture.height {
            return;
        }
        let Some(raster) = get_raster(letter, FontWeight::Regular, size.0) else { continue };
        for (dy, row) in raster.rows().enumerate() {
            let line = &mut picture.y[(y + dy) * picture.width + left..][..row.len()];
            for (pixel, &ink) in line.iter_mut().zip(row) {
                *pixel = ((u16::from(*pixel) * (255 - u16::from(ink)) + WHITE * u16::from(ink)) / 255) as u8;
            }
        }
    }
}

/// A dark ground for letters: a third of the picture shines through.
pub fn darken(picture: &mut Picture, x: usize, y: usize, width: usize, height: usize) {
    for (index, (plane, across)) in picture.planes_mut().into_iter().enumerate() {
        let half = usize::from(index > 0);
        let ground: u16 = if index == 0 { 16 } else { 128 };
        let (x, y, width, height) = (x >> half, y >> half, width >> half, height >> half);
        for row in plane.chunks_exact_mut(across).skip(y).take(height) {
            row[x..x + width].iter_mut().for_each(|pixel| *pixel = ((u16::from(*pixel) + 2 * ground) / 3) as u8);
        }
    }
}

/// A red square with a stroke through it: no sound comes from here.
pub fn mark_muted(picture: &mut Picture, x: usize, y: usize, side: usize) {
    const RED: Colour = [81, 90, 240];
    picture.fill(x, y, side, side, RED);
    for step in 2..side.saturating_sub(2) {
        let at = (y + step) * picture.width + x + step;
        picture.y[at - 1..=at + 1].fill(235);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_strangers_name_has_no_control_over_the_picture() {
        assert_eq!(readable("Ann\u{202e}\n\u{0}a\u{200b} Lee", 20), "Anna Lee");
        assert_eq!(readable("日本 Zoë", 20), "?? Zoë");
        assert_eq!(readable("A very long name indeed", 10), "A very l..");
        assert_eq!(readable("\u{200f}", 10), "");
        assert_eq!(readable("abc", 0), "");
        assert_eq!(readable("abc", 1), ".");
    }

    #[test]
    fn letters_leave_ink_where_they_are_written_and_nowhere_else() {
        let mut picture = Picture::new(200, 60, [16, 128, 128]);
        let size = Size::for_tile(100).expect("letters");

        write(&mut picture, "Hi", size, 20, 10);

        let ink = |x: usize, y: usize| picture.y[y * 200 + x] > 100;
        let inked: Vec<(usize, usize)> =
            (0..60).flat_map(|y| (0..200).map(move |x| (x, y))).filter(|&(x, y)| ink(x, y)).collect();
        assert!(inked.len() > 20);
        assert!(
            inked
                .iter()
                .all(|&(x, y)| (20..20 + 2 * size.width()).contains(&x) && (10..10 + size.height()).contains(&y))
        );
    }

    #[test]
    fn letters_that_do_not_fit_are_left_out() {
        let mut picture = Picture::new(40, 20, [16, 128, 128]);
        let size = Size::for_tile(100).expect("letters");
        write(&mut picture, "a long text", size, 30, 0);
        write(&mut picture, "below", size, 0, 10);
    }
}
