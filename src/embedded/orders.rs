//! What a client tells the supervisor, on its command line.

use super::folder::Folder;
use std::ffi::{OsStr, OsString};
use std::path::PathBuf;
use std::time::Duration;

/// What to run, and for how long.
#[derive(Debug, Clone)]
pub(crate) struct Orders {
    /// The cluster.
    pub(crate) folder: Folder,
    /// The `postgres` program.
    pub(crate) postgres: PathBuf,
    /// How long the server stays after its last client.
    pub(crate) linger: Duration,
    /// Server settings beside our own.
    pub(crate) server_options: Vec<(String, String)>,
}

impl Orders {
    /// As arguments: the cluster's folder, the program, the linger in milliseconds, then `name=value` for each setting.
    pub(crate) fn to_args(&self) -> Vec<OsString> {
        let mut args: Vec<OsString> =
            vec![self.folder.base().into(), self.postgres.clone().into(), self.linger.as_millis().to_string().into()];
        args.extend(self.server_options.iter().map(|(name, value)| OsString::from(format!("{name}={value}"))));
        args
    }

    /// What [`Orders::to_args`] wrote; `None` for anything else.
    pub(crate) fn parse(args: &[OsString]) -> Option<Self> {
        let [base, postgres, linger, options @ ..] = args else {
            return None;
        };
        Some(Self {
            folder: Folder::at(base.into()),
            postgres: postgres.into(),
            linger: Duration::from_millis(linger.to_str()?.parse().ok()?),
            server_options: options.iter().map(|option| parse_option(option)).collect::<Option<_>>()?,
        })
    }
}

fn parse_option(option: &OsStr) -> Option<(String, String)> {
    let (name, value) = option.to_str()?.split_once('=')?;
    Some((name.to_owned(), value.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders_arrive_as_they_were_given() {
        let orders = Orders {
            folder: Folder::at("/data/pg15".into()),
            postgres: "/usr/bin/postgres".into(),
            linger: Duration::from_millis(1500),
            server_options: vec![("search_path".to_owned(), "a=b, c".to_owned())],
        };
        let parsed = Orders::parse(&orders.to_args()).map(|orders| format!("{orders:?}"));
        assert_eq!(parsed, Some(format!("{orders:?}")));
        assert!(Orders::parse(&["/data/pg15".into()]).is_none());
        assert!(Orders::parse(&["/data".into(), "/postgres".into(), "soon".into()]).is_none());
    }
}
