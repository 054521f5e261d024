//! How many bytes an item takes.

/// The bytes of what is kept, as its values take them: lengths, pointers and spare room do not count.
///
/// ```
/// use regimen_continual::memory::Bytes;
///
/// assert_eq!(vec![0.0_f32; 64].bytes(), 256);
/// assert_eq!(("text".to_owned(), 7_u8).bytes(), 5);
/// ```
pub trait Bytes {
    /// Bytes of the values.
    fn bytes(&self) -> usize;
}

macro_rules! plain {
    ($($name:ty),*) => {$(
        impl Bytes for $name {
            fn bytes(&self) -> usize {
                size_of::<$name>()
            }
        }
    )*};
}

plain!(
    (),
    bool,
    char,
    u8,
    u16,
    u32,
    u64,
    usize,
    i8,
    i16,
    i32,
    i64,
    isize,
    f32,
    f64
);

impl Bytes for String {
    fn bytes(&self) -> usize {
        self.len()
    }
}

impl<T: Bytes> Bytes for Vec<T> {
    fn bytes(&self) -> usize {
        self.iter().map(Bytes::bytes).sum()
    }
}

impl<T: Bytes, const N: usize> Bytes for [T; N] {
    fn bytes(&self) -> usize {
        self.iter().map(Bytes::bytes).sum()
    }
}

impl<T: Bytes> Bytes for Option<T> {
    fn bytes(&self) -> usize {
        self.as_ref().map_or(0, Bytes::bytes)
    }
}

impl<T: Bytes + ?Sized> Bytes for Box<T> {
    fn bytes(&self) -> usize {
        (**self).bytes()
    }
}

impl<A: Bytes, B: Bytes> Bytes for (A, B) {
    fn bytes(&self) -> usize {
        self.0.bytes() + self.1.bytes()
    }
}

impl<A: Bytes, B: Bytes, C: Bytes> Bytes for (A, B, C) {
    fn bytes(&self) -> usize {
        self.0.bytes() + self.1.bytes() + self.2.bytes()
    }
}
