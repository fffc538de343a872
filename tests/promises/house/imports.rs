//! Which file of a crate uses which: by a `use`, by a path in the code, or by one among the tokens of a macro or an attribute,
//! followed through re-exports to the file that defines what is named. What is compiled for tests only is left out.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::tokens::{Token, end_of, parts, pass, tokens};

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
        reader.here.clone_from(module);
        reader.read(&tokens(text), true);
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

    /// What stands in a file, a module, or (not `at_top`) anything else that has a body.
    fn read(&mut self, tokens: &[Token], at_top: bool) {
        let (mut at, mut public) = (0, false);
        while let Some(token) = tokens.get(at) {
            let next = tokens.get(at + 1);
            let named = if let Some(Token::Word(name)) = next { Some(name) } else { None };
            at = match (token, named) {
                (Token::Mark('#'), _) => self.attribute(tokens, at),
                (Token::Mark('{'), _) => {
                    let end = end_of(tokens, at);
                    self.read(&tokens[at + 1..end], false);
                    end + 1
                }
                (Token::Word(word), _) if word == "pub" => {
                    public = true;
                    // Who may see something is no use of it.
                    if next == Some(&Token::Mark('(')) { end_of(tokens, at + 1) + 1 } else { at + 1 }
                }
                (Token::Word(word), _) if word == "use" && next != Some(&Token::Mark('<')) => {
                    let end = at + tokens[at..].iter().position(|token| *token == Token::Mark(';')).unwrap();
                    if next != Some(&Token::Mark(':')) {
                        self.import(&[], &tokens[at + 1..end], std::mem::take(&mut public));
                    }
                    end + 1
                }
                (Token::Word(word), Some(name)) if word == "mod" => {
                    self.define(name.clone(), Name::Module);
                    let end = end_of(tokens, at + 2);
                    if end > at + 2 {
                        self.here.push(name.clone());
                        self.read(&tokens[at + 3..end], true);
                        self.here.pop();
                    }
                    end + 1
                }
                (Token::Word(word), Some(name)) if ITEMS.contains(&word.as_str()) => {
                    if at_top {
                        self.define(name.clone(), Name::Item);
                    }
                    public = false;
                    at + 2
                }
                (Token::Word(word), _) if word == "macro_rules" => {
                    if let (true, Some(Token::Word(name))) = (at_top, tokens.get(at + 2)) {
                        self.define(name.clone(), Name::Item);
                    }
                    at + 3
                }
                (Token::Word(_), _) => self.path(tokens, at),
                _ => at + 1,
            };
        }
    }

    /// A path that begins here, unless something before it says that this is a member, or the end of another path.
    fn path(&mut self, tokens: &[Token], at: usize) -> usize {
        let (mut path, mut end) = (Vec::new(), at);
        while let Some(Token::Word(name)) = tokens.get(end) {
            path.push(name.clone());
            end += 1;
            if !tokens[end..].starts_with(&[Token::Mark(':'), Token::Mark(':')]) {
                break;
            }
            end += 2;
        }
        let is_member = at > 0 && tokens[at - 1] == Token::Mark('.') && (at < 2 || tokens[at - 2] != Token::Mark('.'));
        if !is_member && !tokens[..at].ends_with(&[Token::Mark(':'), Token::Mark(':')]) {
            self.say(path, How::Plainly);
        }
        end
    }

    /// Texts in it may be paths, as in `#[serde(with = "crate::model::json")]`. What is for tests only is passed over.
    fn attribute(&mut self, all: &[Token], at: usize) -> usize {
        let from = at + all[at..].iter().position(|token| *token == Token::Mark('[')).unwrap();
        let end = end_of(all, from);
        let inside = &all[from + 1..end];
        if inside == tokens("cfg(test)") {
            if let [Token::Word(word), Token::Word(name), ..] = &all[end + 1..]
                && word == "mod"
            {
                self.for_tests.insert(longer(&self.here, name));
            }
            return pass(all, end + 1);
        }
        for token in inside {
            if let Token::Text(text) = token
                && text.contains("::")
                && text.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | ':'))
            {
                self.read(&tokens(text), false);
            }
        }
        self.read(inside, false);
        end + 1
    }

    /// A tree of imports: a path that ends in a name, in `*`, or in more trees.
    fn import(&mut self, before: &[String], tree: &[Token], public: bool) {
        match tree {
            [] => {}
            [Token::Word(name), Token::Mark(':'), Token::Mark(':'), rest @ ..] => {
                self.import(&longer(before, name), rest, public);
            }
            [Token::Mark('{'), inside @ .., Token::Mark('}')] => {
                parts(inside).into_iter().for_each(|part| self.import(before, part, public));
            }
            [Token::Mark('*')] => {
                self.globs.entry(self.here.clone()).or_default().push(before.to_vec());
                self.say(before.to_vec(), if public { How::Again } else { How::Whole });
            }
            [Token::Word(name), renamed @ ..] => {
                let (path, name) = if name == "self" {
                    (before.to_vec(), before.last().unwrap())
                } else {
                    (longer(before, name), name)
                };
                let name = if let [_, Token::Word(other)] = renamed { other } else { name };
                self.say(path.clone(), if public { How::Again } else { How::Plainly });
                // `pub use some_macro` names what stands in the same file.
                if path != [name.clone()] {
                    self.define(name.clone(), Name::Import { path, public });
                }
            }
            other => panic!("an import in {} that is not understood: {other:?}", self.here.join("::")),
        }
    }
}

/// What a name follows that it gives to an item.
const ITEMS: [&str; 7] = ["const", "enum", "fn", "static", "struct", "trait", "type"];

fn longer(module: &[String], name: &str) -> Module {
    module.iter().cloned().chain([name.to_owned()]).collect()
}
