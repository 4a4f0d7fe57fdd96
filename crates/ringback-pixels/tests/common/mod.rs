//! What a camera would see: a textured room, a bright bar that moves, noise; and a colour that says whose it is.
#![allow(dead_code)]

use ringback_pixels::Picture;

pub const GREEN: [u8; 3] = [145, 54, 34];
pub const BLUE: [u8; 3] = [41, 240, 110];
pub const RED: [u8; 3] = [81, 90, 240];
pub const GREY: [u8; 3] = [126, 128, 128];

/// Numbers without chance.
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize
    }
}

/// Picture `number` of a camera.
pub fn camera(width: usize, height: usize, colour: [u8; 3], number: usize) -> Picture {
    let mut picture = Picture::new(width, height, colour);
    let mut random = Random(number as u64);
    let sway = ((number as f64 / 9.0).sin() * width as f64 / 20.0) as isize;
    for (y, row) in picture.y.chunks_exact_mut(width).enumerate() {
        let mut noise = random.next();
        for (x, pixel) in row.iter_mut().enumerate() {
            noise = noise.rotate_left(7) ^ x;
            let far = (x as isize + sway - width as isize / 2).pow(2) as usize
                + (y as isize - height as isize / 2).pow(2) as usize;
            let head = if far < height * height / 10 { 30 } else { 0 };
            let wall = (x / 24 + y / 24) % 2 * 12 + (x * y / 512) % 7;
            *pixel = (usize::from(*pixel) / 2 + 40 + head + wall + noise % 4).min(235) as u8;
        }
    }
    let bar = number * 8 % width;
    picture.fill(bar & !1, 0, 16.min(width - (bar & !1)), (height / 8) & !1, [235, 128, 128]);
    picture
}

/// How far two colours are apart.
pub fn apart(a: [u8; 3], b: [u8; 3]) -> u8 {
    a.iter().zip(b).map(|(a, b)| a.abs_diff(b)).max().unwrap_or(0)
}

/// Peak signal-to-noise of the luminance in dB.
pub fn psnr(a: &Picture, b: &Picture) -> f64 {
    assert_eq!((a.width, a.height), (b.width, b.height));
    let sum: u64 = a.y.iter().zip(&b.y).map(|(a, b)| u64::from(a.abs_diff(*b)).pow(2)).sum();
    10.0 * (255.0 * 255.0 * a.y.len() as f64 / (sum as f64).max(1.0)).log10()
}
