//! `dataset` and `datarep`: named sets of values, shared by all rules and instances.

mod file;

use std::hash::BuildHasher;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use foldhash::fast::RandomState;
use hashbrown::HashMap;

use crate::ids::rule::ast::{Dataset, DatasetCommand, DatasetKind, Rule};

/// How many bytes a set may take where no rule says it: Suricata's `datasets.defaults.memcap`.
const DEFAULT_MEMCAP: u64 = 100 << 20;

/// How many lines of files are told that were left out.
const MAX_PROBLEMS: usize = 100;

/// What a value takes beside its bytes, roughly.
const ENTRY_BYTES: u64 = 64;

/// The sets of a rule set, while it is being compiled. Programs keep those that they ask.
#[derive(Debug, Default)]
pub(crate) struct Datasets {
    sets: HashMap<Box<str>, Arc<Set>, RandomState>,
    folder: Option<PathBuf>,
    problems: Vec<String>,
    left_out: usize,
}

/// One set. Values are spread over shards by their hash, so that instances do not wait for each other.
#[derive(Debug)]
pub(crate) struct Set {
    kind: DatasetKind,
    load: Option<Box<str>>,
    memcap: u64,
    used: AtomicU64,
    hasher: RandomState,
    shards: [Shard; SHARDS],
}

type Shard = RwLock<HashMap<Box<[u8]>, u16, RandomState>>;

const SHARDS: usize = 16;

impl Datasets {
    /// No sets yet. Files are looked for in the folder of the rule's file, then in `folder`.
    pub(crate) fn new(folder: Option<PathBuf>) -> Self {
        Self { folder, ..Self::default() }
    }

    /// The set that a rule asks, which is made and loaded where it is named for the first time.
    pub(super) fn set(&mut self, rule: &Rule, asked: &Dataset) -> Result<Arc<Set>, String> {
        let name = &asked.name;
        if let Some(set) = self.sets.get(name) {
            if let Some(kind) = asked.kind.filter(|kind| *kind != set.kind) {
                return Err(format!(
                    "the set {name} is of type {}, this rule says {}",
                    word(set.kind),
                    word(kind)
                ));
            }
            if asked.load.is_some() && asked.load != set.load {
                return Err(format!(
                    "the set {name} is loaded from {}, this rule says {}",
                    set.load.as_deref().unwrap_or("no file"),
                    asked.load.as_deref().unwrap_or("none")
                ));
            }
            return Ok(Arc::clone(set));
        }
        let Some(kind) = asked.kind else {
            return Err(format!("the set {name} has no type, here or in a rule before"));
        };
        let set = Set {
            kind,
            load: asked.load.clone(),
            memcap: asked.memcap.unwrap_or(DEFAULT_MEMCAP),
            used: AtomicU64::new(0),
            hasher: RandomState::default(),
            shards: Default::default(),
        };
        if let Some(load) = &asked.load {
            self.fill(&set, rule, asked, load)?;
        }
        let set = Arc::new(set);
        self.sets.insert(name.clone(), Arc::clone(&set));
        Ok(set)
    }

    fn fill(&mut self, set: &Set, rule: &Rule, asked: &Dataset, load: &str) -> Result<(), String> {
        let beside = Path::new(&*rule.file).parent().unwrap_or(Path::new("")).join(load);
        let path = match &self.folder {
            Some(folder) if !beside.exists() => folder.join(load),
            _ => beside,
        };
        let text = match std::fs::read(&path) {
            Ok(text) => text,
            // `state` names one file for both, which is made when there is something to be saved.
            Err(e) if e.kind() == std::io::ErrorKind::NotFound && asked.save == asked.load => {
                return Ok(());
            }
            Err(e) => return Err(format!("{} cannot be read: {e}", path.display())),
        };
        let add = |value: &[u8], reputation| set.add(value, reputation) != Added::Full;
        let mut full = None;
        file::read(&text, set.kind, add, |problem| match problem {
            file::Problem::Full(line) => full = Some(line),
            file::Problem::Line(line, what, found) => {
                self.left_out += 1;
                if self.problems.len() < MAX_PROBLEMS {
                    self.problems.push(format!("{}:{line}: {what}, is {found:?}", path.display()));
                }
            }
        });
        match full {
            None => Ok(()),
            Some(line) => Err(format!(
                "{}:{line}: the set {} is full, memcap must be more than {} bytes",
                path.display(),
                asked.name,
                set.memcap
            )),
        }
    }

