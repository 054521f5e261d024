//! The public constructors of a crate and its public types that serde reads.

use std::collections::BTreeSet;
use std::fmt;

use syn::visit::{self, Visit};
use syn::{Attribute, FnArg, ImplItem, Item, ReturnType, Signature, Type, Visibility};

/// What a test of hostile input must name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Public {
    /// A type that serde reads, or a free function that can fail.
    Name(String),
    /// A function of a type without a receiver.
    Associated(String, String),
    /// A function of a type that is called on a value: `init` of a config, `fit` of data.
    Method(String, String),
}

impl fmt::Display for Public {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::Associated(of, name) | Self::Method(of, name) => write!(f, "{of}::{name}"),
        }
    }
}

impl Public {
    /// All of a crate's files. What is `pub` is taken for public: the lint `unreachable_pub` sees to it.
    pub(super) fn of(files: &[syn::File]) -> Vec<Self> {
        let mut items = Vec::new();
        for file in files {
            flat(&file.items, &mut items);
        }
        let types: BTreeSet<String> = items.iter().filter_map(|item| public_type(item)).collect();
        let mut found = Vec::new();
        for item in items {
            match item {
                Item::Fn(item) => {
                    let (is_public, signature) = (is_public(&item.vis), &item.sig);
                    // Serde's own pair, for `#[serde(with = "..")]`.
                    let of_serde = ["serialize", "deserialize"];
                    if is_public
                        && !of_serde.iter().any(|name| signature.ident == name)
                        && takes_input(signature)
                        && returns(signature, &["Result"])
                    {
                        found.push(Self::Name(signature.ident.to_string()));
                    }
                }
                Item::Struct(item) if is_public(&item.vis) && is_read(&item.attrs) => {
                    found.push(Self::Name(item.ident.to_string()));
                }
                Item::Enum(item) if is_public(&item.vis) && is_read(&item.attrs) => {
                    found.push(Self::Name(item.ident.to_string()));
                }
                Item::Impl(block) => {
                    let Some(of) = name(&block.self_ty).filter(|name| types.contains(name)) else {
                        continue;
                    };
                    match &block.trait_ {
                        Some((path, _)) => {
                            let last = path.segments.last();
                            if last.is_some_and(|part| part.ident == "Deserialize") {
                                found.push(Self::Name(of));
                            }
                        }
                        None => found.extend(constructors(&of, &block.items)),
                    }
                }
                _ => {}
            }
        }
        found
    }
}

/// All items, those of modules in the file too, without what is compiled for tests or hidden.
fn flat<'a>(items: &'a [Item], all: &mut Vec<&'a Item>) {
    for item in items {
        match item {
            Item::Mod(module) => {
                if let Some((_, items)) = module.content.as_ref().filter(|_| counts(&module.attrs))
                {
                    flat(items, all);
                }
            }
            Item::Fn(of) if !counts(&of.attrs) => {}
            Item::Struct(of) if !counts(&of.attrs) => {}
            Item::Enum(of) if !counts(&of.attrs) => {}
            Item::Impl(of) if !counts(&of.attrs) => {}
            item => all.push(item),
        }
    }
}

fn constructors(of: &str, items: &[ImplItem]) -> Vec<Public> {
    let mut found = Vec::new();
    for item in items {
        let ImplItem::Fn(item) = item else {
            continue;
        };
        if !is_public(&item.vis) || !counts(&item.attrs) {
            continue;
        }
        let (signature, name) = (&item.sig, item.sig.ident.to_string());
        let has_receiver = matches!(signature.inputs.first(), Some(FnArg::Receiver(_)));
        if !has_receiver && takes_input(signature) && returns(signature, &["Self", of, "Result"]) {
            found.push(Public::Associated(of.to_owned(), name));
        } else if has_receiver
            && ((of.ends_with("Config") && matches!(name.as_str(), "init" | "init_on"))
                || name == "fit"
                || name.starts_with("fit_"))
        {
            found.push(Public::Method(of.to_owned(), name));
        }
    }
    found
}

fn public_type(item: &Item) -> Option<String> {
    match item {
        Item::Struct(item) if is_public(&item.vis) => Some(item.ident.to_string()),
        Item::Enum(item) if is_public(&item.vis) => Some(item.ident.to_string()),
        _ => None,
    }
}

fn is_public(visibility: &Visibility) -> bool {
    matches!(visibility, Visibility::Public(_))
}

/// Whether a user's values come in: a device alone is none.
fn takes_input(signature: &Signature) -> bool {
    signature.inputs.iter().any(|input| match input {
        FnArg::Receiver(_) => false,
        FnArg::Typed(input) => {
            let of = match &*input.ty {
                Type::Reference(reference) => &reference.elem,
                _ => &input.ty,
            };
            name(of).is_none_or(|name| name != "Device")
        }
    })
}

/// Whether one of these names is in the type that a function returns.
fn returns(signature: &Signature, names: &[&str]) -> bool {
    struct Search<'a>(&'a [&'a str], bool);
    impl Visit<'_> for Search<'_> {
        fn visit_path(&mut self, path: &syn::Path) {
            let last = path.segments.last();
            self.1 |= last.is_some_and(|part| self.0.iter().any(|name| part.ident == name));
            visit::visit_path(self, path);
        }
    }
    let mut search = Search(names, false);
    match &signature.output {
        ReturnType::Default => {}
        ReturnType::Type(_, output) => search.visit_type(output),
    }
    search.1
}

/// Whether serde reads a type: by its own derive, or by Burn's of a config.
fn is_read(attributes: &[Attribute]) -> bool {
    derives(attributes).any(|name| name == "Deserialize" || name == "Config")
}

fn derives(attributes: &[Attribute]) -> impl Iterator<Item = String> {
    let lists = attributes
        .iter()
        .filter(|attribute| attribute.path().is_ident("derive"));
    lists.flat_map(|attribute| {
        let mut names = Vec::new();
        let read = attribute.parse_nested_meta(|meta| {
            names.extend(meta.path.segments.last().map(|part| part.ident.to_string()));
            Ok(())
        });
        if read.is_err() {
            names.clear();
        }
        names
    })
}

/// Whether an item is part of the library: not for tests alone, and not hidden from its documentation.
fn counts(attributes: &[Attribute]) -> bool {
    !attributes.iter().any(|attribute| {
        let word = if attribute.path().is_ident("cfg") {
            "test"
        } else if attribute.path().is_ident("doc") {
            "hidden"
        } else {
            return false;
        };
        let list = attribute.meta.require_list();
        list.is_ok_and(|list| list.tokens.to_string() == word)
    })
}

/// The last name of a type's path.
fn name(of: &Type) -> Option<String> {
    match of {
        Type::Path(path) => path.path.segments.last().map(|part| part.ident.to_string()),
        _ => None,
    }
}
