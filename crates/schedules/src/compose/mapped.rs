//! A composition of other parts.

/// The same composition of other parts: its fields, and which of them holds the part.
macro_rules! mapped {
    ($name:ident { $inner:ident; $($field:ident),* }) => {
        impl<S> $name<S> {
            pub(crate) fn map<T>(self, to: impl Fn(S) -> T) -> $name<T> {
                $name { $inner: to(self.$inner), $($field: self.$field),* }
            }
        }
    };
    ($name:ident [ $parts:ident; $($field:ident),* ]) => {
        impl<S> $name<S> {
            pub(crate) fn map<T>(self, to: impl Fn(S) -> T) -> $name<T> {
                let $parts = self.$parts.into_iter().map(to).collect();
                $name { $parts, $($field: self.$field),* }
            }
        }
    };
}
pub(super) use mapped;
