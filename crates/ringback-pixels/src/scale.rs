//! Scaling a plane: halved while twice as large as wanted, the rest between neighbours (bilinear).

/// A rectangle of a plane whose rows are `across` wide.
#[derive(Clone, Copy)]
pub struct Part {
    pub across: usize,
    pub x: usize,
    pub y: usize,
    pub width: usize,
    pub height: usize,
}

/// What scaling needs between calls, so that nothing is allocated per picture.
#[derive(Default)]
pub struct Scratch {
    halves: [Vec<u8>; 2],
    row: Vec<u8>,
    columns: Vec<(u32, u32)>,
}

impl Scratch {
    /// Scale a part of one plane into a part of another. Empty parts do nothing.
    pub fn scale(&mut self, from: &[u8], mut part: Part, to: &mut [u8], place: Part) {
        if [part.width, part.height, place.width, place.height].contains(&0) {
            return;
        }
        let mut halves = std::mem::take(&mut self.halves);
        let mut halved = None;
        while part.width >= 2 * place.width && part.height >= 2 * place.height {
            let (before, after) = halves.split_at_mut(1);
            let (source, target) = match halved {
                None => (from, &mut before[0]),
                Some(0) => (&before[0][..], &mut after[0]),
                Some(_) => (&after[0][..], &mut before[0]),
            };
            part = halve(source, part, target);
            halved = Some(if halved == Some(0) { 1 } else { 0 });
        }
        let source = halved.map_or(from, |index: usize| &halves[index]);
        if (part.width, part.height) == (place.width, place.height) {
            copy(source, part, to, place);
        } else {
            self.blend(source, part, to, place);
        }
        self.halves = halves;
    }

    fn blend(&mut self, from: &[u8], part: Part, to: &mut [u8], place: Part) {
        self.columns.clear();
        self.columns.extend((0..place.width).map(|x| between(x, place.width, part.width)));
        self.row.resize(part.width + 1, 0);
        for y in 0..place.height {
            let (above, weight) = between(y, place.height, part.height);
            let above = above as usize;
            let below = (above + 1).min(part.height - 1);
            let line = |y: usize| &from[(part.y + y) * part.across + part.x..][..part.width];
            mix(line(above), line(below), weight, &mut self.row);
            self.row[part.width] = self.row[part.width - 1];
            let target = &mut to[(place.y + y) * place.across + place.x..][..place.width];
            for (pixel, &(left, weight)) in target.iter_mut().zip(&self.columns) {
                let left = left as usize;
                let (a, b) = (u32::from(self.row[left]), u32::from(self.row[left + 1]));
                *pixel = ((a * (256 - weight) + b * weight + 128) >> 8) as u8;
            }
        }
    }
}

/// Which of `from` pixels lies before pixel `at` of `to`, and how near the next one is in 1/256.
fn between(at: usize, to: usize, from: usize) -> (u32, u32) {
    let centre = ((2 * at + 1) * from * 128 / to) as i64 - 128;
    let centre = centre.clamp(0, ((from - 1) * 256) as i64) as u32;
    (centre >> 8, centre & 255)
}

fn mix(above: &[u8], below: &[u8], weight: u32, row: &mut [u8]) {
    let weight = weight as u16;
    for ((out, &a), &b) in row.iter_mut().zip(above).zip(below) {
        *out = ((u16::from(a) * (256 - weight) + u16::from(b) * weight + 127) >> 8) as u8;
    }
}

fn halve(from: &[u8], part: Part, to: &mut Vec<u8>) -> Part {
    let (width, height) = (part.width / 2, part.height / 2);
    to.resize(width * height, 0);
    for (y, row) in to.chunks_exact_mut(width).enumerate() {
        let line = |y: usize| &from[(part.y + y) * part.across + part.x..][..2 * width];
        let (above, below) = (line(2 * y), line(2 * y + 1));
        for ((out, a), b) in row.iter_mut().zip(above.chunks_exact(2)).zip(below.chunks_exact(2)) {
            let sum = u16::from(a[0]) + u16::from(a[1]) + u16::from(b[0]) + u16::from(b[1]);
            *out = ((sum + 2) >> 2) as u8;
        }
    }
    Part { across: width, x: 0, y: 0, width, height }
}

fn copy(from: &[u8], part: Part, to: &mut [u8], place: Part) {
    for y in 0..place.height {
        let line = &from[(part.y + y) * part.across + part.x..][..place.width];
        to[(place.y + y) * place.across + place.x..][..place.width].copy_from_slice(line);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whole(width: usize, height: usize) -> Part {
        Part { across: width, x: 0, y: 0, width, height }
    }

    #[test]
    fn one_colour_stays_that_colour_at_every_size() {
        for value in [0, 16, 127, 235, 255] {
            let from = vec![value; 640 * 360];
            for (width, height) in [(640, 360), (320, 180), (317, 93), (1280, 720), (2, 2), (1000, 10)] {
                let mut to = vec![7; width * height];
                Scratch::default().scale(&from, whole(640, 360), &mut to, whole(width, height));
                assert!(to.iter().all(|&pixel| pixel.abs_diff(value) <= 1), "{value} at {width}x{height}");
            }
        }
    }

    #[test]
    fn a_slope_stays_a_slope() {
        let from: Vec<u8> = (0..100).flat_map(|_| (0..200).map(|x| x as u8)).collect();
        for (width, height) in [(50, 25), (73, 41), (400, 200), (90, 90)] {
            let mut to = vec![0; width * height];
            Scratch::default().scale(&from, whole(200, 100), &mut to, whole(width, height));
            for (x, &pixel) in to[..width].iter().enumerate() {
                let expected = ((2 * x + 1) * 100 / width) as i32;
                assert!((i32::from(pixel) - expected).abs() <= 3, "{x} of {width}");
            }
        }
    }

    #[test]
    fn only_the_wanted_part_is_read_and_only_the_place_is_written() {
        let mut from = vec![200; 64 * 64];
        for y in 16..48 {
            from[y * 64 + 16..y * 64 + 48].fill(50);
        }
        let mut to = vec![1; 40 * 40];
        let part = Part { across: 64, x: 16, y: 16, width: 32, height: 32 };
        let place = Part { across: 40, x: 4, y: 6, width: 20, height: 10 };

        Scratch::default().scale(&from, part, &mut to, place);

        for (index, &pixel) in to.iter().enumerate() {
            let inside = (4..24).contains(&(index % 40)) && (6..16).contains(&(index / 40));
            assert_eq!(pixel, if inside { 50 } else { 1 });
        }
    }
}
