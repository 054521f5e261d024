//! The modules of one crate, and which file an item comes from.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

use anyhow::{Context, Result, anyhow};

use super::source::{Child, Names, Source};

/// Every file's text, by its path.
pub(super) type Texts = BTreeMap<PathBuf, String>;

struct Module {
    file: PathBuf,
    /// The folder of the children that have a file each.
    folder: PathBuf,
    parent: Option<usize>,
    children: BTreeMap<String, usize>,
    source: Source,
}

/// The modules below one root file; the first is the root.
#[derive(Default)]
pub(super) struct Tree {
    modules: Vec<Module>,
}

/// What a path leads to.
#[derive(Clone, Copy)]
enum Found {
    Module(usize),
    /// An item that this module defines, or something inside that item.
    Item(usize),
}

/// What names in modules are found to mean, as the end of a path or not; `None` while one is looked up, so
/// that imports which lead back to themselves end there.
type Known = BTreeMap<(usize, String, bool), Option<Found>>;

impl Tree {
    pub(super) fn read(root: &Path, texts: &Texts) -> Result<Self> {
        let mut tree = Self::default();
        let folder = root.parent().unwrap_or(Path::new("")).to_path_buf();
        tree.file(None, root, folder, texts)?;
        Ok(tree)
    }

    /// Which file uses which, and one of the paths by which it does.
    pub(super) fn uses(&self) -> BTreeMap<(PathBuf, PathBuf), String> {
        let mut uses = BTreeMap::new();
        for (at, module) in self.modules.iter().enumerate() {
            let own = module.source.imports.iter();
            let imports = own.filter(|import| !import.passed_on);
            let paths = imports.map(|import| &import.path);
            for path in paths.chain(&module.source.paths) {
                if let Some(Found::Item(home)) = self.resolve(at, path, &mut Known::new()) {
                    let home = &self.modules[home].file;
                    if home != &module.file {
                        uses.entry((module.file.clone(), home.clone()))
                            .or_insert_with(|| path.join("::"));
                    }
                }
            }
        }
        uses
    }

    fn file(
        &mut self,
        parent: Option<usize>,
        file: &Path,
        folder: PathBuf,
        texts: &Texts,
    ) -> Result<usize> {
        let name = file.display();
        let text = texts.get(file).ok_or_else(|| anyhow!("{name}: no file"))?;
        let source = Source::parse(text).with_context(|| name.to_string())?;
        self.module(parent, file, folder, source, texts)
    }

    fn module(
        &mut self,
        parent: Option<usize>,
        file: &Path,
        folder: PathBuf,
        mut source: Source,
        texts: &Texts,
    ) -> Result<usize> {
        let at = self.modules.len();
        let children = std::mem::take(&mut source.children);
        self.modules.push(Module {
            file: file.to_path_buf(),
            folder,
            parent,
            children: BTreeMap::new(),
            source,
        });
        for (name, child) in children {
            let folder = self.modules[at].folder.join(&name);
            let child = match child {
                Child::Inline(source) => self.module(Some(at), file, folder, source, texts)?,
                Child::File(Some(place)) => {
                    let path = without_dots(&file.with_file_name(place));
                    let folder = path.parent().unwrap_or(Path::new("")).to_path_buf();
                    self.file(Some(at), &path, folder, texts)?
                }
                Child::File(None) => {
                    let inside = folder.join("mod.rs");
                    let beside = folder.with_extension("rs");
                    let path = if texts.contains_key(&inside) {
                        inside
                    } else {
                        beside
                    };
                    self.file(Some(at), &path, folder, texts)?
                }
            };
            self.modules[at].children.insert(name, child);
        }
        Ok(at)
    }

    /// What a path in a module leads to; `None` if it leaves the crate.
    fn resolve(&self, from: usize, path: &Names, known: &mut Known) -> Option<Found> {
        let mut at = from;
        let mut rest = path.iter();
        while let Some(name) = rest.next() {
            at = match name.as_str() {
                "crate" => 0,
                "self" => at,
                "super" => self.modules[at].parent?,
                _ => match self.lookup(at, name, rest.len() == 0, known)? {
                    Found::Module(module) => module,
                    item @ Found::Item(_) => return Some(item),
                },
            };
        }
        Some(Found::Module(at))
    }

    /// What a name means in a module. An item and a module may share it: the end of a path means the item.
    fn lookup(&self, at: usize, name: &str, is_end: bool, known: &mut Known) -> Option<Found> {
        let module = &self.modules[at];
        let child = module.children.get(name).copied().map(Found::Module);
        if !is_end && child.is_some() {
            return child;
        }
        if module.source.items.contains(name) {
            return Some(Found::Item(at));
        }
        let key = (at, name.to_owned(), is_end);
        if let Some(found) = known.get(&key) {
            return *found;
        }
        known.insert(key.clone(), None);
        let found = self.imported(at, name, is_end, known);
        let found = match (child, found) {
            (Some(child), Some(Found::Module(_)) | None) => Some(child),
            _ => found,
        };
        known.insert(key, found);
        found
    }

    /// What a name means by the imports of a module: those that name it, then the globs.
    fn imported(&self, at: usize, name: &str, is_end: bool, known: &mut Known) -> Option<Found> {
        let imports = &self.modules[at].source.imports;
        let mut found = None;
        for import in imports {
            if import.name.as_deref() == Some(name) {
                match self.resolve(at, &import.path, known) {
                    Some(item @ Found::Item(_)) => return Some(item),
                    other => found = found.or(other),
                }
            }
        }
        let mut globs = imports.iter().filter(|import| import.name.is_none());
        found.or_else(|| {
            globs.find_map(|glob| match self.resolve(at, &glob.path, known)? {
                Found::Module(module) => self.lookup(module, name, is_end, known),
                Found::Item(_) => None,
            })
        })
    }
}

/// A relative path without `..` inside it.
fn without_dots(path: &Path) -> PathBuf {
    let mut clean = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => {
                clean.pop();
            }
            Component::CurDir => {}
            part => clean.push(part),
        }
    }
    clean
}
