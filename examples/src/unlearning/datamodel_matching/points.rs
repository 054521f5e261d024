//! The scale of the images, and which are forgotten.

use crate::data::Images;

/// Brings every pixel to mean 0 and deviation 1 over the first part; larger images as a whole keep the norm of an 8 x 8 one.
pub(super) fn standardise_pixels(parts: &mut [Images]) {
    let (size, count) = (parts[0].pixels_per_image(), parts[0].labels.len() as f32);
    let moments = |pixel: usize| {
        let values = || parts[0].pixels.iter().skip(pixel).step_by(size);
        let mean = values().sum::<f32>() / count;
        let variance = values().map(|x| (x - mean).powi(2)).sum::<f32>() / count;
        let constant = variance < 1e-12;
        (mean, if constant { 1.0 } else { variance.sqrt() })
    };
    let moments: Vec<(f32, f32)> = (0..size).map(moments).collect();
    let scale = 8.0 / (size as f32).sqrt();
    for part in parts {
        let values = part.pixels.iter_mut().zip(moments.iter().cycle());
        values.for_each(|(x, (mean, deviation))| *x = (*x - mean) / deviation * scale);
    }
}

/// The images of a class nearest to one of them, itself included; at most half of the class.
pub(super) fn nearest(images: &Images, class: usize, anchor: usize, count: usize) -> Vec<usize> {
    let members = images.members(class);
    let size = images.pixels_per_image();
    let row = |i: usize| &images.pixels[i * size..(i + 1) * size];
    let anchor = row(members[anchor % members.len()]);
    let distance = |i: &usize| -> f32 {
        let pairs = row(*i).iter().zip(anchor);
        pairs.map(|(a, b)| (a - b).powi(2)).sum()
    };
    let mut chosen = members.clone();
    chosen.sort_by(|a, b| distance(a).total_cmp(&distance(b)));
    chosen.truncate(count.min(members.len().div_ceil(2)));
    chosen
}
