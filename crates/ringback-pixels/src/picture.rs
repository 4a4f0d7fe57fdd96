//! One raw picture: luminance at full resolution, two colour planes at half of it (I420).

/// A picture with even sides. Planes lie without padding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Picture {
    /// Pixels across.
    pub width: usize,
    /// Pixels down.
    pub height: usize,
    /// Luminance, 16..=235.
    pub y: Vec<u8>,
    /// Blueness around 128.
    pub u: Vec<u8>,
    /// Redness around 128.
    pub v: Vec<u8>,
}

/// A colour: luminance, blueness, redness.
pub type Colour = [u8; 3];

impl Picture {
    /// A picture of one colour. Odd sides lose a pixel.
    pub fn new(width: usize, height: usize, colour: Colour) -> Picture {
        let (width, height) = (width & !1, height & !1);
        let quarter = width / 2 * (height / 2);
        Picture {
            width,
            height,
            y: vec![colour[0]; width * height],
            u: vec![colour[1]; quarter],
            v: vec![colour[2]; quarter],
        }
    }

    /// The three planes, each with its width.
    pub fn planes(&self) -> [(&[u8], usize); 3] {
        [(&self.y, self.width), (&self.u, self.width / 2), (&self.v, self.width / 2)]
    }

    /// The three planes to write to, each with its width.
    pub fn planes_mut(&mut self) -> [(&mut [u8], usize); 3] {
        [(&mut self.y, self.width), (&mut self.u, self.width / 2), (&mut self.v, self.width / 2)]
    }

    /// Take over a picture whose rows lie `strides` bytes apart. The sides are those of this picture.
    pub fn copy_from(&mut self, planes: [&[u8]; 3], strides: [usize; 3]) {
        for (index, (own, width)) in self.planes_mut().into_iter().enumerate() {
            let rows = planes[index].chunks(strides[index].max(1));
            for (to, from) in own.chunks_exact_mut(width.max(1)).zip(rows) {
                to.copy_from_slice(&from[..width]);
            }
        }
    }

    /// Fill a rectangle at even pixels.
    pub fn fill(&mut self, x: usize, y: usize, width: usize, height: usize, colour: Colour) {
        for (index, (plane, across)) in self.planes_mut().into_iter().enumerate() {
            let half = usize::from(index > 0);
            let (x, y, width, height) = (x >> half, y >> half, width >> half, height >> half);
            for row in plane.chunks_exact_mut(across.max(1)).skip(y).take(height) {
                row[x..x + width].fill(colour[index]);
            }
        }
    }

    /// The mean colour of a rectangle at even pixels: what tests look at.
    pub fn mean(&self, x: usize, y: usize, width: usize, height: usize) -> [u8; 3] {
        let mut index = 0;
        self.planes().map(|(plane, across)| {
            let half = usize::from(index > 0);
            index += 1;
            let (x, y, width, height) = (x >> half, y >> half, width >> half, height >> half);
            let rows = plane.chunks_exact(across).skip(y).take(height);
            let sum: usize = rows.flat_map(|row| &row[x..x + width]).map(|&value| usize::from(value)).sum();
            (sum / (width * height).max(1)) as u8
        })
    }
}
