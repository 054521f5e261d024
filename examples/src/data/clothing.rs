//! The embedded pictures of clothing.

use anyhow::Result;

use super::idx::parse;
use super::images::Images;
use super::unpacked;

impl Images {
    /// The embedded pictures of clothing: 4,000 images of 14 x 14 in ten classes, 400 each.
    ///
    /// # Errors
    /// If an embedded file is damaged.
    pub fn clothing() -> Result<Self> {
        let pixels = parse(unpacked(
            "clothing-images-idx3-ubyte.gz",
            include_bytes!("../../data/clothing-images-idx3-ubyte.gz"),
        )?)?;
        let labels = parse(unpacked(
            "clothing-labels-idx1-ubyte.gz",
            include_bytes!("../../data/clothing-labels-idx1-ubyte.gz"),
        )?)?;
        Self::new(
            "Fashion-MNIST 14x14 (embedded)",
            14,
            14,
            pixels.bytes.into_iter().map(f32::from).collect(),
            labels.bytes.into_iter().map(usize::from).collect(),
        )
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn there_are_400_pictures_of_each_of_ten_classes() {
        let clothing = Images::clothing().unwrap();
        assert_eq!((clothing.classes, clothing.pixels_per_image()), (10, 196));
        for class in 0..10 {
            assert_eq!(clothing.members(class).len(), 400, "class {class}");
        }
    }
}
