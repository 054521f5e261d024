//! What the text of one module says: its items, its imports, and the paths in its code.

use std::collections::BTreeSet;

use proc_macro2::{Ident, TokenStream, TokenTree};
use syn::punctuated::Punctuated;
use syn::visit::{self, Visit};
use syn::{Attribute, ImplItemFn, Item, ItemMod, ItemUse, Macro, Meta, Token, UseTree, Visibility};

/// The segments of a path: `crate::mask::Mask`.
pub(super) type Names = Vec<String>;

/// One leaf of a `use`.
pub(super) struct Import {
    /// The name that it brings into the module; `None` for a glob.
    pub(super) name: Option<String>,
    pub(super) path: Names,
    /// Whether it is a re-export, which by itself is no use of the item.
    pub(super) passed_on: bool,
}

/// Where a child module's text is.
pub(super) enum Child {
    Inline(Source),
    /// In a file of its own, whose place `#[path]` may give.
    File(Option<String>),
}

/// A module, without what is compiled for tests only.
#[derive(Default)]
pub(super) struct Source {
    pub(super) items: BTreeSet<String>,
    pub(super) children: Vec<(String, Child)>,
    pub(super) imports: Vec<Import>,
    /// Paths in expressions, types and patterns. In the arguments of macros every name is taken for one.
    pub(super) paths: BTreeSet<Names>,
}

impl Source {
    pub(super) fn parse(text: &str) -> syn::Result<Self> {
        Ok(Self::of(&syn::parse_file(text)?.items))
    }

    fn of(items: &[Item]) -> Self {
        let mut source = Self::default();
        for item in items {
            let (attributes, name) = parts(item);
            if !for_tests(attributes) {
                source.items.extend(name.map(Ident::to_string));
                source.visit_item(item);
            }
        }
        source
    }

    fn import(&mut self, tree: &UseTree, before: &[String], passed_on: bool) {
        let mut path = before.to_vec();
        let name = match tree {
            UseTree::Path(tree) => {
                path.push(tree.ident.to_string());
                return self.import(&tree.tree, &path, passed_on);
            }
            UseTree::Group(group) => {
                for tree in &group.items {
                    self.import(tree, before, passed_on);
                }
                return;
            }
            UseTree::Glob(_) => None,
            UseTree::Name(tree) if tree.ident == "self" => path.last().cloned(),
            UseTree::Name(tree) => {
                path.push(tree.ident.to_string());
                path.last().cloned()
            }
            UseTree::Rename(tree) => {
                if tree.ident != "self" {
                    path.push(tree.ident.to_string());
                }
                Some(tree.rename.to_string())
            }
        };
        self.imports.push(Import {
            name,
            path,
            passed_on,
        });
    }

    /// The paths in the arguments of a macro, which are not yet a syntax tree.
    fn tokens(&mut self, tokens: TokenStream) {
        let mut path = Names::new();
        let mut marks = String::new();
        for token in tokens {
            match token {
                TokenTree::Ident(name) => {
                    if marks != "::" {
                        self.paths.insert(std::mem::take(&mut path));
                    }
                    if marks != "." {
                        path.push(name.to_string());
                    }
                    marks.clear();
                }
                TokenTree::Punct(mark) => marks.push(mark.as_char()),
                TokenTree::Group(group) => {
                    self.tokens(group.stream());
                    marks.push(' ');
                }
                TokenTree::Literal(_) => marks.push(' '),
            }
        }
        self.paths.insert(path);
    }
}

impl Visit<'_> for Source {
    fn visit_item(&mut self, item: &Item) {
        if !for_tests(parts(item).0) {
            visit::visit_item(self, item);
        }
    }

    fn visit_impl_item_fn(&mut self, item: &ImplItemFn) {
        if !for_tests(&item.attrs) {
            visit::visit_impl_item_fn(self, item);
        }
    }

    fn visit_item_mod(&mut self, module: &ItemMod) {
        let child = match &module.content {
            Some((_, items)) => Child::Inline(Self::of(items)),
            None => Child::File(module.attrs.iter().find_map(place)),
        };
        self.children.push((module.ident.to_string(), child));
    }

    fn visit_item_use(&mut self, item: &ItemUse) {
        let passed_on = !matches!(item.vis, Visibility::Inherited);
        self.import(&item.tree, &[], passed_on);
    }

    fn visit_macro(&mut self, item: &Macro) {
        self.visit_path(&item.path);
        self.tokens(item.tokens.clone());
    }

    fn visit_path(&mut self, path: &syn::Path) {
        let names = path.segments.iter().map(|part| part.ident.to_string());
        self.paths.insert(names.collect());
        visit::visit_path(self, path);
    }

    fn visit_attribute(&mut self, _: &Attribute) {}
}