    /// Lines of files that were left out, as Suricata leaves them out: the first of them with what is wrong, and how many
    /// there were in all.
    pub(crate) fn problems(&self) -> (&[String], usize) {
        (&self.problems, self.left_out)
    }
}

fn word(kind: DatasetKind) -> &'static str {
    match kind {
        DatasetKind::String => "string",
        DatasetKind::Md5 => "md5",
        DatasetKind::Sha256 => "sha256",
        DatasetKind::Ipv4 => "ipv4",
        DatasetKind::Ip => "ip",
    }
}

/// What became of a value that was to be added.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Added {
    New,
    Known,
    /// The set's memory is used up.
    Full,
}

impl Set {
    /// Does what a rule says; whether the rule goes on to match. `set` and `unset` do where they changed something.
    pub(super) fn holds(&self, command: DatasetCommand, value: &[u8]) -> bool {
        if value.is_empty() {
            return false;
        }
        let mut room = [0; 16];
        let key = self.key(value, &mut room);
        match command {
            DatasetCommand::IsSet => key.is_some_and(|key| self.reputation(key).is_some()),
            DatasetCommand::IsNotSet => key.is_none_or(|key| self.reputation(key).is_none()),
            DatasetCommand::Set => key.is_some_and(|key| self.add(key, 0) == Added::New),
            DatasetCommand::Unset => key.is_some_and(|key| self.remove(key)),
            DatasetCommand::Reputation(compare) => {
                let found = key.and_then(|key| self.reputation(key));
                found.is_some_and(|reputation| compare.holds(reputation))
            }
        }
    }

    /// What a buffer is in the set; `None` where it can be no value of it.
    fn key<'a>(&self, value: &'a [u8], room: &'a mut [u8; 16]) -> Option<&'a [u8]> {
        let fits = match self.kind {
            DatasetKind::String => true,
            DatasetKind::Md5 => value.len() == 16,
            DatasetKind::Sha256 => value.len() == 32,
            DatasetKind::Ipv4 => value.len() == 4,
            DatasetKind::Ip => {
                if let Ok(v4) = <[u8; 4]>::try_from(value) {
                    *room = std::net::Ipv4Addr::from(v4).to_ipv6_mapped().octets();
                    return Some(room);
                }
                value.len() == 16
            }
        };
        fits.then_some(value)
    }

    fn shard(&self, key: &[u8]) -> &Shard {
        let at = self.hasher.hash_one(key) % SHARDS as u64;
        &self.shards[usize::try_from(at).unwrap_or(0) % SHARDS]
    }

    fn reputation(&self, key: &[u8]) -> Option<u16> {
        self.shard(key).read().unwrap_or_else(PoisonError::into_inner).get(key).copied()
    }

    fn add(&self, key: &[u8], reputation: u16) -> Added {
        let mut shard = self.shard(key).write().unwrap_or_else(PoisonError::into_inner);
        if shard.contains_key(key) {
            return Added::Known;
        }
        let bytes = key.len() as u64 + ENTRY_BYTES;
        let before = self.used.fetch_add(bytes, Ordering::Relaxed);
        if before.saturating_add(bytes) > self.memcap {
            self.used.fetch_sub(bytes, Ordering::Relaxed);
            return Added::Full;
        }
        shard.insert(key.into(), reputation);
        Added::New
    }

    fn remove(&self, key: &[u8]) -> bool {
        let mut shard = self.shard(key).write().unwrap_or_else(PoisonError::into_inner);
        let there = shard.remove(key).is_some();
        if there {
            self.used.fetch_sub(key.len() as u64 + ENTRY_BYTES, Ordering::Relaxed);
        }
        there
    }
}
