//! Which file of a crate uses which: by a `use`, by a path in the code, or by one among the tokens of a macro or an attribute,
//! followed through re-exports to the file that defines what is named. What is compiled for tests only is left out.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use proc_macro2::{TokenStream, TokenTree};
use syn::visit::{self, Visit};
use syn::{Attribute, ImplItem, Item, ItemMod, ItemUse, Macro, Meta, Path, UseTree, Visibility};

/// The names from the root of the crate to a module; none for the root itself.
pub(super) type Module = Vec<String>;

/// Every file that uses another, with those that it uses and the path by which it first does so.
pub(super) type Uses = BTreeMap<Module, BTreeMap<Module, String>>;

enum Name {
    Item,
    Module,
    Import { path: Vec<String>, public: bool },
}

/// A path, and the module that says it.
struct Said {
    by: Module,
    path: Vec<String>,
    how: How,
}

#[derive(PartialEq)]
enum How {
    /// Importing a module is no use of it: the paths that begin with it are.
    Plainly,
    /// A file may show what its children define.
    Again,
    /// `use path::*`
    Whole,
}

/// Where a path leads: to a module, or to something in it.
struct Target {
    module: Module,
    whole: bool,
}

/// Who looks a name up: the module that it stands in or another, and whether more names follow it.
#[derive(Clone, Copy)]
struct Asked {
    own: bool,
    last: bool,
    depth: usize,
}

#[derive(Default)]
struct Reader {
    files: BTreeSet<Module>,
    for_tests: BTreeSet<Module>,
    names: HashMap<Module, HashMap<String, Vec<Name>>>,
    globs: HashMap<Module, Vec<Vec<String>>>,
    said: Vec<Said>,
    here: Module,
}

/// The uses among these files, each given by its module and its text.
pub(super) fn uses(files: &[(Module, String)]) -> Uses {
    let mut reader = Reader { files: files.iter().map(|(module, _)| module.clone()).collect(), ..Reader::default() };
    for (module, text) in files {
        let file = syn::parse_file(text).unwrap_or_else(|error| panic!("{}: {error}", module.join("::")));
        reader.here.clone_from(module);
        reader.visit_file(&file);
    }
    let mut uses = Uses::new();
    for said in &reader.said {
        let from = reader.file_of(&said.by);
        let Some(target) = reader.resolve(&said.by, &said.path, 0) else { continue };
        let to = reader.file_of(&target.module);
        let only_named = target.whole && said.how != How::Whole;
        let shown_again = said.how == How::Again && to.starts_with(&from);
        let tests = reader.for_tests.iter().any(|test| from.starts_with(test));
        if to != from && !only_named && !shown_again && !tests {
            uses.entry(from).or_default().entry(to).or_insert_with(|| said.path.join("::"));
        }
    }
    uses
}

/// Files that all use each other, directly or by way of others.
pub(super) fn rings(uses: &Uses) -> BTreeSet<BTreeSet<Module>> {
    let reached: BTreeMap<&Module, BTreeSet<&Module>> = uses.keys().map(|from| (from, reach(uses, from))).collect();
    let ring = |from: &Module| -> BTreeSet<Module> {
        let back = |to: &&&Module| reached.get(**to).is_some_and(|there| there.contains(from));
        reached[from].iter().filter(back).map(|to| (*to).clone()).collect()
    };
    uses.keys().map(ring).filter(|ring| !ring.is_empty()).collect()
}

fn reach<'a>(uses: &'a Uses, from: &'a Module) -> BTreeSet<&'a Module> {
    let mut reached = BTreeSet::new();
    let mut open = vec![from];
    while let Some(next) = open.pop() {
        open.extend(uses.get(next).into_iter().flat_map(BTreeMap::keys).filter(|to| reached.insert(*to)));
    }
    reached
}

impl Reader {
    fn file_of(&self, module: &[String]) -> Module {
        let mut lengths = (0..=module.len()).rev();
        lengths.find(|length| self.files.contains(&module[..*length])).map(|length| module[..length].to_vec()).unwrap()
    }

    /// None for a path that leads out of the crate, or that begins with something local.
    fn resolve(&self, from: &[String], path: &[String], depth: usize) -> Option<Target> {
        let mut target = Target { module: from.to_vec(), whole: true };
        let mut rest = path;
        while let Some((first, after)) = rest.split_first() {
            match first.as_str() {
                "crate" => target.module.clear(),
                "super" => drop(target.module.pop()),
                "self" => {}
                _ => break,
            }
            rest = after;
        }
        for (at, name) in rest.iter().enumerate() {
            let (own, last) = (target.module == from, at + 1 == rest.len());
            match self.look_up(&target.module, name, Asked { own, last, depth }) {
                Some(found) => target = found,
                None if at == 0 && rest.len() == path.len() => return None,
                // What a macro defines has no name here.
                None => target.whole = false,
            }
            if !target.whole {
                break;
            }
        }
        Some(target)
    }

    fn look_up(&self, module: &[String], name: &str, asked: Asked) -> Option<Target> {
        let depth = asked.depth + 1;
        let meant = |meaning: &Name| match meaning {
            Name::Item => Some(Target { module: module.to_vec(), whole: false }),
            Name::Module => Some(Target { module: longer(module, name), whole: true }),
            // Whoever relies on an import that another module has for itself relies on that module.
            Name::Import { public: false, .. } if !asked.own => Some(Target { module: module.to_vec(), whole: false }),
            // Names may lead in a circle: those of modules that show all of each other.
            Name::Import { path, .. } if depth < 9 => self.resolve(module, path, depth),
            Name::Import { .. } => None,
        };
        let meanings = self.names.get(module).and_then(|names| names.get(name)).into_iter().flatten();
        let found: Vec<Target> = meanings.filter_map(meant).collect();
        // A module and a function may have the same name: what more names follow is the module.
        let best = found.iter().position(|target| target.whole != asked.last).unwrap_or_default();
        found.into_iter().nth(best).or_else(|| {
            self.globs.get(module).filter(|_| depth < 9)?.iter().find_map(|glob| {
                let shown = self.resolve(module, glob, depth).filter(|target| target.whole)?;
                self.look_up(&shown.module, name, Asked { own: false, depth, ..asked })
            })
        })
    }