/// The attributes of an item and the name that it defines; a `use` and a `mod` define none.
fn parts(item: &Item) -> (&[Attribute], Option<&Ident>) {
    match item {
        Item::Const(item) => (&item.attrs, Some(&item.ident)),
        Item::Enum(item) => (&item.attrs, Some(&item.ident)),
        Item::Fn(item) => (&item.attrs, Some(&item.sig.ident)),
        Item::Impl(item) => (&item.attrs, None),
        Item::Macro(item) => (&item.attrs, item.ident.as_ref()),
        Item::Mod(item) => (&item.attrs, None),
        Item::Static(item) => (&item.attrs, Some(&item.ident)),
        Item::Struct(item) => (&item.attrs, Some(&item.ident)),
        Item::Trait(item) => (&item.attrs, Some(&item.ident)),
        Item::Type(item) => (&item.attrs, Some(&item.ident)),
        Item::Union(item) => (&item.attrs, Some(&item.ident)),
        Item::Use(item) => (&item.attrs, None),
        _ => (&[], None),
    }
}

fn for_tests(attributes: &[Attribute]) -> bool {
    let mut conditions = attributes
        .iter()
        .filter(|attribute| attribute.path().is_ident("cfg"));
    conditions.any(|cfg| cfg.parse_args().is_ok_and(|meta: Meta| needs_test(&meta)))
}

fn needs_test(condition: &Meta) -> bool {
    match condition {
        Meta::Path(path) => path.is_ident("test"),
        Meta::List(list) => {
            let inner = list.parse_args_with(Punctuated::<Meta, Token![,]>::parse_terminated);
            inner.is_ok_and(|inner| {
                (list.path.is_ident("all") && inner.iter().any(needs_test))
                    || (list.path.is_ident("any") && inner.iter().all(needs_test))
            })
        }
        Meta::NameValue(_) => false,
    }
}

/// The file that `#[path = ".."]` names.
fn place(attribute: &Attribute) -> Option<String> {
    let Meta::NameValue(pair) = &attribute.meta else {
        return None;
    };
    let syn::Expr::Lit(value) = &pair.value else {
        return None;
    };
    let syn::Lit::Str(text) = &value.lit else {
        return None;
    };
    pair.path.is_ident("path").then(|| text.value())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn joined(paths: impl IntoIterator<Item = Names>) -> Vec<String> {
        let paths = paths.into_iter().map(|path| path.join("::"));
        paths.filter(|path| !path.is_empty()).collect()
    }

    #[test]
    fn reads_every_form_of_use() {
        let text = "use a::{self, b::C, d::*, self as e}; pub(crate) use f::G as H;";
        let source = Source::parse(text).unwrap_or_default();
        let names: Vec<_> = source.imports.iter().map(|i| i.name.as_deref()).collect();
        assert_eq!(names, [Some("a"), Some("C"), None, Some("e"), Some("H")]);
        let passed_on: Vec<_> = source.imports.iter().map(|i| i.passed_on).collect();
        assert_eq!(passed_on, [false, false, false, false, true]);
        let paths = joined(source.imports.into_iter().map(|i| i.path));
        assert_eq!(paths, ["a", "a::b::C", "a::d", "a", "f::G"]);
    }

    #[test]
    fn reads_paths_in_macros() {
        let text = "fn f() { assert!(x.y == crate::a::b(c::D, [e]) && $crate::g); }";
        let source = Source::parse(text).unwrap_or_default();
        let paths = joined(source.paths);
        assert_eq!(
            paths,
            ["assert", "c::D", "crate::a::b", "crate::g", "e", "x"]
        );
    }

    #[test]
    fn leaves_out_what_is_for_tests() {
        let text = "#[cfg(test)] use a::B; #[cfg(all(test, unix))] fn f() { c() } \
            impl D { #[cfg(test)] fn g() { h() } } #[cfg(not(test))] fn i() { j() }";
        let source = Source::parse(text).unwrap_or_default();
        assert_eq!(joined(source.paths), ["D", "j"]);
        assert!(source.imports.is_empty());
        assert_eq!(source.items.into_iter().collect::<Vec<_>>(), ["i"]);
    }
}