    fn define(&mut self, name: String, what: Name) {
        self.names.entry(self.here.clone()).or_default().entry(name).or_default().push(what);
    }

    fn say(&mut self, path: Vec<String>, how: How) {
        self.said.push(Said { by: self.here.clone(), path, how });
    }

    fn import(&mut self, before: &[String], tree: &UseTree, public: bool) {
        let (path, name) = match tree {
            UseTree::Path(path) => return self.import(&longer(before, &path.ident.to_string()), &path.tree, public),
            UseTree::Group(group) => return group.items.iter().for_each(|tree| self.import(before, tree, public)),
            UseTree::Glob(_) => {
                self.globs.entry(self.here.clone()).or_default().push(before.to_vec());
                return self.say(before.to_vec(), if public { How::Again } else { How::Whole });
            }
            UseTree::Name(name) if name.ident == "self" => (before.to_vec(), before.last().unwrap().clone()),
            UseTree::Name(name) => (longer(before, &name.ident.to_string()), name.ident.to_string()),
            UseTree::Rename(name) => (longer(before, &name.ident.to_string()), name.rename.to_string()),
        };
        self.say(path.clone(), if public { How::Again } else { How::Plainly });
        // `pub use some_macro` names what stands in the same file.
        if path != [name.clone()] {
            self.define(name, Name::Import { path, public });
        }
    }

    /// Nobody has parsed the tokens of a macro: a path is what `::` joins, unless it is a field or a method.
    fn tokens(&mut self, tokens: TokenStream) {
        let mut path: Vec<String> = Vec::new();
        let (mut colons, mut member) = (0, false);
        for token in tokens {
            if let TokenTree::Punct(punct) = &token
                && punct.as_char() == ':'
            {
                colons += 1;
                continue;
            }
            if colons != 2 || !matches!(token, TokenTree::Ident(_)) {
                self.say(std::mem::take(&mut path), How::Plainly);
            }
            colons = 0;
            let next_is_member = matches!(&token, TokenTree::Punct(punct) if punct.as_char() == '.');
            match token {
                TokenTree::Ident(ident) if !member => path.push(ident.to_string()),
                TokenTree::Group(group) => self.tokens(group.stream()),
                TokenTree::Literal(literal) => {
                    // As in `#[serde(with = "crate::model::json")]`.
                    let path = syn::parse_str(&literal.to_string()).and_then(|text: syn::LitStr| text.parse::<Path>());
                    path.iter().for_each(|path| self.visit_path(path));
                }
                TokenTree::Ident(_) | TokenTree::Punct(_) => {}
            }
            member = next_is_member;
        }
        self.say(path, How::Plainly);
    }
}

impl<'ast> Visit<'ast> for Reader {
    fn visit_item(&mut self, item: &'ast Item) {
        let (attributes, name) = match item {
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
            Item::Use(item) => (&item.attrs, None),
            _ => panic!("an item in {} of a kind that this does not know", self.here.join("::")),
        };
        if only_for_tests(attributes) {
            if let Item::Mod(module) = item {
                self.for_tests.insert(longer(&self.here, &module.ident.to_string()));
            }
            return;
        }
        if let Some(name) = name {
            self.define(name.to_string(), Name::Item);
        }
        visit::visit_item(self, item);
    }

    fn visit_impl_item(&mut self, item: &'ast ImplItem) {
        if !matches!(item, ImplItem::Fn(method) if only_for_tests(&method.attrs)) {
            visit::visit_impl_item(self, item);
        }
    }

    fn visit_item_mod(&mut self, module: &'ast ItemMod) {
        let name = module.ident.to_string();
        self.define(name.clone(), Name::Module);
        self.here.push(name);
        visit::visit_item_mod(self, module);
        self.here.pop();
    }

    fn visit_item_use(&mut self, item: &'ast ItemUse) {
        if item.leading_colon.is_none() {
            self.import(&[], &item.tree, !matches!(item.vis, Visibility::Inherited));
        }
    }

    fn visit_path(&mut self, path: &'ast Path) {
        if path.leading_colon.is_none() {
            self.say(path.segments.iter().map(|segment| segment.ident.to_string()).collect(), How::Plainly);
        }
        visit::visit_path(self, path);
    }

    /// Who may see something is no use of it.
    fn visit_visibility(&mut self, _: &'ast Visibility) {}

    fn visit_macro(&mut self, called: &'ast Macro) {
        self.visit_path(&called.path);
        self.tokens(called.tokens.clone());
    }

    fn visit_attribute(&mut self, attribute: &'ast Attribute) {
        if let Meta::List(list) = &attribute.meta {
            self.tokens(list.tokens.clone());
        }
    }
}

fn only_for_tests(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        attribute.path().is_ident("cfg") && attribute.parse_args::<Path>().is_ok_and(|only| only.is_ident("test"))
    })
}

fn longer(module: &[String], name: &str) -> Module {
    module.iter().cloned().chain([name.to_owned()]).collect()
}
